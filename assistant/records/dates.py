"""Calendar dates in text, as ISO strings.

Promises that a date whose order is unclear is read month first, as the records it was tried on
are; where the first number exceeds 12 it is read day first. Knows nothing of records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_FORMS = (
    re.compile(r"(?<![\d/.-])(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)"),
    re.compile(r"(?<![\d/.-])(?P<y>(?:19|20)\d\d)/(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\d/])"),
    re.compile(r"(?<![\d/.-])(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>(?:19|20)?\d\d)(?![\d/.-]\d)(?!\d)"),
    re.compile(r"(?<![\d/.-])(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>(?:19|20)\d\d)(?!\d)"),
    re.compile(_MONTH + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)\b", re.I),
    re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)?[ -]" + _MONTH + r",?[ -](?P<y>(?:19|20)\d\d)\b", re.I),
    re.compile(r"\b" + _MONTH + r"(?: of)?,?\s+(?P<y>(?:19|20)\d\d)\b", re.I),
    re.compile(r"(?<![\d/.-])(?P<m>0?[1-9]|1[0-2])/(?P<y>(?:19|20)\d\d)(?![\d/])"),
    re.compile(r"\b(?:in|since|from|circa|during|of|year) (?P<y>(?:19|20)\d\d)\b(?![/-]\d)"),
    re.compile(r"(?<=\()(?P<y>(?:19|20)\d\d)(?=\))"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Date:
    """A date found: `text[start:end]`, and in ISO 8601 as exact as it was written."""

    start: int
    end: int
    iso: str


def find(text: str) -> tuple[Date, ...]:
    """Return the dates of a text in order, none overlapping."""
    taken: list[Date] = []
    for form in _FORMS:
        for match in form.finditer(text):
            iso = _iso(match.groupdict())
            start = match.start("y") if set(match.groupdict()) == {"y"} else match.start()
            if iso and not any(start < d.end and d.start < match.end() for d in taken):
                taken.append(Date(start, match.end(), iso))
    return tuple(sorted(taken, key=lambda date: date.start))


def _iso(parts: dict[str, str | None]) -> str:
    year = parts["y"] or ""
    if len(year) == 2:
        # Two-digit years up to 39 belong to this century: records rarely reach back before 1940.
        year = ("20" if int(year) < 40 else "19") + year
    month, day = _month(parts), _day(parts)
    if parts.get("a"):
        first, second = int(parts["a"] or 0), int(parts["b"] or 0)
        month, day = (second, first) if first > 12 else (first, second)
    if month == 0:
        return year
    if not 1 <= month <= 12 or not 0 <= day <= 31:
        return ""
    return f"{year}-{month:02d}" + (f"-{day:02d}" if day else "")


def _month(parts: dict[str, str | None]) -> int:
    month = parts.get("m") or ""
    if month.isdigit():
        return int(month)
    return _MONTHS.index(month[:3].lower()) + 1 if month else 0


def _day(parts: dict[str, str | None]) -> int:
    return int(parts.get("d") or 0)
