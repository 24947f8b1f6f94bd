"""Which published signs of pneumonia a record tells of, present or absent, each with its place.

Of a measurement that was taken several times, the most abnormal counts: the published figures are of
patients as they first came. What a record calls pneumonia outright is no sign and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from assistant.records.page import Page
from assistant.types import Fact, Record
from assistant.vision._signs import SIGNS, Ratio, Sign

_AGE = re.compile(
    r"\b(?P<n>\d{1,3})[- ]?(?P<unit>years?|yrs?|months?|mos?|weeks?|wks?|days?)[- ]?old\b|"
    r"\b(?P<m>\d{1,3})[- ]?(?:y\.?/?o\.?|yo)\b|\b(?P<k>\d{1,3})[- ]?m/?o\b|"
    r"\baged?:?\s+(?P<a>\d{1,3})(?: (?P<aunit>years?|months?|weeks?))?\b",
    re.IGNORECASE,
)
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
# Signs of the examination that the record reader has no facts for.
_EXAM = {
    "work of breathing": re.compile(
        r"\b(?:grunting|(?:nasal )?flaring|(?:chest[- ]wall |intercostal |subcostal |suprasternal |"
        r"supraclavicular )?(?:retractions?|recessions?|indrawing)|(?:increased|laboured|labored) "
        r"(?:work of breathing|breathing)|increased WOB)\b",
        re.IGNORECASE,
    ),
    "egophony": re.compile(r"\b(?:a?egophony|E to A changes?)\b", re.IGNORECASE),
    "dullness": re.compile(r"\b(?:dull(?:ness)? (?:to|on) percussion)\b", re.IGNORECASE),
}
_PROBLEMS = {
    "fever": "fever",
    "tachypnea": "tachypnoea",
    "crackles": "crackles",
    "chest pain": "chest pain",
    "tachycardia": "tachycardia",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A sign as a record tells it.

    Attributes:
        sign: the sign.
        present: whether it is present.
        said: the record's words.
        start: their first character in the record's text.
        end: one past their last.
    """

    sign: Sign
    present: bool
    said: str
    start: int
    end: int

    @property
    def ratio(self) -> Ratio | None:
        """The published ratio of what was read, or None where none is known."""
        return self.sign.present if self.present else self.sign.absent


def age(record: Record) -> float | None:
    """Return the first age that a record gives, in years, or None."""
    found = _AGE.search(record.text)
    if not found:
        return None
    number = next(float(found[g]) for g in ("n", "m", "k", "a") if found[g])
    unit = found["unit"] or found["aunit"] or ("m" if found["k"] else "y")
    years = number * _YEARS[unit[0].lower()]
    return years if years <= 120 else None


def read(record: Record, group: str) -> list[Read]:
    """Return the signs of a group ("child" or "adult") that a record tells of, each once."""
    signs = SIGNS[group]
    found: dict[str, Read] = {}
    for name, present, said, start, end in (*_measured(record, group), *_told(record)):
        sign = signs.get(name)
        # A measured value counts for more than a word, and comes first.
        if sign is not None and name not in found:
            item = Read(sign, present, said, start, end)
            if item.ratio is not None:
                found[name] = item
    return list(found.values())


_Row = tuple[str, bool, str, int, int]


def _measured(record: Record, group: str) -> Iterable[_Row]:
    saturation = _extreme(record, "oxygen saturation", min)
    if saturation:
        value, fact = saturation
        # A normal value on oxygen says nothing of air.
        if value <= 96 or not _supported(fact):
            yield "oxygen saturation", value <= 96, fact.text, fact.start, fact.end
    rate = _extreme(record, "respiratory rate", max)
    heat = _extreme(record, "temperature", max)
    pulse = _extreme(record, "heart rate", max)
    fast, hot = (40.0, 37.5) if group == "child" else (19.99, 37.99)
    for name, found, limit in (
        ("tachypnoea", rate, fast),
        ("fever", heat, hot),
        ("tachycardia", pulse, 100.0),
    ):
        if found:
            yield name, found[0] > limit, found[1].text, found[1].start, found[1].end
    if rate and heat and pulse and rate[0] < 20 and heat[0] < 38 and pulse[0] <= 100:
        fact = rate[1]
        yield "normal vital signs", True, fact.text, fact.start, fact.end
    protein = _extreme(record, "C-reactive protein", max)
    if protein:
        value, fact = protein
        band = next((b for b in (100, 50, 20) if value >= b), None)
        name = f"C-reactive protein {band}" if band else "C-reactive protein low"
        yield name, True, fact.text, fact.start, fact.end


def _supported(fact: Fact) -> bool:
    on = dict(fact.attributes).get("on", "").lower()
    return bool(on) and on not in ("ra", "room air")


def _extreme(
    record: Record, name: str, pick: Callable[..., tuple[float, Fact]]
) -> tuple[float, Fact] | None:
    values = [
        (value, fact)
        for fact in record.facts
        if fact.name == name
        and fact.kind in ("vital", "lab")
        and fact.assertion == "present"
        and (value := _value(fact)) is not None
    ]
    return pick(values, key=lambda pair: pair[0]) if values else None


def _value(fact: Fact) -> float | None:
    """Return a value in the unit of the signs: °C, a minute, %, mg/L; None where it is no number."""
    more = dict(fact.attributes)
    try:
        value = float(more.get("value", "").replace(",", "").lstrip("<>≤≥= "))
    except ValueError:
        return None
    unit = more.get("unit", "").lower().replace(" ", "")
    if fact.name == "temperature" and (unit.endswith(("f", "fahrenheit")) or value > 50):
        return (value - 32) / 1.8
    if fact.name == "C-reactive protein":
        return {"mg/l": value, "mg/dl": value * 10}.get(unit)
    return value


def _told(record: Record) -> Iterable[_Row]:
    facts = [f for f in record.of("problem") if f.assertion in ("present", "negated")]
    # Present in one place counts for more than denied in another.
    for fact in sorted(facts, key=lambda fact: fact.assertion == "negated"):
        if fact.name in _PROBLEMS:
            yield (
                _PROBLEMS[fact.name], fact.assertion == "present", fact.text, fact.start, fact.end,
            )  # fmt: skip
    page = Page(record.text)
    for name, pattern in _EXAM.items():
        for match in pattern.finditer(record.text):
            state, _ = page.assertion(match.start(), match.end())
            if state in ("present", "negated"):
                yield name, state == "present", match.group(), match.start(), match.end()
