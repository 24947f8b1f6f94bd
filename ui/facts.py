"""A record's facts and a finding's probability as words: the same on page and terminal."""

from __future__ import annotations

from assistant.types import Fact

# Attributes that only make sense together with the one they measure.
_MEASURED = ("dose", "value")


def said(fact: Fact) -> str:
    """Return the record's own words on one line."""
    return " ".join(fact.text.split())


def known_as(fact: Fact) -> str:
    """Return the normalised name where the record's own words do not hold it, else ""."""
    return "" if fact.name.lower() in said(fact).lower() else fact.name


def details(fact: Fact) -> list[tuple[str, str]]:
    """Return (name, value) of a fact's attributes; a number carries its unit."""
    given = {key: value for key, value in fact.attributes if value}
    unit = given.pop("unit", "")
    out = []
    for key, value in given.items():
        shown = f"{value} {unit}" if unit and key in _MEASURED else value
        out.append((key.replace("_", " "), shown))
    if unit and not any(key in given for key in _MEASURED):
        out.append(("unit", unit))
    return out


def spread(value: float) -> str:
    """Return a deviation with two places that never rounds to none at all."""
    return "< 0.01" if 0 <= value < 0.01 else f"{value:.2f}"


def probability(value: float) -> str:
    """Return a probability with two places that never rounds to certainty."""
    if value > 0.99:
        return "> 0.99"
    return "< 0.01" if value < 0.01 else f"{value:.2f}"
