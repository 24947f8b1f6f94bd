"""Tables: CSV, TSV and JSON Lines, one document a row, plain or packed with gzip.

Columns are recognised by their usual names or named by a mapping; those that are neither become
metadata. A row that can't be used is `Skipped` with its number. Knows nothing of spreadsheets.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retrieval.errors import SourceError
from retrieval.sources import Skipped, _columns, _packed
from retrieval.types import Document

_PLAIN = (".csv", ".tsv", ".jsonl", ".ndjson")
SUFFIXES = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
MAX_ROW_BYTES = 8_000_000
# So many unusable rows at the start, and it is no table of texts.
PATIENCE_ROWS = 1000
_DELIMITERS = ",\t;|"


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file is JSON Lines: by its suffix, or a first line that is an object."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        return bool(head)
    first, end, _ = head.lstrip(b"\xef\xbb\xbf").partition(b"\n")
    if not name.endswith(".json") or not end or not first.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


class TableReader:
    """Reads one document a row."""

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        self._mapping = dict(mapping or {})

    def read(self, path: Path) -> Iterator[Document | Skipped]:
        """Yield the documents of `path` in order.

        Raises:
            SourceError: if the file is no table, has no column for the text, or no usable row; the
                message names the columns that were found.
        """
        if path.is_dir():
            raise SourceError(f"{path} is a folder: name a table.")
        stem = path.name.partition(".")[0]
        builder = _columns.Builder(self._mapping, stem, path.name)
        found = bad = 0
        first = ""
        for number, row in self._rows(path):
            where = f"{path.name} row {number}"
            problem = row if isinstance(row, str) else ""
            if isinstance(row, dict):
                try:
                    yield builder.document(row, number)
                    found += 1
                    continue
                except _columns.RowError as error:
                    problem = str(error)
            bad, first = bad + 1, first or f"row {number}: {problem}"
            if not found and bad > PATIENCE_ROWS:
                break
            yield Skipped(where, problem)
        if not found:
            reason = f"no row can be used ({first})" if first else "there is no row"
            raise SourceError(f"{path} holds no text that can be read: {reason}")

    def _rows(self, path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
        lines = _packed.lines(path, MAX_ROW_BYTES)
        name = path.name.lower().removesuffix(".gz")
        return _csv_rows(lines, path, self._mapping) if _is_csv(name) else _json_rows(lines)


def build(mapping: Mapping[str, str] | None = None) -> TableReader:
    """Return the reader.

    Args:
        mapping: what each part of a document is called in the table, such as
            {"title": "Headline", "text": "Body"}. Parts: id, title, text, question, year, url,
            synonyms, authors, journal, language, licence, pmid, pmcid, doi, identifiers. Several
            columns joined by "+" ("Methods+Results") become a section each.

    Raises:
        InputError: if the mapping has a part that is unknown.
    """
    _columns.check(mapping or {})
    return TableReader(mapping)


def _is_csv(name: str) -> bool:
    return not name.endswith((".jsonl", ".ndjson", ".json"))


def _json_rows(lines: Iterator[_packed.Line]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line in lines:
        if line.problem:
            yield line.number, line.problem
            continue
        if not line.text.strip():
            continue
        try:
            row = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            yield line.number, f"It is no JSON: {str(error)[:100] or 'nested too deeply'}."
            continue
        is_row = isinstance(row, dict)
        yield line.number, row if is_row else "It is JSON but no object with named values."


class _Fed:
    """Lines for `csv.reader`, which calls for them itself; remembers where it is."""

    def __init__(self, lines: Iterator[_packed.Line]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> _Fed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        if line.problem:
            raise csv.Error(line.problem)
        return line.text


def _csv_rows(
    lines: Iterator[_packed.Line], path: Path, mapping: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    first = next((line for line in lines if line.problem or line.text.strip()), None)
    if first is None:
        return
    if first.problem:
        raise SourceError(f"{path} line {first.number} can't be read. {first.problem}")
    delimiter = max(_DELIMITERS, key=first.text.count)
    names = [name.strip() for name in next(csv.reader([first.text], delimiter=delimiter))]
    _columns.check_header(names, mapping, path)
    # The limit is the interpreter's, not the reader's: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))
    fed = _Fed(lines)
    rows = csv.reader(fed, delimiter=delimiter)
    while True:
        start = fed.number + 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield max(start, first.number + 1), _why(error)
            continue
        start = max(start, first.number + 1)
        if len(values) > len(names):
            yield start, f"It has {len(values)} values for {len(names)} columns: quote its text."
        elif any(values):
            yield start, dict(zip(names, values, strict=False))


def _why(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"A quote opens in it that is not closed for {MAX_ROW_BYTES:,} characters: close it."
    return f"It can't be read: {error}"
