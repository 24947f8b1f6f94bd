"""The values of a turn are frozen, and their JSON is the contract's."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest

from assistant import events
from assistant.session import Session
from assistant.types import (
    Answer,
    Attachment,
    Citation,
    Claim,
    Emergency,
    Fact,
    Finding,
    OperatingPoint,
    Record,
    RecordSection,
    Step,
)

CITATION = Citation("S1", "gout#0", "gout", "Gout", "Library", "https://x", 3, 9, "crystal")
CLAIM = Claim("Crystals.", 0.123456, (CITATION,))
POINT = OperatingPoint("balanced", 0.4, 0.9, 0.8, "films")
FINDING = Finding("f.png", "pneumonia", 0.7, POINT, False, "above", "net 1", b"\x89PNG", ("note",))
FACT = Fact("medication", "metformin", 0, 9, "present", "metformin", "meds", (("dose", "500"),))
RECORD = Record("n.txt", "metformin", (RecordSection("meds", "Meds", 0, 9),), (FACT,))
ANSWER = Answer(
    "1", "text", False, "", Emergency("stroke", "Call."), (CLAIM,), (FINDING,), RECORD,
    (Step("plan", 0.123456),), "extractive", ("no",), (CITATION,),
)  # fmt: skip
ALL = (CITATION, CLAIM, POINT, FINDING, FACT, RECORD, ANSWER, Emergency("a", "b"), Step("a", 1.0))


@pytest.mark.parametrize("value", ALL, ids=lambda v: type(v).__name__)
def test_values_are_frozen_and_equal_by_contents(value: object) -> None:
    field = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")
    assert dataclasses.replace(value) == value  # type: ignore[type-var]
    hash(value)


def test_an_answer_in_json_is_the_contract() -> None:
    row = json.loads(json.dumps(ANSWER.to_json(), allow_nan=False))
    assert list(row) == [
        "id", "answer", "abstained", "reason", "emergency", "claims", "findings", "record",
        "steps", "model", "withheld", "nearest", "notices", "comparisons", "agreements",
        "estimates",
    ]  # fmt: skip
    assert row["claims"][0] == {
        "text": "Crystals.",
        "support": 0.1235,
        "citations": [
            {"key": "S1", "passage": "gout#0", "document": "gout", "title": "Gout",
             "source": "Library", "url": "https://x", "start": 3, "end": 9, "quote": "crystal"}
        ],
    }  # fmt: skip
    assert row["steps"] == [{"name": "plan", "seconds": 0.1235}]
    assert row["emergency"] == {"kind": "stroke", "notice": "Call."}


def test_a_finding_in_json_carries_its_heatmap_and_operating_point() -> None:
    row = FINDING.to_json()
    head, _, data = row["heatmap"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == FINDING.heatmap
    assert row["operating_point"] == dataclasses.asdict(POINT)
    refused = dataclasses.replace(FINDING, probability=None, operating_point=None, heatmap=None)
    assert refused.to_json()["operating_point"] is None
    assert refused.to_json()["heatmap"] is None


def test_a_record_in_json_lists_each_kind_of_fact() -> None:
    row = RECORD.to_json()
    assert set(row) == {
        "name", "sections", "problems", "medications", "allergies", "labs", "vitals",
        "procedures", "dates",
    }  # fmt: skip
    assert row["medications"][0]["attributes"] == {"dose": "500"}
    assert row["allergies"] == []
    assert "metformin" not in repr(dataclasses.replace(RECORD, facts=()))  # no text in logs


def test_bytes_of_a_patient_stay_out_of_what_is_printed() -> None:
    attachment = Attachment("A1", "n.txt", "record", "text", b"Allergies: latex")
    assert "latex" not in repr(attachment)
    assert "PNG" not in repr(FINDING)


@pytest.mark.parametrize(
    "event",
    [
        events.EmergencyRaised(Emergency("stroke", "Call.")),
        events.StepStarted("plan"),
        events.StepFinished("plan", 0.5),
        events.ToolCalled("literature", (("query", "gout"),)),
        events.ToolReturned("image", "one", (FINDING,), RECORD),
        events.Token("text"),
        events.ClaimChecked(CLAIM, True),
        events.Answered(ANSWER),
    ],
    ids=lambda event: type(event).__name__,
)
def test_every_event_has_a_json_form(event: events.Event) -> None:
    row = json.loads(json.dumps(events.to_json(event), allow_nan=False))
    assert row["event"] == type(event).__name__
    assert set(row) - {"event"} or isinstance(event, events.StepStarted)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, dataclasses.fields(event)[0].name, None)


def test_a_session_cannot_be_guessed_and_begins_empty() -> None:
    made = [Session.new() for _ in range(100)]
    assert len({session.id for session in made}) == 100
    assert all(len(session.id) == 32 for session in made)
    assert made[0].turns == made[0].attachments == []
    assert made[0].turns is not made[1].turns
