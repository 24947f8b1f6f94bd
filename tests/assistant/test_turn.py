"""One turn: the order of its events, the contract of its answer, and what its citations point at."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from assistant import events
from assistant.app import Assistant
from assistant.errors import InputError
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
from assistant.session import Session
from assistant.types import Answer, Citation
from retrieval.types import Document

RECORD = (
    "Chief Complaint: cough for three days\n"
    "Past Medical History: hypertension, type 2 diabetes\n"
    "Medications: metformin 500 mg twice daily; lisinopril 10 mg daily\n"
    "Allergies: penicillin (rash)\n"
    "Labs: potassium 5.9 mmol/L\n"
)
CONTRACT = {
    "id", "answer", "abstained", "reason", "emergency", "claims", "findings", "record", "steps",
    "model",
}  # fmt: skip
CITATION = {"key", "document", "title", "source", "url", "start", "end", "quote"}


def run(assistant: Assistant, message: str, session: Session | None = None) -> list[Event]:
    return list(assistant.reply(session or Session.new(), message))


def answered(found: list[Event]) -> Answer:
    assert isinstance(found[-1], Answered)
    assert sum(isinstance(event, Answered) for event in found) == 1
    return found[-1].answer


def assert_stands(citation: Citation, documents: dict[str, Document]) -> None:
    """A quote stands at the place it names, in the document it names, as the library has it."""
    document = documents[citation.document]
    assert citation.title == document.title
    assert any(
        section.text[citation.start : citation.end] == citation.quote
        for section in document.sections
    )
    assert citation.quote.strip()


@pytest.fixture(scope="module")
def turn(assistant: Assistant) -> list[Event]:
    return run(assistant, "How is gout treated?")


def test_events_come_in_the_order_of_the_turn(turn: list[Event]) -> None:
    kinds = [type(event) for event in turn]
    assert kinds.index(ToolCalled) < kinds.index(ToolReturned) < kinds.index(ClaimChecked)
    assert kinds[-1] is Answered
    assert EmergencyRaised not in kinds
    started = [event.name for event in turn if isinstance(event, StepStarted)]
    assert started == ["plan", "literature", "write", "check"]


def test_every_step_ends_before_the_next_begins(turn: list[Event]) -> None:
    open_step = ""
    for event in turn:
        if isinstance(event, StepStarted):
            assert not open_step
            open_step = event.name
        elif isinstance(event, StepFinished) and event.name != "triage":
            assert event.name == open_step
            assert event.seconds >= 0
            open_step = ""
    assert not open_step


def test_every_shown_claim_is_told_before_the_answer_and_is_in_it(turn: list[Event]) -> None:
    answer = answered(turn)
    shown = [e.claim for e in turn if isinstance(e, ClaimChecked) and e.shown]
    assert tuple(shown) == answer.claims
    tokens = "".join(event.text for event in turn if isinstance(event, Token))
    assert tokens.split() == answer.answer.split()
    assert tuple(step.name for step in answer.steps) == tuple(
        event.name for event in turn if isinstance(event, StepFinished)
    )


def test_events_are_serialisable(turn: list[Event]) -> None:
    for event in turn:
        row = json.loads(json.dumps(events.to_json(event)))
        assert row["event"] == type(event).__name__


def test_the_answer_keeps_the_contract(turn: list[Event]) -> None:
    answer = json.loads(json.dumps(answered(turn).to_json()))
    assert answer.keys() >= CONTRACT
    assert answer["abstained"] is False
    assert answer["reason"] == ""
    assert answer["emergency"] is None
    assert answer["record"] is None
    assert answer["findings"] == []
    assert answer["model"] == "extractive"
    assert [set(step) for step in answer["steps"]] == [{"name", "seconds"}] * len(answer["steps"])
    for claim in answer["claims"]:
        assert claim.keys() >= {"text", "support", "citations"}
        assert 0 <= claim["support"] <= 1
        assert claim["citations"]
        for citation in claim["citations"]:
            assert citation.keys() >= CITATION
            assert f"[{citation['key']}]" in answer["answer"]


def test_two_answers_have_two_ids(assistant: Assistant) -> None:
    assert assistant.answer("hi").id != assistant.answer("hi").id


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("What is asthma?", "asthma"),
        ("What are the side effects of metformin?", "metformin"),
        ("How is appendicitis diagnosed in children?", "appendicitis"),
        ("Which drug reverses opioid overdose?", "opioid-overdose"),
        ("What does a raised troponin mean?", "troponin"),
    ],
)
def test_every_citation_stands_in_the_library(
    assistant: Assistant, documents: dict[str, Document], question: str, document: str
) -> None:
    answer = assistant.answer(question)
    assert not answer.abstained, answer.reason
    cited = [citation for claim in answer.claims for citation in claim.citations]
    for citation in cited:
        assert_stands(citation, documents)
        assert citation.quote in assistant.context(citation)
    assert document in {citation.document for citation in cited}


def test_the_extractive_model_quotes_word_for_word(turn: list[Event]) -> None:
    for claim in answered(turn).claims:
        assert claim.support == 1.0
        assert claim.text in {citation.quote for citation in claim.citations}


def test_keys_are_numbered_by_first_use(assistant: Assistant) -> None:
    answer = assistant.answer("What is the difference between asthma and COPD?")
    keys = [citation.key for claim in answer.claims for citation in claim.citations]
    first_use = list(dict.fromkeys(keys))
    assert first_use == [f"S{number}" for number in range(1, len(first_use) + 1)]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("My father has sudden crushing chest pain and is sweating, what do I do?", "heart attack"),
        ("我爸爸突然胸口压榨样疼痛，出冷汗，怎么办？", "heart attack"),
    ],
)
def test_an_emergency_comes_first(assistant: Assistant, message: str, kind: str) -> None:
    found = run(assistant, message)
    assert isinstance(found[0], EmergencyRaised)
    assert found[0].emergency.kind == kind
    answer = answered(found)
    assert answer.emergency == found[0].emergency
    assert answer.to_json()["emergency"] == {
        "kind": kind,
        "notice": found[0].emergency.notice,
    }


def test_an_emergency_is_told_before_anything_is_read_or_loaded() -> None:
    """The notice needs no library: an assistant without any index gives it."""
    from pathlib import Path

    from assistant.settings import Settings

    settings = Settings(state_dir=Path("nowhere"), encoder="nowhere/at-all")
    stream = Assistant.create(settings).reply(Session.new(), "He collapsed and is not breathing!")
    assert isinstance(next(stream), EmergencyRaised)
    stream.close()


@pytest.mark.parametrize("message", ["hi", "What can you do?", "thanks a lot", "你好"])
def test_small_talk_needs_no_tool(assistant: Assistant, message: str) -> None:
    found = run(assistant, message)
    assert not any(isinstance(event, ToolCalled) for event in found)
    answer = answered(found)
    assert not answer.abstained
    assert answer.answer
    assert answer.claims == ()


def test_small_talk_between_does_not_hide_the_subject(
    assistant: Assistant,
) -> None:
    session = Session.new()
    for message in ("How is asthma treated?", "thanks", "and in children?"):
        answer = assistant.answer(message, session=session)
    cited = {citation.document for claim in answer.claims for citation in claim.citations}
    assert "asthma" in cited
    assert "hildren" in answer.answer


def test_a_follow_up_on_what_the_library_lacks_is_not_answered_from_the_subject_before(
    assistant: Assistant,
) -> None:
    session = Session.new()
    assistant.answer("How is Parkinson disease treated?", session=session)
    answer = assistant.answer("And how is Huntington disease inherited?", session=session)
    assert answer.abstained
    assert "Huntington" in answer.reason


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Does zorblaximab help in Fabry disease?", "zorblaximab"),
        ("What is the capital of France?", "France"),
        ("How is glomiform cascadia syndrome diagnosed?", "glomiform"),
    ],
)
def test_what_the_library_lacks_is_not_answered(
    assistant: Assistant, documents: dict[str, Document], question: str, said: str
) -> None:
    answer = assistant.answer(question)
    assert answer.abstained
    assert answer.claims == ()
    assert said in answer.reason
    assert answer.reason in answer.answer
    assert 0 < len(answer.nearest) <= 3
    for citation in answer.nearest:
        assert_stands(citation, documents)
    assert len(answer.to_json()["nearest"]) == len(answer.nearest)


@pytest.mark.parametrize(
    ("first", "then", "aspect"),
    [
        ("How is asthma treated?", "and in children?", "children"),
        ("What is appendicitis?", "how is it diagnosed?", "diagnosis"),
        ("What is amlodipine used for?", "what about its side effects?", "side_effects"),
    ],
)
def test_a_follow_up_keeps_its_subject(
    assistant: Assistant, documents: dict[str, Document], first: str, then: str, aspect: str
) -> None:
    session = Session.new()
    before = assistant.answer(first, session=session)
    after = assistant.answer(then, session=session)
    cited = [citation for claim in after.claims for citation in claim.citations]
    assert {c.document for c in cited[:1]} == {before.claims[0].citations[0].document}
    sections = {
        section.aspect
        for citation in cited
        for section in documents[citation.document].sections
        if section.text[citation.start : citation.end] == citation.quote
    }
    assert aspect in sections
    assert [turn.message for turn in session.turns] == [first, then]


def test_a_pasted_record_is_read_and_quoted(assistant: Assistant) -> None:
    session = Session.new()
    answer = assistant.answer(f"What is this patient allergic to?\n\n{RECORD}", session=session)
    assert not answer.abstained
    assert answer.record is not None
    assert {fact.name for fact in answer.record.of("allergy")} == {"penicillin"}
    assert [attachment.kind for attachment in session.attachments] == ["record"]
    for claim in answer.claims:
        for citation in claim.citations:
            assert citation.key.startswith("R")
            assert answer.record.text[citation.start : citation.end] == citation.quote
    assert any("penicillin" in claim.text for claim in answer.claims)


def test_a_record_alone_is_summarised(assistant: Assistant) -> None:
    session = Session.new()
    record = assistant.accept(session, "note.txt", RECORD.encode())
    answer = assistant.answer("", [record], session)
    assert not answer.abstained
    assert answer.record is not None
    assert "metformin" in answer.answer
    assert answer.to_json()["record"]["medications"][0]["name"] == "metformin"


def test_attachments_are_remembered_for_the_next_turn(assistant: Assistant) -> None:
    session = Session.new()
    record = assistant.accept(session, "note.txt", RECORD.encode())
    assistant.answer("What is this patient allergic to?", [record], session)
    later = assistant.answer("Which medications is she taking?", session=session)
    assert "metformin" in later.answer
    assert {c.document for claim in later.claims for c in claim.citations} == {record.id}


def test_a_question_about_medicine_beside_a_record_goes_to_the_library(
    assistant: Assistant,
) -> None:
    session = Session.new()
    record = assistant.accept(session, "note.txt", RECORD.encode())
    assistant.answer("", [record], session)
    answer = assistant.answer("What are the symptoms of appendicitis?", session=session)
    assert {c.document for claim in answer.claims for c in claim.citations} == {"appendicitis"}


def test_the_context_of_a_record_citation_is_the_record(assistant: Assistant) -> None:
    session = Session.new()
    record = assistant.accept(session, "note.txt", RECORD.encode())
    answer = assistant.answer("What is this patient allergic to?", [record], session)
    citation = answer.claims[0].citations[0]
    assert "metformin" in assistant.context(citation, session)
    assert assistant.context(citation) == citation.quote  # nobody else's session shows it


def test_a_picture_that_is_no_film_is_refused_in_a_finding(
    assistant: Assistant, picture: Callable[[int], bytes]
) -> None:
    session = Session.new()
    image = assistant.accept(session, "holiday.png", picture(1))
    found = list(assistant.reply(session, "What does this film show?", [image]))
    answer = answered(found)
    assert [finding.image for finding in answer.findings] == ["holiday.png"]
    assert answer.findings[0].refused
    assert answer.findings[0].probability is None
    assert answer.findings[0].reason
    returned = [event for event in found if isinstance(event, ToolReturned)]
    assert returned[0].findings == answer.findings
    assert any("holiday.png was not judged" in claim.text for claim in answer.claims)


def test_two_pictures_in_one_message_are_both_judged(
    assistant: Assistant, picture: Callable[[int], bytes]
) -> None:
    session = Session.new()
    images = [assistant.accept(session, f"view{n}.png", picture(n)) for n in (1, 2)]
    answer = assistant.answer("", images, session)
    assert sorted(finding.image for finding in answer.findings) == ["view1.png", "view2.png"]
    assert len({attachment.id for attachment in session.attachments}) == 2


@pytest.mark.parametrize(
    ("message", "said"), [("", "empty"), ("  \n ", "empty"), ("x" * 100_001, "100,001")]
)
def test_a_message_that_cannot_be_used_is_refused(
    assistant: Assistant, message: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        assistant.answer(message)
