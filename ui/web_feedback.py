"""Feedback on the page: a thumb beside each answer, and a form for what it should have said.

Promises that a thumb is stored at once, that the form's text is stored only when it is sent, and
that a browser rates its own answers only. Knows nothing of how feedback is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import gradio as gr

from assistant.errors import AuscultError
from assistant.feedback import MAX_CORRECTION, REASONS, Feedback, Said
from ui import locales, web_html
from ui.web_uploads import browser_of

if TYPE_CHECKING:
    from assistant.app import Assistant
    from assistant.session import Session
    from ui.web_page import Conversation

_SLOTS = ("entities", "rerank", "support", "verdict", "embed", "chat")
# Brings the form into view with the cursor in its text; a thumb up opens none.
_TO_FORM = """() => {
  let left = 200;
  const timer = setInterval(() => {
    const box = document.querySelector('#au-correction textarea');
    if (!box && --left > 0) return;
    clearInterval(timer);
    if (box) box.focus({preventScroll: false});
  }, 50);
}"""
_TO_BOX = "() => { const box = document.querySelector('#au-box textarea'); if (box) box.focus(); }"


@dataclass(frozen=True, slots=True)
class Panel:
    """The form's components."""

    group: Any
    head: Any
    reasons: Any
    correction: Any
    send: Any
    cancel: Any
    thanks: Any


def said(assistant: Assistant, session: Session) -> Said:
    """Return the last answer of a session with what served it."""
    turn = session.turns[-1]
    adapters = {}
    for slot in _SLOTS:
        try:
            name = assistant.resources.adapter_name(slot)
        except AuscultError:
            continue
        if name:
            adapters[slot] = name
    return Said(turn.message, turn.answer, len(session.turns), adapters)


def build(words: Any) -> Panel:
    """Return the form, hidden, and the line that thanks."""
    thanks = gr.HTML("", js_on_load=None, elem_id="au-thanks")
    with gr.Column(elem_id="au-feedback", visible=False) as group:
        head = gr.HTML(_head(words), js_on_load=None)
        reasons = gr.CheckboxGroup(
            _choices(words), show_label=True, label=words["why"], elem_id="au-reasons"
        )
        correction = gr.Textbox(
            label=words["correction"],
            placeholder=words["correction_hint"],
            lines=3,
            max_lines=8,
            max_length=MAX_CORRECTION,
            elem_id="au-correction",
        )
        with gr.Row(elem_id="au-feedback-buttons"):
            cancel = gr.Button(words["cancel"], size="sm", variant="secondary", scale=0)
            send = gr.Button(
                words["send"], size="sm", variant="primary", scale=0, elem_id="au-send"
            )
    return Panel(group, head, reasons, correction, send, cancel, thanks)


def connect(
    page: Any,
    panel: Panel,
    others: tuple[Any, Any, Any, Any],
    assistant: Assistant,
    on_bug: Callable[[BaseException], str],
    quiet: dict[str, Any],
) -> None:
    """Tie the form to the page.

    Args:
        page: the blocks that are being built.
        panel: the form.
        others: the page's chat, state, button for a new conversation, and message box.
        assistant: whose answers are rated.
        on_bug: saves an unexpected error and returns the sentence for the reader.
        quiet: options of every event of the page.
    """
    chat, state, new, box = others
    rating = _Rating(Feedback(assistant.settings), assistant, on_bug)
    form = [panel.group, panel.reasons, panel.correction, panel.thanks]
    page.load(
        _translate, None,
        [panel.head, panel.reasons, panel.correction, panel.send, panel.cancel], **quiet,
    )  # fmt: skip
    chat.like(rating.thumb, [state], form, **quiet)
    chat.like(None, None, None, js=_TO_FORM, **quiet)
    panel.send.click(rating.send, [state, panel.reasons, panel.correction], form, **quiet)
    panel.cancel.click(rating.close, [state], form, **quiet)
    panel.cancel.click(None, None, None, js=_TO_BOX, **quiet)
    panel.send.click(None, None, None, js=_TO_BOX, **quiet)
    for leave in (new.click, box.submit):
        leave(rating.close, [state], form, **quiet)


