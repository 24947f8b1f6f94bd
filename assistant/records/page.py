"""A note prepared for reading: sections, sentences and words found once, looked up by offset.

Knows how to ask for an assertion in its sentence and section. Knows nothing of single facts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from assistant.records import assertion, dates, sections
from assistant.records.lexicon import Tokens
from assistant.types import Assertion, RecordSection


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence with its section.

    Attributes:
        start: the sentence's first character in the text.
        end: one past its last.
        section: the section that holds it, or None.
    """

    start: int
    end: int
    section: RecordSection | None

    @property
    def name(self) -> str:
        """The section's normalised name, or ""."""
        return self.section.name if self.section else ""


class Page:
    """A note's text with everything that several readers look up."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sections = sections.sections(text)
        self.dates = dates.find(text)
        self.tokens = Tokens(text)
        outline = sections.Outline(self.sections)
        marks = sections.headings(text)
        breaks = tuple(sorted({mark.start for mark in marks} | {mark.body for mark in marks}))
        self.places = [
            Place(span.start, span.end, outline.at(span.start))
            for span in sections.sentences(text, breaks)
        ]
        self._starts = [place.start for place in self.places]
        self._date_starts = [date.start for date in self.dates]

    def at(self, offset: int) -> Place:
        """Return the sentence at an offset; the whole text where there is none."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return Place(0, len(self.text), None)
        return self.places[index]

    def sentence(self, place: Place) -> str:
        """Return the words of a sentence."""
        return self.text[place.start : place.end]

    def assertion(self, start: int, end: int) -> tuple[Assertion, str]:
        """Return what the sentence says of `text[start:end]`, and the trigger; sections excluded."""
        place = self.at(start)
        return assertion.assertion_at(
            self.sentence(place), start - place.start, min(end, place.end) - place.start
        )

    def line_end(self, offset: int) -> int:
        """Return the end of the line that holds `offset`."""
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end

    def dates_in(self, start: int, end: int) -> tuple[dates.Date, ...]:
        """Return the dates that start in `[start, end)`."""
        first = bisect_left(self._date_starts, start)
        return self.dates[first : bisect_left(self._date_starts, end)]

    def date_for(self, offset: int) -> str:
        """Return the date (ISO) that the sentence, the line or the section's heading gives, or ""."""
        place = self.at(offset)
        line_start = self.text.rfind("\n", 0, offset) + 1
        start = min(place.start, line_start)
        near = self.dates_in(start, place.end)
        before = [date for date in near if date.start <= offset]
        if near:
            return (before[-1] if before else near[0]).iso
        section = place.section
        if section is None:
            return ""
        titled = self.dates_in(section.start, self.line_end(section.start))
        return titled[0].iso if titled else ""


class Owned:
    """Which characters of a text belong to a fact already."""

    def __init__(self, length: int, spans: list[tuple[int, int]]) -> None:
        self._mask = bytearray(length)
        for start, end in spans:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Take `[start, end)`."""
        self._mask[start:end] = b"\1" * (end - start)

    def overlaps(self, start: int, end: int) -> bool:
        """Whether any of `[start, end)` is taken."""
        return 1 in self._mask[start:end]
