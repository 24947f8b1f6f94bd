from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from assistant.errors import AttachmentError
from assistant.events import (
    Answered,
    ClaimChecked,
    EmergencyRaised,
    Event,
    StepFinished,
    StepStarted,
    Token,
    ToolCalled,
    ToolReturned,
)
from assistant.types import Emergency
from tests.ui import samples
from ui.web_turn import Turn, View, accept_all, apply


def last(turn: Turn) -> View:
    return list(turn.views())[-1]


def test_a_view_gathers_every_kind_of_event() -> None:
    answer = samples.answered()
    view = View()
    for event in (
        EmergencyRaised(Emergency("stroke", "Call.")),
        StepStarted("plan"),
        StepFinished("plan", 0.5),
        ToolCalled("image", (("attachment", "A1"),)),
        ToolReturned("image", "judged", (samples.judged(),)),
        ToolReturned("record", "read", record=samples.record()),
        ClaimChecked(answer.claims[0], True),
        ClaimChecked(answer.claims[1], False),
        Token("One. "),
        Token("Two."),
    ):
        view = apply(view, event)
        assert not view.over
    assert view.emergency is not None
    assert view.text == "One. Two."
    assert view.claims == answer.claims[:1]
    assert view.tools == (("image", "attachment: A1", "judged"), ("record", "", "read"))
    assert view.findings == (samples.judged(),)
    assert view.record == samples.record()
    assert apply(view, Answered(answer)).over


def test_many_tokens_make_few_views_and_lose_nothing() -> None:
    def events() -> Iterator[Event]:
        for _ in range(2000):
            yield Token("x")
        yield Answered(samples.answered())

    began = time.monotonic()
    views = list(Turn(events, lambda error: "bug").views())
    allowed = 20 * (time.monotonic() - began) + 3
    assert len(views) <= allowed
    assert views[-1].text == "x" * 2000
    assert views[-1].answer == samples.answered()


def test_a_stop_takes_effect_while_a_step_is_slow_and_ends_the_stream() -> None:
    go_on, closed = threading.Event(), threading.Event()

    def events() -> Iterator[Event]:
        try:
            yield Token("begun")
            go_on.wait(20)
            yield Token("never shown")
        finally:
            closed.set()

    turn = Turn(events, lambda error: "bug")
    views = turn.views()
    while "begun" not in next(views).text:
        pass
    turn.stop()
    final = list(views)[-1]
    assert final.stopped
    assert final.text == "begun"
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(10)


def test_an_expected_error_is_its_sentence_and_a_bug_is_reported() -> None:
    def refuse() -> Iterator[Event]:
        raise AttachmentError("film.png is empty.")
        yield

    def break_() -> Iterator[Event]:
        raise KeyError("patient words")
        yield

    assert last(Turn(refuse, lambda error: "bug")).error == "film.png is empty."
    assert last(Turn(break_, lambda error: type(error).__name__)).error == "KeyError"


def test_a_stream_that_ends_without_an_answer_does_not_hang() -> None:
    assert last(Turn(lambda: iter([Token("a")]), lambda error: "bug")).stopped


def test_one_bad_file_does_not_lose_the_others() -> None:
    from assistant import intake
    from assistant.settings import Settings

    attachments, refused = accept_all(
        lambda name, data: intake.accept(name, data, Settings()),
        [("a.txt", b"Allergies: none"), ("b.png", b""), ("c.txt", b"HbA1c 8 %")],
    )
    assert [a.name for a in attachments] == ["a.txt", "c.txt"]
    assert len(refused) == 1
    assert "b.png" in refused[0]
