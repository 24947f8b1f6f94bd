"""Word lists: finds the names of problems, drugs, procedures, allergens and measurements in text.

Promises the longest match at each place, whole words only, and the same name for every spelling.
The lists are plain tables beside this file, written for this project. Knows nothing of sections,
doses or negation.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_TOKEN = re.compile(r"[A-Za-z0-9]+")
# What may stand between the words of one name; one line break allows for wrapped text.
_GAP = re.compile(r"[ \t\-–/'’.+&]{0,3}\n?[ \t]{0,8}\Z")
_UNSTEMMED = ("ss", "us", "is")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list.

    Attributes:
        name: the normalised name.
        columns: the further columns of the table, as printed.
    """

    name: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A name found in a text: `text[start:end]` is a spelling of `entry.name`."""

    start: int
    end: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Form:
    entry: Entry
    exact: str  # the spelling to insist on, or "" where case doesn't matter
    tail: str = ""  # punctuation that must follow the last word ("K+")


def stem(word: str) -> str:
    """Return a word in lower case without the plural's ending."""
    word = word.lower()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(_UNSTEMMED):
        return word[:-1]
    return word


class Tokens:
    """The words of a text with their places, cut once for all lists."""

    def __init__(self, text: str) -> None:
        self.text = text
        found = list(_TOKEN.finditer(text))
        self.spans = [match.span() for match in found]
        self.stems = [stem(match.group()) for match in found]
        self.starts = [span[0] for span in self.spans]

    def index(self, offset: int) -> int:
        """Return the number of words that start at or before `offset`."""
        return bisect_right(self.starts, offset)


class Lexicon:
    """A list of names that can be found in text."""

    def __init__(self, rows: list[tuple[Entry, tuple[str, ...]]]) -> None:
        self._forms: dict[tuple[str, ...], list[_Form]] = {}
        self._longest: dict[str, int] = {}
        self.entries = {entry.name: entry for entry, _ in rows}
        for entry, names in rows:
            for name in names:
                self._add(entry, name)

    def _add(self, entry: Entry, name: str) -> None:
        words = tuple(stem(word) for word in _TOKEN.findall(name))
        if not words:
            return
        # Lower-case letters at the front mark a name whose case doesn't matter.
        insist = name[0].isupper() and " " not in name and len(name) <= 9
        tail = name[-1] if name[-1] in "+" else ""
        forms = self._forms.setdefault(words, [])
        forms.append(_Form(entry, name.rstrip("+") if insist else "", tail))
        self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

    def find(self, tokens: Tokens) -> Iterator[Match]:
        """Yield the matches in order; they don't overlap."""
        position, count = 0, len(tokens.stems)
        stems, known = tokens.stems, self._longest
        while position < count:
            if stems[position] not in known:
                position += 1
                continue
            match, length = self._longest_at(tokens, position)
            if match:
                yield match
            position += max(1, length)

    def _longest_at(self, tokens: Tokens, position: int) -> tuple[Match | None, int]:
        most = self._longest.get(tokens.stems[position], 0)
        for length in range(min(most, len(tokens.stems) - position), 0, -1):
            forms = self._forms.get(tuple(tokens.stems[position : position + length]))
            if not forms or not _joined(tokens, position, length):
                continue
            start, end = tokens.spans[position][0], tokens.spans[position + length - 1][1]
            for form in forms:
                if _fits(form, tokens.text, start, end):
                    return Match(start, end, form.entry), length
        return None, 0


def _joined(tokens: Tokens, position: int, length: int) -> bool:
    spans = tokens.spans
    return all(
        _GAP.match(tokens.text, spans[at][1], spans[at + 1][0])
        for at in range(position, position + length - 1)
    )


def _fits(form: _Form, text: str, start: int, end: int) -> bool:
    if form.exact:
        written = text[start:end].removesuffix("s")
        if written not in (form.exact, form.exact.removesuffix("s")):
            return False
    return not form.tail or text[end : end + 1] == form.tail


def _rows(table: str) -> Iterator[list[str]]:
    content = files("assistant.records").joinpath(table).read_text(encoding="utf-8")
    for line in content.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split("\t")


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split("|") if name.strip()]


def _own(name: str) -> str:
    """Return the entry's own name as a spelling whose case doesn't matter, save abbreviations."""
    return name if name.isupper() or len(name) <= 3 else name.lower()


@cache
def problems() -> Lexicon:
    """Return the conditions and symptoms; `columns[0]` is chronic, acute, symptom or habit."""
    return Lexicon([
        (Entry(name, (kind,)), (_own(name), *_split(more)))
        for name, kind, more in (_pad(row, 3) for row in _rows("problems.tsv"))
    ])  # fmt: skip


@cache
def procedures() -> Lexicon:
    """Return the procedures and imaging."""
    return Lexicon([
        (Entry(name), (_own(name), *_split(more)))
        for name, more in (_pad(row, 2) for row in _rows("procedures.tsv"))
    ])  # fmt: skip


@cache
def drugs() -> Lexicon:
    """Return the drugs; `columns[0]` lists classes, `columns[1]` is "class" for a class's name."""
    rows = []
    for name, classes, more in (_pad(row, 3) for row in _rows("drugs.tsv")):
        if name.startswith("<"):
            rows.append((Entry(name.strip("<>"), (classes, "class")), tuple(_split(more))))
        else:
            rows.append((Entry(name, (classes, "")), (_own(name), *_split(more))))
    return Lexicon(rows)


@cache
def allergens() -> Lexicon:
    """Return allergens that aren't drugs."""
    return Lexicon([
        (Entry(name), (_own(name), *_split(more)))
        for name, more in (_pad(row, 2) for row in _rows("allergens.tsv"))
    ])  # fmt: skip


@cache
def measurements() -> Lexicon:
    """Return labs and vitals; columns: kind, usual ranges, plausible range."""
    return Lexicon([
        (Entry(name, (kind, usual, plausible)), (_own(name), *_split(more)))
        for name, kind, usual, plausible, more in (_pad(row, 5) for row in _rows("labs.tsv"))
    ])  # fmt: skip


@cache
def drug_classes() -> dict[str, tuple[str, ...]]:
    """Return the classes of each drug by its normalised name."""
    return {entry.name: tuple(entry.columns[0].split(",")) for entry in drugs().entries.values()}


def _pad(row: list[str], width: int) -> list[str]:
    return (row + [""] * width)[:width]


@cache
def drug_class_rows() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (class, its names) for each class that has names of its own."""
    rows = (_pad(row, 3) for row in _rows("drugs.tsv"))
    return tuple((group, tuple(_split(more))) for name, group, more in rows if name[0] == "<")
