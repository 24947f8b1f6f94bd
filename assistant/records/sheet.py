"""Writes a structured record as readable text, and keeps each fact's place while it does.

Knows nothing of the format that the facts come from.
"""

from __future__ import annotations

from assistant.records.extract import facts as read_facts
from assistant.records.page import Page
from assistant.types import Assertion, Fact, FactKind, Record, RecordSection


class Sheet:
    """A text under construction with its sections and facts."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[tuple[str, str, int]] = []
        self._facts: list[Fact] = []
        self._note_sections: list[RecordSection] = []

    @property
    def length(self) -> int:
        """Characters written so far."""
        return self._length

    def _write(self, text: str) -> int:
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        return start

    def section(self, name: str, title: str) -> None:
        """Open a section; facts written from here on stand in it."""
        if self._length:
            self._write("\n")
        self._sections.append((name, title, self._write(title)))
        self._write("\n")

    def line(self, text: str) -> None:
        """Write a line that holds no fact."""
        self._write(flat(text) + "\n")

    def fact(
        self,
        kind: FactKind,
        text: str,
        name: str,
        assertion: Assertion = "present",
        attributes: dict[str, str] | None = None,
        tail: str = "",
    ) -> None:
        """Write a line that holds one fact.

        Args:
            kind: the fact's kind.
            text: the fact's words.
            name: its normalised name.
            assertion: what the record says of it.
            attributes: its details; empty ones are left out.
            tail: words of the line that don't belong to the fact.
        """
        words = flat(text)
        self._write("- ")
        start = self._write(words)
        self._write(flat(tail) and " " + flat(tail))
        self._write("\n")
        details = tuple((key, value) for key, value in (attributes or {}).items() if value)
        section = self._sections[-1][0] if self._sections else ""
        self._facts.append(
            Fact(kind, words, start, start + len(words), assertion, name, section, details)
        )

    def note(self, text: str) -> None:
        """Write a free text with its own sections, and read its facts."""
        page = Page(text)
        offset = self._write(text.rstrip() + "\n")
        outer = self._sections[-1][0] if self._sections else ""
        for fact in read_facts(page):
            self._facts.append(
                Fact(fact.kind, fact.text, fact.start + offset, fact.end + offset, fact.assertion,
                     fact.name, fact.section or outer, fact.attributes)
            )  # fmt: skip
        for part in page.sections:
            self._sections.append((part.name, part.title, part.start + offset))

    def record(self, name: str) -> Record:
        """Return what was written as a record."""
        text = "".join(self._parts)
        found = []
        for at, (section, title, start) in enumerate(self._sections):
            end = self._sections[at + 1][2] if at + 1 < len(self._sections) else len(text)
            found.append(
                RecordSection(section, title, start, start + len(text[start:end].rstrip()))
            )
        ordered = sorted(self._facts, key=lambda fact: (fact.start, fact.end))
        return Record(name, text, tuple(found), tuple(ordered))


def flat(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())
