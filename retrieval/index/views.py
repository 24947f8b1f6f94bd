"""An opened index as ordinary sequences: passages, vectors and documents, read when asked for.

Rows are those of all segments, one after the other, dead ones too; documents are the live ones.
Records are checked whenever they are read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from retrieval.index.lexical import NUMBER_BITS, LexicalIndex
from retrieval.index.segment import DOCUMENT, NO_YEAR, Segment
from retrieval.types import EVIDENCE, STATUSES, Document, Passage

_KEPT = 512


@dataclass(frozen=True, slots=True)
class Named:
    """A document about one subject.

    Attributes:
        id: the document's id.
        title: its title.
        synonyms: other names.
        kind: its kind, neither "" nor "article".
        rows: of its passages.
    """

    id: str
    title: str
    synonyms: tuple[str, ...]
    kind: str
    rows: range


class Table:
    """The segments of one generation, as one run of rows; also the map of the lexical places.

    Attributes:
        segments: in order.
        live: bool (documents,) of each segment.
        bases: int64 (segments + 1,): first row of each segment, and the number of rows.
    """

    def __init__(self, segments: Sequence[Segment], live: Sequence[NDArray[np.bool_]]) -> None:
        self.segments, self.live = tuple(segments), tuple(live)
        self.bases = np.cumsum([0, *(len(s) for s in segments)])
        self._firsts = np.array([int(s.columns["uid"][0]) for s in segments], dtype=np.int64)
        self._cache: OrderedDict[tuple[int, int], Document] = OrderedDict()
        self._lock = threading.Lock()
        self.live_rows = self._live_rows()

    def where(self, row: int) -> tuple[int, int]:
        """Return the segment's position and the row within it."""
        at = int(np.searchsorted(self.bases, row, side="right")) - 1
        return at, row - int(self.bases[at])

    def find(self, uid: int) -> tuple[int, int] | None:
        """Return the position of the segment and the number in it of a live document, or None."""
        at = int(np.searchsorted(self._firsts, uid, side="right")) - 1
        if at < 0:
            return None
        uids = self.segments[at].columns["uid"]
        number = int(np.searchsorted(uids, np.uint32(uid)))
        there = number < len(uids) and int(uids[number]) == uid and bool(self.live[at][number])
        return (at, number) if there else None

    def document(self, at: int, number: int) -> Document:
        """Return a document, checked; the last few hundred are kept."""
        key = (at, number)
        with self._lock:
            if (known := self._cache.get(key)) is not None:
                self._cache.move_to_end(key)
                return known
        document = self.segments[at].document(number)
        with self._lock:
            self._cache[key] = document
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return document

    def document_rows(self, at: int, number: int) -> range:
        """Return the rows of a document."""
        columns = self.segments[at].columns
        first = int(self.bases[at]) + int(columns["first"][number])
        return range(first, first + int(columns["count"][number]))

    def rows(self, places: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of each lexical place, -1 where there is none."""
        uids = (places >> np.uint64(NUMBER_BITS)).astype(np.int64)
        numbers = (places & np.uint64((1 << NUMBER_BITS) - 1)).astype(np.int64)
        at = np.searchsorted(self._firsts, uids, side="right") - 1
        found = np.full(len(places), -1, dtype=np.int64)
        for position in np.unique(at[at >= 0]).tolist():
            columns, mine = self.segments[position].columns, np.flatnonzero(at == position)
            held = columns["uid"]
            index = np.minimum(np.searchsorted(held, uids[mine].astype(np.uint32)), len(held) - 1)
            sound = held[index] == uids[mine]
            row = self.bases[position] + columns["first"][index] + numbers[mine]
            found[mine[sound]] = row[sound]
        return found

    def uids(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the uids of the rows' documents, each once."""
        parts = [np.empty(0, dtype=np.int64)]
        for at, segment in enumerate(self.segments):
            mine = rows[(rows >= self.bases[at]) & (rows < self.bases[at + 1])] - self.bases[at]
            documents = np.unique(segment.rows[mine, DOCUMENT])
            parts.append(segment.columns["uid"][documents].astype(np.int64))
        return np.concatenate(parts)

    def _live_rows(self) -> NDArray[np.bool_] | None:
        """Return bool (rows,) of the live rows, or None where all live."""
        if all(bool(live.all()) for live in self.live):
            return None
        return self.spread(self.live)

    def spread(self, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return bool (rows,) from what each segment's documents, (documents,), say."""
        parts = [np.empty(0, dtype=np.bool_)]
        for mask, segment in zip(masks, self.segments, strict=True):
            parts.append(np.repeat(mask, segment.columns["count"]))
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Columns:
    """Facts of every row, for ranking.

    Attributes:
        document: int32 (rows,): the same number for the rows of one document.
        year: int16 (rows,), 0 where unknown.
        evidence: uint8 (rows,): 1 + position in `types.EVIDENCE`, 0 for none.
        status: uint8 (rows,): 1 + position in `types.STATUSES`, 0 for none.
    """

    document: NDArray[np.int32]
    year: NDArray[np.int16]
    evidence: NDArray[np.uint8]
    status: NDArray[np.uint8]

    @classmethod
    def of(cls, table: Table) -> Columns:
        """Spread the documents' columns over their rows."""
        parts: dict[str, list[NDArray[Any]]] = {"year": [], "evidence": [], "status": []}
        counts = [np.empty(0, dtype=np.uint32)]
        for segment in table.segments:
            counts.append(segment.columns["count"])
            year = segment.columns["year"]
            parts["year"].append(np.where(year == NO_YEAR, 0, year).astype(np.int16))
            for name, order in (("evidence", EVIDENCE), ("status", STATUSES)):
                values = segment.values(name)
                codes = [1 + order.index(v) if v in order else 0 for v in values]
                parts[name].append(np.array(codes, dtype=np.uint8)[segment.columns[name]])
        every = np.concatenate(counts)
        number = np.repeat(np.arange(len(every), dtype=np.int32), every)
        spread = {n: np.repeat(_joined(p), every) for n, p in parts.items()}
        return cls(number, spread["year"], spread["evidence"], spread["status"])


class Passages(Sequence[Passage]):
    """The passages by row, each read and checked when asked for."""

    def __init__(self, table: Table, collection: str) -> None:
        self._table, self._collection = table, collection

    def __len__(self) -> int:
        return int(self._table.bases[-1])

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        if isinstance(row, slice):
            return [self[r] for r in range(*row.indices(len(self)))]
        row = int(row)
        row += len(self) if row < 0 else 0
        if not 0 <= row < len(self):
            raise IndexError(row)
        at, local = self._table.where(row)
        segment = self._table.segments[at]
        document = self._table.document(at, int(segment.rows[local, DOCUMENT]))
        return segment.passage(local, document, self._collection)


class Vectors:
    """The vectors by row, float32 when read: a row (width,), or a list or slice (n, width)."""

    dtype = np.dtype(np.float32)

    def __init__(self, table: Table, width: int) -> None:
        self._table = table
        self.shape = (int(table.bases[-1]), width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        chosen = np.asarray(rows)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        single, chosen = chosen.ndim == 0, np.atleast_1d(chosen).astype(np.int64)
        chosen = np.where(chosen < 0, chosen + len(self), chosen)
        if len(chosen) and not (int(chosen.min()) >= 0 and int(chosen.max()) < len(self)):
            raise IndexError(rows)
        found = np.empty((len(chosen), self.shape[1]), dtype=np.float32)
        at = np.searchsorted(self._table.bases, chosen, side="right") - 1
        for position in np.unique(at).tolist():
            mine = at == position
            local = chosen[mine] - self._table.bases[position]
            found[mine] = self._table.segments[position].vectors[local]
        return found[0] if single else found

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self), 4096):
            yield from self[start : start + 4096]

    def __matmul__(self, other: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the product with a vector (width,) or a matrix (width, n), block by block."""
        blocks = [self[at : at + 4096] @ other for at in range(0, len(self), 4096)]
        return np.concatenate(blocks) if blocks else self[:] @ other

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32)


class Documents:
    """The live documents of an index."""

    def __init__(self, table: Table, lexical: LexicalIndex) -> None:
        self._table, self._lexical = table, lexical

    def __len__(self) -> int:
        return sum(int(np.count_nonzero(live)) for live in self._table.live)

    def __contains__(self, identity: object) -> bool:
        return isinstance(identity, str) and self.locate(identity) is not None

    def __iter__(self) -> Iterator[Document]:
        for at, live in enumerate(self._table.live):
            for number in np.flatnonzero(live).tolist():
                yield self._table.segments[at].document(number)

    def ids(self) -> Iterator[str]:
        """Yield the ids in index order."""
        for document in self:
            yield document.id

    def get(self, identity: str) -> Document | None:
        """Return a document by its id, as it was put in, or None."""
        place = self.locate(identity)
        return self._table.document(*place) if place else None

    def rows(self, identity: str) -> list[int]:
        """Return the rows of a document's passages in order; none where it isn't held."""
        place = self.locate(identity)
        return list(self._table.document_rows(*place)) if place else []

    def find(self, identifier: str) -> str | None:
        """Return the id of the document with an identifier: pmid:1, doi:…, content:<sha256>."""
        found = self._lexical.place(identifier, "key")
        place = self._table.find(found >> NUMBER_BITS) if found is not None else None
        return self._table.document(*place).id if place else None

    def locate(self, identity: str) -> tuple[int, int] | None:
        """Return the position of the segment and the number in it of a document, or None."""
        found = self._lexical.place(identity)
        return self._table.find(found >> NUMBER_BITS) if found is not None else None


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint8)
