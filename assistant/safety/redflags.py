"""Red-flag triage: recognises an emergency in what the user wrote, in English or Chinese.

Promises an answer from rules alone, in milliseconds and the same each time, before any model runs.
A textbook question ("What are the signs of stroke?") raises no alarm; a person in danger does.
Knows nothing of the rest of the turn, and diagnoses nothing.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from assistant.safety import _context, _patterns_en, _patterns_zh
from assistant.safety._context import CJK, Sentence
from assistant.types import Emergency

# Characters of a message that are looked at; what is longer is a pasted document.
MAX_CHARS = 4_000
# Signs of one flag must stand within this many sentences of each other.
_WINDOW = 3


class _Part(NamedTuple):
    pattern: re.Pattern[str]
    bare: bool  # taken as it stands: denial belongs to the sign itself ("hasn't moved")


class _Sign(NamedTuple):
    parts: tuple[_Part, ...]
    needs_person: bool


class _Compiled(NamedTuple):
    kind: str
    rank: int
    signs: tuple[_Sign, ...]
    notice: str


def triage(text: str) -> Emergency | None:
    """Return the most urgent red flag in a message, or None.

    Args:
        text: what the user wrote; attachments excluded.
    """
    message = text[:MAX_CHARS]
    chinese = len(CJK.findall(message)) * 3 > len(re.findall(r"[A-Za-z]", message))
    kept = _relevant(_context.sentences(message))
    if not kept:
        return None
    said = _Message(kept)
    best: _Compiled | None = None
    for flag in _flags(chinese):
        if best is not None and flag.rank >= best.rank:
            break
        if any(said.shows(sign) for sign in flag.signs):
            best = flag
    return Emergency(best.kind, best.notice) if best else None


def kinds() -> tuple[str, ...]:
    """Return the names of all red flags, the most urgent first."""
    return tuple(flag.kind for flag in _flags(False))


def _relevant(sentences: list[Sentence]) -> list[Sentence]:
    """Leave out sentences about medicine in general; keep those about somebody."""
    return [sentence for sentence in sentences if sentence.person or not sentence.general]


class _Message:
    """The sentences of one message and where each part of a sign is said, found once."""

    def __init__(self, sentences: list[Sentence]) -> None:
        self._sentences = sentences
        self._found: dict[_Part, tuple[int, ...]] = {}

    def shows(self, sign: _Sign) -> bool:
        """Whether all parts of a sign are said within a few sentences of each other."""
        places = []
        for part in sign.parts:
            found = self._said(part)
            if not found:
                return False
            places.append(found)
        for first in range(len(self._sentences)):
            window = range(first, first + _WINDOW)
            near = all(any(at in window for at in found) for found in places)
            if near and (not sign.needs_person or self._speaks_of_somebody(window)):
                return True
        return False

    def _speaks_of_somebody(self, window: range) -> bool:
        return any(s.person for s in self._sentences[window.start : window.stop])

    def _said(self, part: _Part) -> tuple[int, ...]:
        if part not in self._found:
            self._found[part] = tuple(
                at
                for at, sentence in enumerate(self._sentences)
                if any(
                    part.bare or _context.happening(sentence.text, match.start(), match.end())
                    for match in part.pattern.finditer(sentence.text)
                )
            )
        return self._found[part]


@cache
def _flags(chinese: bool) -> tuple[_Compiled, ...]:
    """Compile the table of one language, the most urgent first."""
    table = _patterns_zh.FLAGS if chinese else _patterns_en.FLAGS
    return tuple(
        _Compiled(
            flag.kind, flag.rank, tuple(s for sign in flag.signs for s in _signs(sign)), flag.notice
        )
        for flag in sorted(table, key=lambda flag: flag.rank)
    )


def _signs(sign: str | tuple[str, ...]) -> list[_Sign]:
    if isinstance(sign, tuple):
        return [_Sign(tuple(_compile(part) for part in sign), False)]
    if not sign.startswith("@") and "|@" not in sign:
        return [_Sign((_compile(sign),), False)]
    # A disease's name counts only with a person; the other alternatives stand by themselves.
    named: list[str] = []
    plain: list[str] = []
    for part in _alternatives(sign):
        (named if part.startswith("@") else plain).append(part.lstrip("@"))
    found = [_Sign((_compile("|".join(plain)),), False)] if plain else []
    return [*found, _Sign((_compile("|".join(named)),), True)]


def _alternatives(sign: str) -> list[str]:
    """Split an expression at the bars that stand outside all brackets."""
    parts, depth, current = [], 0, ""
    for character in sign:
        depth += (character in "([") - (character in ")]")
        if character == "|" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


@cache
def _compile(expression: str) -> _Part:
    """Compile an expression that begins at a word's start; "!" marks it bare."""
    bare, expression = expression.startswith("!"), expression.removeprefix("!")
    if CJK.search(expression):
        return _Part(re.compile(expression), bare)
    return _Part(re.compile(rf"(?<![\w'])(?:{expression})"), bare)
