"""One pass over the files of a training: counts, and row numbers of what is wrong.

Keeps digests, shingle hashes and numbers of rows, no text. Knows nothing of how findings are shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import _validation_formats as formats
from finetune import _validation_language as language
from finetune import _validation_read as reading
from finetune import _validation_similar as similar
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune._validation_sources import Source
    from finetune.recipe import TextRecipe

# Tokens of a row as training renders it, and how many of them are learned.
Count = Callable[[str, Mapping[str, Any]], tuple[int, int]]
Find = Callable[[str], Any]
# Words that a text needs before its reappearance in the other part means anything.
FEWEST_WORDS = 4


@dataclass
class Found:
    """What one file holds.

    Attributes:
        format: of its rows.
        rows: how many.
        tokens: in all rows together, as training renders them, before anything is cut off.
        longest: tokens of the longest row, and its number.
        lengths: tokens of each row that was counted, and how many of them are learned.
        marks: row numbers by what is wrong with them.
        personal: identifiers by kind.
    """

    format: str = ""
    rows: int = 0
    tokens: int = 0
    longest: tuple[int, int] = (0, 0)
    lengths: list[tuple[int, int]] = field(default_factory=list)
    marks: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    personal: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)


class Scan:
    """What is known of the rows met so far, over all files."""

    def __init__(self, recipe: TextRecipe, count: Count | None, find: Find) -> None:
        """Begin with nothing seen.

        Args:
            recipe: limits, language, and how chat rows are read.
            count: counts a row's tokens; None leaves lengths unchecked.
            find: finds personal data in a text (`assistant.records.deidentify.find`).
        """
        self.recipe = recipe
        self.count = count
        self.find = find
        self.texts = {True: similar.Similar(), False: similar.Similar(near=False)}
        self.trained_units: set[tuple[str, str]] = set()
        self.trained_texts: set[bytes] = set()
        self.number = 0
        # Rows are numbered through all files for the search of duplicates.
        self.place: list[tuple[Path, int]] = []

    def file(self, source: Source) -> Found:
        """Read a file to its end.

        Raises:
            InputError: if the file can't be read or its columns are wrong.
        """
        found = Found()
        units: set[tuple[str, str]] = set()
        given: set[bytes] = set()
        for number, row, sample in self._samples(source, found):
            found.rows += 1
            self._wrong(found, number, sample)
            self._similar(source, found, number, sample)
            units.update(sample.units)
            words = similar.normal(sample.given)
            if len(words) >= FEWEST_WORDS:
                given.add(key := similar.digest(words))
                if source.part == "validation" and key in self.trained_texts:
                    found.marks["leak text"].append(number)
            for kind in {k for k, i in sample.units if (k, i) in self.trained_units}:
                if source.part == "validation":
                    found.marks[f"leak {kind}"].append(number)
            self._content(source, found, number, sample)
            self._length(source, found, number, row)
        if source.part == "train":
            self.trained_units |= units
            self.trained_texts |= given
        return found

    def _samples(
        self, source: Source, found: Found
    ) -> Iterator[tuple[int, Mapping[str, Any], formats.Sample]]:
        if source.format:
            yield from self._plain(source, found)
        else:
            yield from self._chats(source, found)

    def _plain(
        self, source: Source, found: Found
    ) -> Iterator[tuple[int, Mapping[str, Any], formats.Sample]]:
        found.format = source.format
        for number, row in reading.rows(source.path):
            lacking = formats.missing(source.format, row)
            if lacking:
                there = ", ".join(map(repr, row)) or "none"
                raise InputError(
                    f"{source.path.name}, row {number} has no column {' and no '.join(lacking)}; it "
                    f"has {there}. {formats.hint(source.format, row)}"
                )
            sample = formats.sample(source.format, row)
            if source.format == "spans" and not sample.faults:
                labels = self.recipe.options.get("labels", formats.ENTITIES)
                sample = replace(sample, faults=formats.strange(row, labels))
            yield number, row, sample

    def _chats(
        self, source: Source, found: Found
    ) -> Iterator[tuple[int, Mapping[str, Any], formats.Sample]]:
        from finetune import _validation_chat
        from finetune.chat import data
        from finetune.chat import formats as chats

        settings: Any = self.recipe.data
        kind: chats.Format | None = None
        for number, row in data.rows(source.path):
            if kind is None:
                kind = chats.choose(settings.format, row, source.path.name)
                found.format = kind.name
            if settings.limit is not None and found.rows >= settings.limit:
                return
            yield number, row, _validation_chat.sample(kind, row, settings.system)
        if kind is None:
            raise InputError(f"The data file {source.path} holds no rows: nothing can be learned.")

    @staticmethod
    def _wrong(found: Found, number: int, sample: formats.Sample) -> None:
        for fault in sample.faults:
            found.faults[fault].append(number)
        if not sample.faults and not sample.given:
            found.marks["no input"].append(number)
        elif not sample.faults and not sample.wanted:
            found.marks["no answer"].append(number)

    def _similar(self, source: Source, found: Found, number: int, sample: formats.Sample) -> None:
        """Note rows that repeat an earlier one; near ones only in data of the user's own."""
        text = f"{sample.given}\n{sample.wanted}"
        mine = self.texts[not source.public]
        self.place.append((source.path, number))
        self.number += 1
        first = mine.same(self.number - 1, text)
        if first is not None:
            if self.place[first][0] == source.path:
                found.marks["same"].append(number)
            return
        first = mine.alike(self.number - 1, text)
        if first is not None:
            same_file = self.place[first][0] == source.path
            found.marks["near" if same_file else "near leak"].append(number)

    def _content(self, source: Source, found: Found, number: int, sample: formats.Sample) -> None:
        text = f"{sample.given}\n{sample.wanted}"
        code = language.guess(text)
        found.languages[code or "?"] += 1
        if code not in (None, self.recipe.language):
            found.marks["language"].append(number)
        if source.public or text.startswith("(unread)"):
            return
        kinds = [identifier.kind for identifier in self.find(text)]
        if kinds:
            found.personal.update(kinds)
            found.marks["personal"].append(number)

    def _length(self, source: Source, found: Found, number: int, row: Mapping[str, Any]) -> None:
        if self.count is None or number in found.marks["no input"]:
            return
        if source.format and formats.FORMATS[source.format].windows:
            return
        if any(number in rows[-1:] for rows in found.faults.values()):
            return
        tokens, learned = self.count(found.format, row)
        found.lengths.append((tokens, learned))
        found.tokens += tokens
        found.longest = max(found.longest, (tokens, number))
        if tokens > self.recipe.max_tokens:
            found.marks["long"].append(number)
