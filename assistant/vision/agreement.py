"""Whether a record's text and a film's finding agree: said as it is, and neither is taken to be right.

Reads the record's own facts with their assertions. Knows nothing of pixels or of how a finding came
about; what is historical or a relative's says nothing of today's film and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.comparisons import Accord, Agreement
from assistant.records.page import Page
from assistant.types import Fact, Finding, Record
from assistant.vision.statement import RULED_OUT, SUSPECTED, UNCERTAIN, digits

# Names that a record may use for a finding of the film classifiers, the finding's own first.
_NAMES: dict[str, tuple[str, ...]] = {"pneumonia": ("pneumonia", "consolidation")}
_NOW = ("present", "negated", "possible")
_MOST_QUOTED = 140


def judge(finding: Finding, record: Record) -> Agreement | None:
    """Set a finding against what a record says of the same label.

    Returns:
        The agreement, conflict or open question; None where the film was not judged or the record
        says nothing on it.
    """
    image_says = decision(finding)
    facts = of_label(record, finding.label) if image_says else []
    if not facts:
        return None
    record_says, telling = _said(facts)
    accord = _accord(image_says, record_says)
    quote, start = _quote(record, telling)
    statement = _statement(finding, record, accord, record_says, quote, image_says)
    return Agreement(
        image=finding.image,
        record=record.name,
        label=finding.label,
        accord=accord,
        image_says=image_says,
        record_says=record_says,
        statement=statement,
        quote=quote,
        start=start,
        end=start + len(quote),
    )


def decision(finding: Finding) -> str:
    """Return "suspected", "ruled out" or "uncertain"; "" where the image was not judged.

    The finding's own decision, or where it has none, by its rule-out and rule-in points.
    """
    if finding.refused or finding.probability is None:
        return ""
    if finding.decision:
        return finding.decision
    points = {point.name: point.threshold for point in finding.points}
    if "rule out" in points and finding.probability < points["rule out"]:
        return RULED_OUT
    if "rule in" in points and finding.probability >= points["rule in"]:
        return SUSPECTED
    return UNCERTAIN


def of_label(record: Record, label: str) -> list[Fact]:
    """Return what a record says now of a label: its own name first, else other words for it."""
    problems = [f for f in record.of("problem") if f.assertion in _NOW]
    if not label:
        return []
    own = [fact for fact in problems if label in fact.name]
    if own:
        return own
    others = _NAMES.get(label, ())
    return [fact for fact in problems if fact.name in others]


def _said(facts: Sequence[Fact]) -> tuple[str, Fact]:
    """Return what the facts say together, and the one that tells it best (the last that does)."""
    by: dict[str, Fact] = {fact.assertion: fact for fact in facts}
    if "present" in by and "negated" in by:
        return "both", by["negated"]
    for assertion in ("present", "possible", "negated"):
        if assertion in by:
            return assertion, by[assertion]
    raise ValueError("no facts to read")


def _accord(image_says: str, record_says: str) -> Accord:
    table: dict[tuple[str, str], Accord] = {
        ("suspected", "present"): "agreement",
        ("suspected", "negated"): "conflict",
        ("ruled out", "negated"): "agreement",
        ("ruled out", "present"): "conflict",
    }
    return table.get((image_says, record_says), "open")


def _quote(record: Record, fact: Fact) -> tuple[str, int]:
    """Return the sentence of a fact, or its own words where that is long or holds several."""
    place = Page(record.text).at(fact.start)
    sentence = record.text[place.start : place.end]
    start = place.start + len(sentence) - len(sentence.lstrip())
    sentence = sentence.strip()
    inner = sentence.rstrip(".")
    broken = any(mark in inner for mark in (". ", "! ", "? ", "\n", "“", "”"))
    if broken or len(sentence) > _MOST_QUOTED:
        return fact.text, fact.start
    return inner, start


def _statement(
    finding: Finding,
    record: Record,
    accord: Accord,
    record_says: str,
    quote: str,
    image_says: str,
) -> str:
    told = {
        "present": f"says that there is {finding.label}",
        "negated": f"says that there is no {finding.label}",
        "possible": f"leaves {finding.label} possible",
        "both": f"says both that there is {finding.label} and that there is none",
    }[record_says]
    seen = {
        "suspected": "suspects it",
        "ruled out": "rules it out",
        "uncertain": "neither suspects it nor rules it out",
    }[image_says]
    chance = digits(finding.probability or 0.0)
    joined = {"agreement": "and", "conflict": "but", "open": "while"}[accord]
    head = {"agreement": "Agreement", "conflict": "Conflict", "open": "Open"}[accord]
    tail = {
        "agreement": "",
        "conflict": "; nothing here decides which is right",
        "open": "; they neither agree nor conflict",
    }[accord]
    return (
        f"{head}: the record {record.name} {told} (“{quote}”), {joined} the image classifier "
        f"{seen} on {finding.image} (probability {chance}){tail}."
    )
