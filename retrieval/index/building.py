"""Writes segments: from documents and their vectors, or out of older segments, bytewise.

Everything streams: neither way holds more than one batch of documents or vectors in memory. Knows
nothing of generations; the folder it writes to is nobody's yet.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval import chunking, files
from retrieval.index import records
from retrieval.index.segment import CODED, COLUMNS, DOCUMENT, FILES, NO_YEAR, Segment, words
from retrieval.types import Document, Passage

_MAX_WORDS = 300_000
_BLOCK_ROWS = 65_536
PLAIN_KINDS = ("", "article")  # kinds of documents that are about no single subject


class Prepared(NamedTuple):
    """A document ready to be written: its JSON and the places of its passages."""

    document: Document
    data: bytes
    spans: tuple[tuple[int, int, int], ...]  # section, start, length of each passage
    passages: tuple[Passage, ...]

    @property
    def digest(self) -> bytes:
        """The digest that tells whether the stored document is the same."""
        return records.digest(self.data)


def prepare(document: Document) -> Prepared:
    """Encode and chunk a document.

    Raises:
        UnicodeEncodeError: if a text holds a lone surrogate.
    """
    spans = tuple(chunking.spans(document))
    passages = tuple(chunking.cut(document, number, place) for number, place in enumerate(spans))
    return Prepared(document, records.encode(document), spans, passages)


class SegmentWriter:
    """Writes one new segment into an empty folder: `add` or `copy` any number of times, `finish`.

    Args:
        folder: made by the writer.
        width: length of a vector.
        encoder: identity of what made the vectors.
    """

    def __init__(self, folder: Path, width: int, encoder: str) -> None:
        folder.mkdir(parents=True)
        self._folder, self._width, self._encoder = folder, width, encoder
        self._files: dict[str, IO[bytes]] = {
            name: (folder / name).open("wb") for name in FILES if name != "documents.idx"
        }
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
        self._codes: dict[str, dict[str, int]] = {name: {} for name in CODED}
        self._words: Counter[str] = Counter()
        self.documents = self.rows = self._offset = 0

    def add(self, batch: Sequence[Prepared], vectors: NDArray[np.float32], uid: int) -> None:
        """Append documents, each with at least one passage, with uids from `uid` on.

        Args:
            batch: the documents.
            vectors: float32 (passages, width) in their order.
            uid: of the first document.
        """
        table: dict[str, list[Any]] = {name: [] for name in COLUMNS if name != "digest"}
        digests, places, offset, first = b"", [], self._offset, self.rows
        for number, item in enumerate(batch, self.documents):
            record = records.pack(item.data)
            self._files["documents.bin"].write(record)
            digests += records.digest(item.data)
            for column, value in self._entry(item, offset, len(record), first).items():
                table[column].append(value)
            places += [(number, *span) for span in item.spans]
            offset, first = offset + len(record), first + len(item.spans)
            self._name(number, item.document)
            self._words.update(words(item.document))
        table["uid"] = list(range(uid, uid + len(batch)))
        for name, values in table.items():
            self._parts[name].append(np.array(values, dtype=COLUMNS[name]))
        self._parts["digest"].append(np.frombuffer(digests, dtype="V16"))
        self._append(np.array(places, dtype="<u4").reshape(-1, 4), vectors.astype("<f2"))
        self.documents, self._offset = self.documents + len(batch), offset

    def copy(self, segment: Segment, live: NDArray[np.bool_]) -> None:
        """Append the live documents of an older segment, in order, without reading into them."""
        chosen = np.flatnonzero(live)
        if not len(chosen):
            return
        old = segment.columns
        for position, start, end in _runs(chosen):
            last = int(old["offset"][end - 1]) + int(old["length"][end - 1])
            self._files["documents.bin"].write(
                segment.held["documents.bin"][int(old["offset"][start]) : last]
            )
            self._rows(segment, (start, end), self.documents + position)
        lengths, counts = old["length"][chosen], old["count"][chosen]
        for name in COLUMNS:
            self._parts[name].append(self._recoded(segment, name, chosen))
        self._parts["offset"][-1] = self._offset + _before(lengths)
        self._parts["first"][-1] = (self.rows + _before(counts)).astype("<u4")
        self._names_and_words(segment, live)
        self.documents += len(chosen)
        self.rows += int(counts.sum(dtype=np.int64))
        self._offset += int(lengths.sum(dtype=np.int64))

    def finish(self, layout: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write what is left and segment.json; return what it says."""
        self._files["vocabulary.tsv"].writelines(
            f"{word}\t{count}\n".encode() for word, count in self._words.most_common(_MAX_WORDS)
        )
        with (self._folder / "documents.idx").open("wb") as stream:
            stream.writelines(np.concatenate(self._parts[name]).tobytes() for name in COLUMNS)
        self.close()
        meta = {
            "encoder": self._encoder,
            "width": self._width,
            "documents": self.documents,
            "rows": self.rows,
            "codes": {name: list(values) for name, values in self._codes.items()},
            "digests": {name: files.sha256(self._folder / name) for name in FILES},
            "layout": layout or {"kind": "flat"},
        }
        write_meta(self._folder, meta)
        return meta

    def close(self) -> None:
        """Close the files."""
        for stream in self._files.values():
            stream.close()

    def _entry(self, item: Prepared, offset: int, length: int, first: int) -> dict[str, int]:
        document = item.document
        coded = {name: self._code(name, getattr(document, name)) for name in CODED}
        return coded | {
            "offset": offset,
            "length": length,
            "first": first,
            "count": len(item.spans),
            "year": NO_YEAR if document.year is None else max(-9999, min(document.year, 9999)),
        }

    def _code(self, column: str, value: str) -> int:
        return self._codes[column].setdefault(value, len(self._codes[column]))

    def _append(self, rows: NDArray[np.uint32], vectors: NDArray[np.float16]) -> None:
        self._files["rows.bin"].write(rows.tobytes())
        self._files["vectors.f16"].write(vectors.tobytes())
        self.rows += len(rows)

    def _rows(self, segment: Segment, run: tuple[int, int], number: int) -> None:
        """Copy the rows and vectors of a run of documents, which become `number` and on."""
        columns, (start, end) = segment.columns, run
        first = int(columns["first"][start])
        last = int(columns["first"][end - 1]) + int(columns["count"][end - 1])
        for at in range(first, last, _BLOCK_ROWS):
            stop = min(at + _BLOCK_ROWS, last)
            rows = segment.rows[at:stop].astype(np.int64)
            rows[:, DOCUMENT] += number - start
            self._files["rows.bin"].write(rows.astype("<u4").tobytes())
            self._files["vectors.f16"].write(segment.vectors[at:stop].tobytes())

    def _recoded(self, segment: Segment, name: str, chosen: NDArray[np.int64]) -> NDArray[Any]:
        column = segment.columns[name][chosen]
        if name not in CODED:
            return column
        codes = [self._code(name, value) for value in segment.values(name)]
        return np.array(codes, dtype=COLUMNS[name])[column]

    def _name(self, number: int, document: Document) -> None:
        if document.kind not in PLAIN_KINDS:
            line = [number, document.id, document.title, document.kind, list(document.synonyms)]
            self._write_name(line)

    def _write_name(self, line: list[Any]) -> None:
        self._files["names.jsonl"].write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def _names_and_words(self, segment: Segment, live: NDArray[np.bool_]) -> None:
        new = self.documents + np.cumsum(live) - 1
        for number, *rest in segment.names():
            if live[number]:
                self._write_name([int(new[number]), *rest])
        self._words.update(segment.words())
        for number in np.flatnonzero(~live).tolist():
            self._words.subtract(segment.vocabulary_of(number))
        self._words += Counter()  # drops what fell to zero


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Write a segment's segment.json; its folder isn't published yet."""
    text = json.dumps(meta, indent=1, ensure_ascii=False)
    (folder / "segment.json").write_text(text, encoding="utf-8")


def _runs(chosen: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yield (position in `chosen`, first, one past the last) of each run of neighbours."""
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    starts = [0, *breaks.tolist()]
    for start, end in zip(starts, [*starts[1:], len(chosen)], strict=True):
        yield start, int(chosen[start]), int(chosen[end - 1]) + 1


def _before(sizes: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the sum of all sizes before each."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.uint64)[:-1]]).astype(np.uint64)
