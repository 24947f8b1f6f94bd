"""Medications: dose, unit, route, frequency, and whether they are taken."""

from __future__ import annotations

import pytest

from assistant.records.reader import read_record

DIRECTIONS = [
    ("metformin 500 mg PO BID", "metformin", "500", "mg", "PO", "BID", "twice daily"),
    ("Lasix 40mg daily", "furosemide", "40", "mg", "", "daily", "once daily"),
    ("Tylenol 650 mg q6h", "acetaminophen", "650", "mg", "", "q6h", "four times daily"),
    ("amoxicillin 500 mg three times a day", "amoxicillin", "500", "mg", "", "three times a day", "three times daily"),
    ("insulin glargine 20 units SC at bedtime", "insulin glargine", "20", "units", "SC", "at bedtime", "once daily, at night"),
    ("levothyroxine 75 mcg every morning", "levothyroxine", "75", "mcg", "", "every morning", "once daily, in the morning"),
    ("alendronate 70 mg weekly", "alendronate", "70", "mg", "", "weekly", "weekly"),
    ("warfarin 5 mg p.o. q.h.s.", "warfarin", "5", "mg", "p.o.", "q.h.s.", "once daily, at night"),
    ("Augmentin 875-125 mg bid", "amoxicillin-clavulanate", "875-125", "mg", "", "bid", "twice daily"),
    ("ceftriaxone 1 g IV q24h", "ceftriaxone", "1", "g", "IV", "q24h", "once daily"),
    ("potassium chloride 20 mEq daily", "potassium chloride", "20", "mEq", "", "daily", "once daily"),
    ("atorvastatin 40 mg nightly", "atorvastatin", "40", "mg", "", "nightly", "once daily, at night"),
    ("500 mg of naproxen twice daily", "naproxen", "500", "mg", "", "twice daily", "twice daily"),
    ("increase lisinopril to 20 mg daily", "lisinopril", "20", "mg", "", "daily", "once daily"),
]  # fmt: skip

STATES = [
    ("Warfarin was stopped.", "warfarin", "historical", "stopped"),
    ("Hold metformin.", "metformin", "historical", "held"),
    ("aspirin 81 mg daily (held)", "aspirin", "historical", "held"),
    ("She discontinued sertraline due to nausea.", "sertraline", "historical", "stopped"),
    ("Switched from lisinopril to losartan.", "lisinopril", "historical", "stopped"),
    ("Switched from lisinopril to losartan.", "losartan", "present", ""),
    ("Completed a course of doxycycline.", "doxycycline", "historical", "completed"),
    ("Start furosemide 20 mg daily.", "furosemide", "present", "started"),
    ("Continue metoprolol 25 mg BID.", "metoprolol", "present", ""),
    ("Not on aspirin.", "aspirin", "negated", ""),
    ("Avoid ibuprofen.", "ibuprofen", "negated", ""),
    ("Consider apixaban.", "apixaban", "possible", ""),
    ("Mother takes warfarin.", "warfarin", "family", ""),
    ("She no longer takes omeprazole.", "omeprazole", "historical", "stopped"),
]


@pytest.mark.parametrize(
    ("text", "name", "dose", "unit", "route", "frequency", "schedule"), DIRECTIONS
)
def test_directions(
    text: str, name: str, dose: str, unit: str, route: str, frequency: str, schedule: str
) -> None:
    (fact,) = read_record(text, "note").of("medication")
    more = dict(fact.attributes)
    assert fact.name == name
    assert [more.get(key, "") for key in ("dose", "unit", "route", "frequency", "schedule")] == [
        dose, unit, route, frequency, schedule,
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "assertion", "status"), STATES)
def test_whether_it_is_taken(text: str, name: str, assertion: str, status: str) -> None:
    found = {fact.name: fact for fact in read_record(text, "note").of("medication")}
    assert found[name].assertion == assertion
    assert dict(found[name].attributes).get("status", "") == status


def test_as_needed_with_its_reason() -> None:
    (fact,) = read_record("Percocet 5-325 mg 1-2 tabs q4-6h PRN pain", "note").of("medication")
    more = dict(fact.attributes)
    assert (more["as_needed"], more["indication"], more["quantity"]) == ("yes", "pain", "1-2 tabs")
    assert fact.name == "oxycodone-acetaminophen"
    assert fact.text == "Percocet 5-325 mg 1-2 tabs q4-6h PRN pain"


def test_an_allergy_is_no_medication() -> None:
    record = read_record("Allergic to penicillin (rash) and sulfa.", "note")
    assert record.of("medication") == ()
    assert [
        (f.name, f.assertion, dict(f.attributes).get("reaction")) for f in record.of("allergy")
    ] == [
        ("penicillin", "present", "rash"),
        ("sulfonamide", "present", None),
    ]


@pytest.mark.parametrize(
    "text", ["NKDA", "No known drug allergies.", "Allergies: none", "ALLERGIES\nNone"]
)
def test_no_known_allergies_is_a_denied_allergy(text: str) -> None:
    (fact,) = read_record(text, "note").of("allergy")
    assert fact.assertion == "negated"
    assert fact.name.startswith("no known")


def test_what_is_tolerated_is_no_allergy() -> None:
    record = read_record("Allergies: PCN, but has tolerated cephalosporins in the past.", "note")
    found = {fact.name: fact.assertion for fact in record.of("allergy")}
    assert found == {"penicillin": "present", "cephalosporin": "negated"}


def test_an_allergy_of_the_mother_is_hers() -> None:
    (fact,) = read_record("Mother is allergic to penicillin.", "note").of("allergy")
    assert fact.assertion == "family"
