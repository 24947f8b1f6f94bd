"""The assistant: settings in, turns out. The only place where the parts are wired together.

An `Assistant` holds no state of any conversation and serves any number of sessions at once.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import intake, pasted, smalltalk
from assistant.events import Answered, EmergencyRaised, Event, StepFinished, Token
from assistant.resources import Resources
from assistant.safety import redflags
from assistant.session import Session, Turn
from assistant.settings import Settings
from assistant.types import Answer, Attachment, Citation, Emergency, Step
from assistant.vision import deidentify

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from assistant.agent import Outcome
    from assistant.library import IngestReport
    from assistant.tools import TurnContext

MAX_MESSAGE_CHARACTERS = 100_000
_HISTORY = 8


class Assistant:
    """Answers messages with checked claims."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self.settings = settings
        self.resources = resources

    @classmethod
    def create(
        cls, settings: Settings, progress: Callable[[str, int, int], None] | None = None
    ) -> Assistant:
        """Return an assistant; its parts load on first use.

        Args:
            settings: all settings.
            progress: called with (name, done, total) during long steps such as indexing.
        """
        return cls(settings, Resources(settings, progress))

    def warm(self) -> None:
        """Load what every question needs; builds the index if there is none."""
        self._model()
        _ = self.resources.librarian

    def accept(self, session: Session, name: str, data: bytes) -> Attachment:
        """Return an upload as an attachment of a session; a DICOM file loses its identifiers.

        Raises:
            AttachmentError: saying what is wrong with it and what is accepted.
        """
        found = intake.accept(name, data, self.settings, len(session.attachments) + 1)
        return deidentify.attachment(found, self.settings)

    def accept_file(self, session: Session, path: Path) -> Attachment:
        """Return a file as an attachment of a session; errors as in `accept`."""
        found = intake.accept_file(path, self.settings, len(session.attachments) + 1)
        return deidentify.attachment(found, self.settings)

    def answer(
        self,
        message: str,
        attachments: Sequence[Attachment] = (),
        session: Session | None = None,
    ) -> Answer:
        """Return the answer of a turn without its events; a new session if none is given."""
        for event in self.reply(session or Session.new(), message, attachments):
            if isinstance(event, Answered):
                return event.answer
        raise AssertionError("a turn ends with its answer")

    def reply(
        self,
        session: Session,
        message: str,
        attachments: Sequence[Attachment] = (),
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Yield the events of a turn; the last one is `Answered`, unless the turn is given up.

        Args:
            session: the conversation; one turn of it runs at a time.
            message: what the user wrote; may be empty when there are attachments.
            attachments: new ones, from `accept`.
            stop: set it, from any thread, to give the turn up: the chat model stops at its next
                token, no answer follows, and the session is unchanged.

        Raises:
            AuscultError: if the message or an attachment can't be used. The session is unchanged.
        """
        with session.lock:
            began = time.perf_counter()
            message, attachments = self._prepare(session, message, attachments)
            emergency = redflags.triage(message) if message else None
            steps = [Step("triage", time.perf_counter() - began)]
            if emergency is not None:
                yield EmergencyRaised(emergency)
            yield StepFinished("triage", steps[0].seconds)
            known = [*session.attachments, *attachments]
            small = None if attachments else smalltalk.reply(message)
            if small is not None:
                yield Token(small)
                answer = self._answer_small(small, emergency, steps)
            else:
                context = self._context(session, message, known, stop)
                answer = yield from self._run(session, attachments, context, emergency, steps)
                if context.stop.is_set():
                    return
            session.attachments[:] = known
            session.turns.append(Turn(message, answer))
            yield Answered(answer)

    def context(self, citation: Citation, session: Session | None = None) -> str:
        """Return the text around a citation: its passage, or the whole record of the session."""
        librarian = self.resources.librarian_for(session.user if session else "")
        for passage in librarian.passages(citation.document):
            if passage.id == citation.passage and citation.quote in passage.text:
                return passage.text
        for attachment in session.attachments if session else ():
            if attachment.id == citation.document and attachment.kind == "record":
                return self.resources.read_record(attachment).text
        return citation.quote

    def ingest(self, paths: Sequence[Path], *, rebuild: bool = False) -> IngestReport:
        """Take documents into the library; errors as in `assistant.library.ingest`."""
        from assistant import library

        return library.ingest(self.resources, paths, rebuild=rebuild)

    def _prepare(
        self, session: Session, message: str, attachments: Sequence[Attachment]
    ) -> tuple[str, list[Attachment]]:
        from assistant.errors import InputError

        message = message.strip()
        if len(message) > MAX_MESSAGE_CHARACTERS:
            raise InputError(
                f"The message has {len(message):,} characters, more than "
                f"{MAX_MESSAGE_CHARACTERS:,}: attach long text as a .txt file."
            )
        if not message and not attachments:
            raise InputError("The message is empty: write a question or attach a file.")
        question, record = pasted.separate(message)
        first = len(session.attachments) + 1
        extra = [replace(a, id=f"A{n}") for n, a in enumerate(attachments, first)]
        if record:
            number = len(session.attachments) + len(extra) + 1
            extra.append(intake.accept("pasted record.txt", record.encode(), self.settings, number))
        return question, extra

    def _model(self, resources: Resources | None = None) -> BaseChatModel:
        from assistant import lean, models

        lean.import_langchain()
        return models.resolve(self.settings.chat_model, resources or self.resources)

    def _context(
        self,
        session: Session,
        message: str,
        known: Sequence[Attachment],
        stop: threading.Event | None,
    ) -> TurnContext:
        from assistant.tools import TurnContext

        return TurnContext(
            self.resources.view(session.user),
            known,
            message,
            user=session.user,
            session=session.id,
            stop=stop or threading.Event(),
        )

    def _run(
        self,
        session: Session,
        attachments: Sequence[Attachment],
        context: TurnContext,
        emergency: Emergency | None,
        steps: list[Step],
    ) -> Generator[Event, None, Answer]:
        from assistant import agent

        model = self._model(context.resources)
        outcome = agent.Outcome(steps=steps)
        asked = _human(context.question, attachments, context.attachments)
        messages = [*_history(session), asked]
        yield from agent.run(model, messages, context, outcome)
        return self._answer(outcome, context, emergency)

    def _answer(
        self, outcome: Outcome, context: TurnContext, emergency: Emergency | None
    ) -> Answer:
        from assistant import agent

        abstained = not outcome.claims
        reason = outcome.reason or "The chat model gave no answer." if abstained else ""
        text = (
            _paragraphs(outcome)
            if outcome.claims
            else f"I can't answer that from what I have. {reason}"
        )
        return Answer(
            id=uuid.uuid4().hex,
            answer=text,
            abstained=abstained,
            reason=reason,
            emergency=emergency,
            claims=tuple(outcome.claims),
            findings=tuple(outcome.findings),
            record=outcome.record,
            steps=tuple(outcome.steps),
            model=self.settings.chat_model,
            withheld=tuple(outcome.withheld),
            nearest=agent.nearest(list(context.evidence.values())) if abstained else (),
            notices=tuple(dict.fromkeys(outcome.notices)),
            comparisons=tuple(outcome.comparisons),
            agreements=tuple(outcome.agreements),
            estimates=tuple(outcome.estimates),
        )

    def _answer_small(
        self, text: str, emergency: Emergency | None, steps: Sequence[Step]
    ) -> Answer:
        return Answer(
            id=uuid.uuid4().hex,
            answer=text,
            abstained=False,
            reason="",
            emergency=emergency,
            claims=(),
            findings=(),
            record=None,
            steps=tuple(steps),
            model=self.settings.chat_model,
        )


def _paragraphs(outcome: Outcome) -> str:
    """Join claims: a line for each of a record, a paragraph for each other kind of evidence."""
    from assistant import writing

    lines: list[str] = []
    before = ""
    for claim in outcome.claims:
        kind = claim.citations[0].key[0]
        if kind == before and kind != "R":
            lines[-1] += " " + writing.marked(claim)
        else:
            lines.append(writing.marked(claim))
        before = kind
    return "\n".join(lines)


def _history(session: Session) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage

    out: list[BaseMessage] = []
    said = [turn for turn in session.turns if smalltalk.reply(turn.message) is None]
    for turn in said[-_HISTORY:]:
        out.append(HumanMessage(turn.message or "(attachment)"))
        out.append(AIMessage(turn.answer.answer))
    return out


def _human(
    message: str, attachments: Sequence[Attachment], known: Sequence[Attachment]
) -> BaseMessage:
    from langchain_core.messages import HumanMessage

    return HumanMessage(
        message,
        additional_kwargs={
            "attachments": [_described(a) for a in attachments],
            "known_attachments": [_described(a) for a in known],
        },
    )


def _described(attachment: Attachment) -> dict[str, str]:
    return {"id": attachment.id, "name": attachment.name, "kind": attachment.kind}