class _Rating:
    """What happens when an answer is rated; holds nothing of any conversation.

    Gradio reads the annotations of its handlers at run time, so a conversation is `Any` there.
    """

    def __init__(
        self, feedback: Feedback, assistant: Assistant, on_bug: Callable[[BaseException], str]
    ) -> None:
        self._feedback = feedback
        self._assistant = assistant
        self._on_bug = on_bug

    def thumb(self, conversation: Any, given: gr.LikeData, request: gr.Request) -> tuple[Any, ...]:
        """Store a thumb; open the form for a thumb down."""
        place = given.index if isinstance(given.index, int) else given.index[0]
        if not _owns(conversation, request) or place not in conversation.said:
            return _form(_line(_words(request)["not_rated"], "status"))
        words = locales.words(conversation.language)
        # A thumb that is clicked again is taken back by Gradio and comes as "".
        if given.liked == "":
            return self._withdraw(conversation, place, words)
        up = given.liked is True
        line = self._store(conversation, place, words, 1 if up else -1)
        conversation.rated = -1 if up else place
        return _form(line, opened=not up)

    def send(
        self,
        conversation: Any,
        reasons: list[str],
        correction: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Store what was written with the thumb."""
        if not _owns(conversation, request) or conversation.rated not in conversation.said:
            return _form(_line(_words(request)["not_rated"], "status"))
        words = locales.words(conversation.language)
        line = self._store(conversation, conversation.rated, words, -1, reasons, correction or "")
        if 'role="alert"' in line:
            # Nothing that was written is lost: the form stays.
            return gr.skip(), gr.skip(), gr.skip(), line
        conversation.rated = -1
        return _form(line)

    def close(self, conversation: Any) -> tuple[Any, ...]:
        """Close the form; the thumb stays."""
        if conversation is not None:
            conversation.rated = -1
        return _form("")

    def _store(
        self,
        conversation: Conversation,
        place: int,
        words: Any,
        thumb: int,
        reasons: list[str] | None = None,
        correction: str = "",
    ) -> str:
        session = conversation.session
        try:
            self._feedback.record(
                conversation.said[place],
                user=_user(conversation),
                thumb=thumb,
                correction=correction,
                reasons=reasons or (),
                context=lambda citation: self._assistant.context(citation, session),
            )
        except AuscultError as error:
            return _line(str(error), "alert")
        except Exception as error:  # noqa: BLE001 - the page's last frame; saved and shown
            return _line(self._on_bug(error), "alert")
        return _line(words["thanks"], "status")

    def _withdraw(self, conversation: Conversation, place: int, words: Any) -> tuple[Any, ...]:
        user, answer = _user(conversation), conversation.said[place].answer.id
        try:
            for entry in self._feedback.mine(user):
                if entry.answer_id == answer:
                    self._feedback.withdraw(entry.id, user)
        except AuscultError as error:
            return _form(_line(str(error), "alert"))
        conversation.rated = -1
        return _form(_line(words["withdrawn"], "status"))


def _user(conversation: Conversation) -> str:
    return conversation.session.user or f"browser:{conversation.browser}"


def _owns(conversation: Conversation | None, request: gr.Request) -> TypeGuard[Conversation]:
    browser = browser_of(request.headers.get("cookie", ""))
    return conversation is not None and conversation.browser == browser


def _form(line: str, *, opened: bool = False) -> tuple[Any, ...]:
    return gr.update(visible=opened), gr.update(value=[]), gr.update(value=""), line


def _line(text: str, role: str) -> str:
    return f'<p role="{role}">{web_html.text(text)}</p>'


def _words(request: gr.Request) -> Any:
    return locales.words(locales.choose(request.headers.get("accept-language", "")))


def _translate(request: gr.Request) -> tuple[Any, ...]:
    """Put the form into the reader's language."""
    words = _words(request)
    return (
        _head(words),
        gr.update(choices=_choices(words), label=words["why"]),
        gr.update(label=words["correction"], placeholder=words["correction_hint"]),
        gr.update(value=words["send"]),
        gr.update(value=words["cancel"]),
    )


def _head(words: Any) -> str:
    text = web_html.text
    return f"<h3>{text(words['correct'])}</h3><p>{text(words['correct_note'])}</p>"


def _choices(words: Any) -> list[tuple[str, str]]:
    return [(words[f"reason_{name}"], name) for name in REASONS]
