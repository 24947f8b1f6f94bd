"""Sentences with their character spans. Knows nothing of documents."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words whose full stop does not end a sentence.
_ABBREVIATIONS = frozenset(
    [
        "e.g",
        "i.e",
        "vs",
        "approx",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "no",
        "nos",
        "fig",
        "figs",
        "al",
        "etc",
        "ca",
        "cf",
        "inc",
        "ltd",
        "jr",
        "sr",
        "vol",
        "pp",
        "ed",
        "eds",
        "resp",
        "dept",
        "est",
        "min",
        "max",
        "temp",
        "wt",
        "ht",
        "spp",
        "sp",
        "var",
        "subsp",
    ]
)
_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)|[。！？；]+|\n\s*\n")
_NEXT = re.compile(r"\s*[\"'(\[]*([^\s])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its place: `source[start:end] == text`."""

    text: str
    start: int
    end: int


def split(text: str) -> list[Sentence]:
    """Split a text into sentences; abbreviations, initials and decimals don't end one."""
    out: list[Sentence] = []
    start = 0
    for match in _END.finditer(text):
        if match.group()[0] == "." and not _ends(text, match):
            continue
        _add(out, text, start, match.end())
        start = match.end()
    _add(out, text, start, len(text))
    return out


def _ends(text: str, match: re.Match[str]) -> bool:
    following = _NEXT.match(text, match.end())
    if following is None:
        return True
    if following[1].islower():
        return False
    before = text[max(0, match.start() - 80) : match.start()].split()
    bare = before[-1].strip("([\"'").lower() if before else ""
    if re.fullmatch(r"[aefghj-z]", bare) and bare != "k":  # an initial opens or follows a name
        opens = len(before) < 2 or before[-2][-1] in ".!?"
        return not opens and not before[-2][0].isupper()
    return bare not in _ABBREVIATIONS and not re.fullmatch(r"([a-z]\.)+[a-z]", bare)


def _add(out: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if any(c.isalnum() for c in stripped):
        at = start + len(piece) - len(piece.lstrip())
        out.append(Sentence(stripped, at, at + len(stripped)))
