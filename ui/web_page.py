"""The chat page: Gradio's blocks and what happens when they are used.

A conversation belongs to one load of the page and to the browser that loaded it. Nothing of it is
kept on any object that two pages share. Knows nothing of HTML fragments or of the server.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.chatbot import ComponentMessage

from assistant.feedback import Said
from assistant.session import Session
from assistant.types import Attachment
from ui import locales, web_feedback, web_html
from ui.web_exhibits import Exhibits
from ui.web_shelf import Shelf
from ui.web_turn import Turn, View, accept_all
from ui.web_uploads import Owners, browser_of

if TYPE_CHECKING:
    from assistant.app import Assistant

Message = dict[str, Any]
CONCURRENCY = 16
QUEUE = 256
STATUS_EVERY_S = 1.0
IDLE_S = 0.02
# Brings a new question to the top once, and leaves the reader alone from then on.
_TO_QUESTION = """() => {
  const all = () => document.querySelectorAll('#au-chat .au-question');
  const before = all().length;
  let left = 100;
  const timer = setInterval(() => {
    const now = all();
    if (now.length <= before && --left > 0) return;
    clearInterval(timer);
    const row = now.length && now[now.length - 1].closest('.message-row');
    if (row) row.scrollIntoView({block: 'start'});
  }, 50);
}"""


@dataclass(slots=True)
class Conversation:
    """What one page shows and whose it is.

    Attributes:
        browser: the mark of the browser that loaded the page.
        language: of the page's words.
        session: the assistant's side.
        messages: the bubbles so far.
        exhibits: its pictures and files, on the shelf for its browser.
        turn: the turn that is running, or None.
        said: what was answered, by the place of its bubble.
        rated: the place of the answer whose correction is being written, or -1.
    """

    browser: str
    language: str
    session: Session = field(default_factory=Session.new)
    messages: list[Message] = field(default_factory=list)
    exhibits: Exhibits | None = None
    turn: Turn | None = None
    said: dict[int, Said] = field(default_factory=dict)
    rated: int = -1


@dataclass(frozen=True, slots=True)
class Warmth:
    """Whether the assistant is ready: a line for the page, and whether it is final."""

    line: Callable[[str], tuple[str, bool]]


def build(
    assistant: Assistant,
    owners: Owners,
    shelf: Shelf,
    warmth: Warmth,
    on_bug: Callable[[BaseException], str],
) -> gr.Blocks:
    """Return the page.

    Args:
        assistant: answers.
        owners: who uploaded what.
        shelf: takes the pictures and files of conversations.
        warmth: says how far the assistant is in loading.
        on_bug: saves an unexpected error and returns where.
    """
    handlers = _Handlers(assistant, owners, shelf, warmth, on_bug)
    words = locales.words(locales.DEFAULT)
    with gr.Blocks(
        title=words["title"], analytics_enabled=False, fill_height=True, delete_cache=(600, 3600)
    ) as page:
        state = gr.State(None)
        with gr.Row(elem_id="au-head"):
            head = gr.HTML(_head(words), js_on_load=None, elem_id="au-brand")
            new = gr.Button(words["new"], elem_id="au-new", size="sm", variant="secondary", scale=0)
        status = gr.HTML("", js_on_load=None, elem_id="au-status")
        chat = gr.Chatbot(
            elem_id="au-chat",
            show_label=False,
            container=False,
            layout="panel",
            height=None,
            scale=1,
            autoscroll=False,
            buttons=[],
            latex_delimiters=[],
            allow_file_downloads=False,
            feedback_options=["Like", "Dislike"],
            group_consecutive_messages=False,
            placeholder=_empty(words),
            examples=_examples(words),  # type: ignore[arg-type]
        )
        panel = web_feedback.build(words)
        box = gr.MultimodalTextbox(
            elem_id="au-box",
            show_label=False,
            container=False,
            file_count="multiple",
            sources=["upload"],
            placeholder=words["placeholder"],
            autofocus=True,
            max_lines=8,
            stop_btn=False,
        )
        notice = gr.HTML(_notice(words), js_on_load=None, elem_id="au-notice")
        ticker = gr.Timer(STATUS_EVERY_S)

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(handlers.load, None, [state, head, new, chat, box, notice, status], **quiet)
        ticker.tick(handlers.status, [state], [status, ticker], **quiet)
        box.submit(handlers.submit, [box, state], [chat, box, state], **quiet)
        box.submit(None, None, None, js=_TO_QUESTION, **quiet)
        chat.example_select(handlers.example, [state], [chat, box, state], **quiet)
        box.stop(handlers.stop, [state], None, queue=False, **quiet)
        new.click(handlers.new, [state], [chat, box, state], **quiet)
        web_feedback.connect(page, panel, (chat, state, new, box), assistant, on_bug, quiet)
    page.queue(default_concurrency_limit=CONCURRENCY, max_size=QUEUE, api_open=False)
    # Gradio looks for work a thousand times a second, which keeps an idle processor awake.
    page._queue.sleep_when_free = IDLE_S
    return page


class _Handlers:
    """What happens on the page; holds the shared assistant and nothing of any conversation."""

    def __init__(
        self,
        assistant: Assistant,
        owners: Owners,
        shelf: Shelf,
        warmth: Warmth,
        on_bug: Callable[[BaseException], str],
    ) -> None:
        self._assistant = assistant
        self._owners = owners
        self._shelf = shelf
        self._warmth = warmth
        self._on_bug = on_bug

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Begin a conversation in the reader's language."""
        conversation = _begin(request)
        words = locales.words(conversation.language)
        return (
            conversation,
            _head(words),
            gr.update(value=words["new"]),
            gr.update(value=[], placeholder=_empty(words), examples=_examples(words)),
            gr.update(placeholder=words["placeholder"]),
            _notice(words),
            _status(self._warmth.line(conversation.language)[0]),
        )

    def status(self, conversation: Conversation | None) -> tuple[str, Any]:
        """Say how far loading is; stop asking once it is over."""
        language = conversation.language if conversation else locales.DEFAULT
        line, final = self._warmth.line(language)
        return _status(line), gr.Timer(active=not final)

    def submit(
        self, given: dict[str, Any], conversation: Conversation | None, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Answer what was written and attached."""
        conversation = _own(conversation, request)
        words = locales.words(conversation.language)
        message = str(given.get("text") or "")
        files, refused = self._take(given.get("files") or [], conversation.browser, words)
        yield from self._turn(conversation, message, files, refused)

    def example(
        self, conversation: Conversation | None, chosen: gr.SelectData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Ask one of the examples; its file comes with the package."""
        conversation = _own(conversation, request)
        examples = _example_files(locales.words(conversation.language))
        question, path = examples[int(chosen.index) % len(examples)]
        files = [(path.name, path.read_bytes())] if path else []
        yield from self._turn(conversation, question, files, [])

    def stop(self, conversation: Conversation | None) -> None:
        """Give the running turn up."""
        if conversation is not None and conversation.turn is not None:
            conversation.turn.stop()

    def new(self, conversation: Conversation | None, request: gr.Request) -> tuple[Any, ...]:
        """Forget the conversation and begin another."""
        self.stop(conversation)
        if conversation is not None and conversation.exhibits is not None:
            self._shelf.forget(conversation.exhibits.group)
        return [], gr.update(value=None, interactive=True), _begin(request)

    def _take(
        self, paths: list[str], browser: str, words: Any
    ) -> tuple[list[tuple[str, bytes]], list[str]]:
        """Read the uploads of this browser and remove them from the disk."""
        files, refused = [], []
        for name in paths:
            path = Path(name)
            if not self._owners.owns(name, browser):
                refused.append(words["not_yours"])
                continue
            files.append((path.name, path.read_bytes()))
            path.unlink(missing_ok=True)
            self._owners.forget(name)
        return files, refused

    def _turn(
        self,
        conversation: Conversation,
        message: str,
        files: list[tuple[str, bytes]],
        refused: list[str],
    ) -> Iterator[tuple[Any, ...]]:
        words = locales.words(conversation.language)
        session = conversation.session
        attachments, more = accept_all(
            lambda name, data: self._assistant.accept(session, name, data), files
        )
        refused += more
        if not message.strip() and not files and not refused:
            refused.append(words["no_question"])
        messages = conversation.messages
        messages.append(
            _bubble("user", web_html.question(message, _shown(conversation, attachments)))
        )
        busy = gr.update(value=None, interactive=False, submit_btn=False, stop_btn=True)
        if refused:
            messages.append(_bubble("assistant", _refusal(refused)))
        if not refused or attachments:
            for _ in self._views(conversation, message, attachments):
                yield messages, busy, conversation
                busy = gr.skip()
        yield (
            messages,
            gr.update(value=None, interactive=True, submit_btn=True, stop_btn=False),
            conversation,
        )

    def _views(
        self, conversation: Conversation, message: str, attachments: list[Attachment]
    ) -> Iterator[View]:
        """Put each view of the turn into the last bubble."""
        assistant, session, messages = self._assistant, conversation.session, conversation.messages
        exhibits = self._exhibits(conversation)
        scene = web_html.Scene(
            locales.words(conversation.language),
            lambda citation: assistant.context(citation, session),
            exhibits.of,
            exhibits.show,
            assistant.settings.prevalence,
            [turn.answer.record for turn in session.turns if turn.answer.record is not None],
        )
        asked = next(n for n in reversed(range(len(messages))) if messages[n]["role"] == "user")
        messages.append(_bubble("assistant", web_html.turn(View(), scene)))
        yield View()
        # As the session will number them.
        for number, attachment in enumerate(attachments, len(session.attachments) + 1):
            exhibits.add(replace(attachment, id=f"A{number}"))
        messages[asked] = _bubble(
            "user", web_html.question(message, _shown(conversation, attachments))
        )
        stop = threading.Event()
        conversation.turn = Turn(
            lambda: assistant.reply(session, message, attachments, stop), self._on_bug, stop
        )
        try:
            for view in conversation.turn.views():
                messages[-1] = _bubble("assistant", web_html.turn(view, scene))
                if view.answer is not None:
                    conversation.said[len(messages) - 1] = web_feedback.said(assistant, session)
                yield view
        finally:
            conversation.turn = None

    def _exhibits(self, conversation: Conversation) -> Exhibits:
        if conversation.exhibits is None:
            mark = secrets.token_hex(16)
            conversation.exhibits = Exhibits(
                self._assistant, self._shelf, conversation.browser, mark
            )
        return conversation.exhibits


def _begin(request: gr.Request) -> Conversation:
    headers = request.headers
    browser = browser_of(headers.get("cookie", ""))
    return Conversation(browser, locales.choose(headers.get("accept-language", "")))


def _own(conversation: Conversation | None, request: gr.Request) -> Conversation:
    """Return the conversation if it is this browser's, else a new one."""
    browser = browser_of(request.headers.get("cookie", ""))
    if conversation is None or conversation.browser != browser:
        return _begin(request)
    return conversation


def _shown(conversation: Conversation, attachments: list[Attachment]) -> list[tuple[str, str]]:
    exhibits = conversation.exhibits
    return [(a.name, exhibits.picture(a.name) if exhibits else "") for a in attachments]


def _bubble(role: str, fragment: str) -> Message:
    """Return a message whose content is HTML of ours, not Markdown."""
    content = ComponentMessage(
        component="html", value=fragment, constructor_args={}, props=dict(_HTML_PROPS)
    )
    return {"role": role, "content": content}


def _html_props() -> dict[str, Any]:
    props = dict(gr.HTML("", js_on_load=None, render=False).get_config())
    props.pop("value", None)
    return props


_HTML_PROPS = _html_props()


def _head(words: Any) -> str:
    text = web_html.text
    return f"<h1>{text(words['title'])}</h1><p>{text(words['tagline'])}</p>"


def _notice(words: Any) -> str:
    return f"<p>{web_html.text(words['notice'])}</p>"


def _status(line: str) -> str:
    return f'<p role="status">{web_html.text(line)}</p>' if line else ""


def _refusal(sentences: list[str]) -> str:
    body = "".join(f"<p>{web_html.text(sentence)}</p>" for sentence in sentences)
    return f'<article class="au-answer"><div class="au-error" role="alert">{body}</div></article>'


def _empty(words: Any) -> str:
    text = web_html.text
    return (
        f'<div class="au-empty"><h2>{text(words["empty_title"])}</h2>'
        f"<p>{text(words['empty_text'])}</p></div>"
    )


def _examples(words: Any) -> list[dict[str, Any]]:
    return [{"text": question, "display_text": question} for question, _ in _example_files(words)]


def _example_files(words: Any) -> list[tuple[str, Path | None]]:
    """Return the example questions, each with a file that comes with the package, or None."""
    film = next(iter(_samples()), None)
    record = Path(str(resources.files("ui.demo").joinpath("record.txt")))
    out: list[tuple[str, Path | None]] = [(words["example_question"], None)]
    if film is not None:
        out.append((words["example_film"], film))
    return [*out, (words["example_record"], record), (words["example_abstain"], None)]


def _samples() -> list[Path]:
    folder = Path(str(resources.files("assistant.vision").joinpath("samples")))
    return sorted(folder.glob("*.png")) if folder.is_dir() else []
