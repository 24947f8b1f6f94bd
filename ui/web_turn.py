"""One turn for the page: the event stream gathered into a `View`, at most 20 views a second.

The turn runs in a thread of its own, so that a stop takes effect at once even while a step is slow.
Knows nothing of HTML or Gradio.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from assistant import events
from assistant.errors import AuscultError
from assistant.types import (
    Agreement,
    Answer,
    Attachment,
    Claim,
    Comparison,
    Emergency,
    Estimate,
    Finding,
    Record,
    Step,
)

INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a turn so far.

    Attributes:
        running: the step or tool that is at work, or "".
        text: the answer's text so far, with citation keys.
        emergency: a red flag, or None.
        claims: sentences that passed the check.
        findings: what the image tool has said.
        record: the record that was read, or None.
        steps: steps that have ended.
        tools: tool, what it was asked and its one-line summary, in order.
        answer: the outcome, or None while it is not there.
        error: why there is none, or "".
        stopped: whether the reader stopped it.
        comparisons: films set beside earlier ones.
        agreements: how films and records stand to each other.
        estimates: from film and record together.
    """

    running: str = ""
    text: str = ""
    emergency: Emergency | None = None
    claims: tuple[Claim, ...] = ()
    findings: tuple[Finding, ...] = ()
    record: Record | None = None
    steps: tuple[Step, ...] = ()
    tools: tuple[tuple[str, str, str], ...] = ()
    answer: Answer | None = None
    error: str = ""
    stopped: bool = False
    comparisons: tuple[Comparison, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.answer is not None or bool(self.error) or self.stopped


def apply(view: View, event: events.Event) -> View:
    """Return the view after an event."""
    match event:
        case events.EmergencyRaised(emergency):
            return replace(view, emergency=emergency)
        case events.StepStarted(name):
            return replace(view, running=name)
        case events.StepFinished(name, seconds):
            return replace(view, running="", steps=(*view.steps, Step(name, seconds)))
        case events.ToolCalled(tool, arguments):
            asked = ", ".join(f"{key}: {value}" for key, value in arguments)
            return replace(view, running=tool, tools=(*view.tools, (tool, asked, "")))
        case events.ToolReturned():
            return _returned(view, event)
        case events.Token(text):
            return replace(view, text=view.text + text)
        case events.ClaimChecked(claim, shown):
            return replace(view, claims=(*view.claims, claim)) if shown else view
        case events.Answered(answer):
            return replace(view, running="", answer=answer)


def _returned(view: View, event: events.ToolReturned) -> View:
    tools = list(view.tools)
    for place in range(len(tools) - 1, -1, -1):
        tool, asked, summary = tools[place]
        if tool == event.tool and not summary:
            tools[place] = (tool, asked, event.summary)
            break
    else:
        tools.append((event.tool, "", event.summary))
    return replace(
        view,
        running="",
        tools=tuple(tools),
        findings=(*view.findings, *event.findings),
        record=event.record or view.record,
        comparisons=(*view.comparisons, *event.comparisons),
        agreements=(*view.agreements, *event.agreements),
        estimates=(*view.estimates, *event.estimates),
    )


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(slots=True)
class Turn:
    """Runs one turn and hands out its views.

    Attributes:
        start: begins the turn and returns its events.
        on_bug: called with an unexpected error; returns the sentence for the reader.
        stopping: set when the turn is given up; hand it to the turn so that its model stops too.
    """

    start: Callable[[], Iterator[events.Event]]
    on_bug: Callable[[BaseException], str]
    stopping: threading.Event = field(default_factory=threading.Event)
    _queue: queue.SimpleQueue[events.Event | _Failed | None] = field(
        default_factory=queue.SimpleQueue
    )

    def stop(self) -> None:
        """Give the turn up: the next view says so, and the thread ends at its next event."""
        self.stopping.set()

    def views(self) -> Iterator[View]:
        """Yield a view whenever something has changed, the last one when the turn is over."""
        threading.Thread(target=self._run, name="turn", daemon=True).start()
        view = View()
        yield view
        try:
            while not view.over:
                before, view = view, self._gather(view)
                if view is not before:
                    yield view
        finally:
            self.stop()

    def _gather(self, view: View) -> View:
        """Take what arrives within one interval."""
        until = time.monotonic() + INTERVAL_S
        while not view.over:
            if self.stopping.is_set():
                return replace(view, stopped=True, running="")
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                return replace(view, stopped=True, running="")
            if isinstance(item, _Failed):
                return replace(view, error=self._sentence(item.error), running="")
            view = apply(view, item)
        return view

    def _sentence(self, error: BaseException) -> str:
        return str(error) if isinstance(error, AuscultError) else self.on_bug(error)

    def _run(self) -> None:
        try:
            stream = self.start()
            try:
                for event in stream:
                    self._queue.put(event)
                    if self.stopping.is_set():
                        break
            finally:
                close = getattr(stream, "close", None)
                if close is not None:
                    close()
        except Exception as error:  # noqa: BLE001 - handed to the reader's thread
            self._queue.put(_Failed(error))
        else:
            self._queue.put(None)


def accept_all(
    accept: Callable[[str, bytes], Attachment], files: Sequence[tuple[str, bytes]]
) -> tuple[list[Attachment], list[str]]:
    """Accept every file that can be; return the attachments, and a sentence for each other one."""
    attachments: list[Attachment] = []
    refused: list[str] = []
    for name, data in files:
        try:
            attachments.append(accept(name, data))
        except AuscultError as error:
            refused.append(str(error))
    return attachments, refused
