"""Whole notes, all invented: precision and recall against facts marked by hand.

The gold lists name kind, name and assertion of every fact; then a medication's dose and frequency,
an allergy's reaction, a measurement's value and flag.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from assistant.records.reader import read_record
from assistant.types import Fact

NOTES = (Path(__file__).parent / "notes.txt").read_text(encoding="utf-8").split("=== ")[1:]
Key = tuple[str, str, str]


def parse(block: str) -> tuple[str, str, dict[Key, list[list[str]]]]:
    name, _, rest = block.partition("\n")
    text, _, gold = rest.partition("--- gold\n")
    facts: dict[Key, list[list[str]]] = {}
    for line in gold.strip().splitlines():
        kind, fact, assertion, *details = line.split("|")
        facts.setdefault((kind, fact, assertion), []).append(details)
    return name, text, facts


def details(fact: Fact) -> list[str]:
    more = dict(fact.attributes)
    if fact.kind == "medication":
        dose = f"{more.get('dose', '')} {more.get('unit', '')}".strip()
        return [dose, more.get("frequency", "")]
    if fact.kind == "allergy":
        return [more.get("reaction", "")]
    return [more.get("value", ""), more.get("flag", "")]


def test_precision_and_recall_over_all_notes() -> None:
    counts: Counter[str] = Counter()
    for block in NOTES:
        name, text, gold = parse(block)
        found = {
            (f.kind, f.name, f.assertion) for f in read_record(text, name).facts if f.kind != "date"
        }
        counts["right"] += len(found & gold.keys())
        counts["extra"] += len(found - gold.keys())
        counts["missed"] += len(gold.keys() - found)
    assert counts["right"] / (counts["right"] + counts["extra"]) >= 0.97
    assert counts["right"] / (counts["right"] + counts["missed"]) >= 0.97


@pytest.mark.parametrize("block", NOTES, ids=lambda block: block.partition("\n")[0])
def test_details_of_every_fact(block: str) -> None:
    name, text, gold = parse(block)
    facts = read_record(text, name).facts
    for key, wanted in gold.items():
        same = [details(f) for f in facts if (f.kind, f.name, f.assertion) == key]
        for parts in filter(None, wanted):
            assert any(seen[: len(parts)] == parts for seen in same), (key, parts, same)


@pytest.mark.parametrize("block", NOTES, ids=lambda block: block.partition("\n")[0])
def test_every_span_holds_its_words(block: str) -> None:
    name, text, _ = parse(block)
    record = read_record(text, name)
    starts = [fact.start for fact in record.facts]
    assert starts == sorted(starts)
    for fact in record.facts:
        assert record.text[fact.start : fact.end] == fact.text
        assert fact.text.strip()
    for section in record.sections:
        assert 0 <= section.start < section.end <= len(record.text)


def test_headings_of_many_styles() -> None:
    text = (
        "CHIEF COMPLAINT\nCough\n\nPMH: asthma\nMeds -\nalbuterol\nA/P: rest. Allergies: NKDA\n"
        "**Social History:** smoker\n# Labs\nNa 140\nAssessment & Plan:\nrest"
    )
    names = [section.name for section in read_record(text, "note").sections]
    assert names == [
        "chief complaint", "past medical history", "medications", "assessment and plan",
        "allergies", "social history", "labs", "assessment and plan",
    ]  # fmt: skip
