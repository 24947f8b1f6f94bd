"""The image tool in a turn: several images, earlier films, records beside films; the real judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant import events, vision
from assistant.app import Assistant
from assistant.errors import AttachmentError, ToolError
from assistant.session import Session
from assistant.tools import ToolResult, TurnContext, image
from assistant.types import Answer, Attachment

SAMPLES = Path(vision.__file__).parent / "samples"
NOTE = (
    b"3-year-old boy with cough.\nVitals: T 38.9 C, RR 52, SpO2 93% on RA.\n"
    b"Assessment: No evidence of pneumonia.\n"
)


def film(assistant: Assistant, name: str, number: int) -> Attachment:
    data = (SAMPLES / f"{name}.png").read_bytes()
    return Attachment(f"A{number}", f"{name}.png", "image", "png", data)


@pytest.fixture
def films(assistant: Assistant) -> list[Attachment]:
    return [film(assistant, "normal-1", 1), film(assistant, "pneumonia-1", 2)]


def call(context: TurnContext, **arguments: object) -> ToolResult:
    request = {"name": "image", "args": arguments, "id": "1", "type": "tool_call"}
    result = image.build(context).invoke(request).artifact
    assert isinstance(result, ToolResult)
    return result


def said(answer: Answer) -> str:
    return " ".join(claim.text for claim in answer.claims)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("", ["pneumonia-1.png"]),
        ("A1", ["normal-1.png"]),
        ("normal-1.png", ["normal-1.png"]),
        ("all", ["normal-1.png", "pneumonia-1.png"]),
        ("A2, A1, A2", ["normal-1.png", "pneumonia-1.png"]),
    ],
)
def test_the_tool_judges_the_images_that_are_named(
    assistant: Assistant, films: list[Attachment], wanted: str, names: list[str]
) -> None:
    context = TurnContext(assistant.resources, films, "")
    result = call(context, attachment=wanted)
    assert [finding.image for finding in result.findings] == names
    assert [item.title for item in result.evidence] == names
    for name in names:
        assert name in result.summary


def test_an_image_that_is_not_there_is_named(assistant: Assistant, films: list[Attachment]) -> None:
    context = TurnContext(assistant.resources, films, "")
    with pytest.raises(ToolError, match=r"A9.*A1 \(normal-1\.png\)"):
        call(context, attachment="A1, A9")


def test_one_film_alone_cant_be_compared(assistant: Assistant, films: list[Attachment]) -> None:
    context = TurnContext(assistant.resources, films[:1], "")
    with pytest.raises(ToolError, match="only one image"):
        call(context, attachment="A1", compare=True)


def test_images_of_one_name_are_told_apart(assistant: Assistant) -> None:
    twins = [film(assistant, "normal-1", 1), film(assistant, "normal-1", 2)]
    result = call(TurnContext(assistant.resources, twins, ""), attachment="all")
    assert [finding.image for finding in result.findings] == [
        "normal-1.png (A1)", "normal-1.png (A2)",
    ]  # fmt: skip


def test_a_broken_one_of_several_is_refused_with_its_reason(
    assistant: Assistant, films: list[Attachment]
) -> None:
    broken = Attachment("A3", "torn.png", "image", "png", b"\x89PNG\r\n\x1a\n" + b"\0" * 90)
    result = call(TurnContext(assistant.resources, [*films, broken], ""), attachment="all")
    assert [finding.refused for finding in result.findings] == [False, False, True]
    assert "torn.png was not judged" in result.evidence[2].text
    with pytest.raises(AttachmentError, match=r"torn\.png"):
        call(TurnContext(assistant.resources, [broken], ""), attachment="A3")


def test_several_images_of_a_turn_each_get_their_sentences(
    assistant: Assistant, picture: Callable[[int], bytes]
) -> None:
    session = Session.new()
    names = ("normal-1.png", "pneumonia-1.png")
    sent = [assistant.accept(session, n, (SAMPLES / n).read_bytes()) for n in names]
    sent.append(assistant.accept(session, "holiday.png", picture(3)))
    answer = assistant.answer("What do these films show?", sent, session)
    assert [f.image for f in answer.findings] == [*names, "holiday.png"]
    assert [f.refused for f in answer.findings] == [False, False, True]
    for name in names:
        assert f"gives {name} a calibrated probability" in said(answer)
    assert "holiday.png was not judged" in said(answer)
    assert {c.key for claim in answer.claims for c in claim.citations} == {"I1", "I2", "I3"}


def test_a_later_film_is_compared_with_the_one_before_it(assistant: Assistant) -> None:
    session = Session.new()
    first = assistant.accept(session, "before.png", (SAMPLES / "normal-1.png").read_bytes())
    assistant.answer("", [first], session)
    second = assistant.accept(session, "after.png", (SAMPLES / "pneumonia-1.png").read_bytes())
    found = list(assistant.reply(session, "Has this film changed since the last one?", [second]))
    answer = next(e.answer for e in found if isinstance(e, events.Answered))
    (comparison,) = answer.comparisons
    assert (comparison.older, comparison.newer) == ("before.png", "after.png")
    assert comparison.change == "higher"
    told = next(c for c in answer.claims if "beyond the reading's own spread" in c.text)
    assert {citation.title for citation in told.citations} == {"before.png", "after.png"}
    for event in found:
        json.dumps(events.to_json(event))
    returned = next(e for e in found if isinstance(e, events.ToolReturned))
    assert returned.comparisons == answer.comparisons
    assert answer.to_json()["comparisons"][0]["change"] == "higher"


def test_a_conflict_with_the_record_cites_both(assistant: Assistant) -> None:
    session = Session.new()
    sent = [
        assistant.accept(session, "film.png", (SAMPLES / "pneumonia-1.png").read_bytes()),
        assistant.accept(session, "note.txt", NOTE),
    ]
    answer = assistant.answer("", sent, session)
    (agreement,) = answer.agreements
    assert agreement.accord == "conflict"
    claim = next(c for c in answer.claims if c.text.startswith("Conflict:"))
    assert {citation.title for citation in claim.citations} == {"film.png", "note.txt"}
    quotes = {citation.title: citation.quote for citation in claim.citations}
    assert quotes["note.txt"] == "No evidence of pneumonia"
    assert NOTE.decode()[claim_start(claim, "note.txt") :].startswith("No evidence of pneumonia")
    (estimate,) = answer.estimates
    assert estimate.image_alone > estimate.parts[0].ratio
    assert answer.findings[0].probability is not None
    assert any("beside the finding" in c.text for c in answer.claims)


def claim_start(claim: object, title: str) -> int:
    return next(c.start for c in claim.citations if c.title == title)  # type: ignore[attr-defined]


def test_a_model_that_keeps_silent_on_a_conflict_does_not_hide_it(
    scripted: Callable[..., Assistant],
) -> None:
    made = scripted(
        {"tool": "image", "arguments": {"attachment": "A1"}}, {"text": "ABSTAIN: I am not sure."}
    )
    session = Session.new()
    sent = [
        made.accept(session, "film.png", (SAMPLES / "pneumonia-1.png").read_bytes()),
        made.accept(session, "note.txt", NOTE),
    ]
    answer = made.answer("What does the film show?", sent, session)
    assert [c.text.partition(":")[0] for c in answer.claims] == ["Conflict"]
    assert {c.title for c in answer.claims[0].citations} == {"film.png", "note.txt"}


def test_a_model_that_leaves_out_a_refused_image_has_it_said(
    scripted: Callable[..., Assistant], picture: Callable[[int], bytes]
) -> None:
    made = scripted(
        {"tool": "image", "arguments": {"attachment": "all"}},
        {"text": "For research use only; not a diagnosis. [I1]"},
    )
    session = Session.new()
    sent = [
        made.accept(session, "film.png", (SAMPLES / "normal-1.png").read_bytes()),
        made.accept(session, "holiday.png", picture(2)),
    ]
    answer = made.answer("What do they show?", sent, session)
    assert "holiday.png was not judged" in said(answer)
