"""One immutable segment: documents, their passages' places, and vectors, memory-mapped.

    documents.bin    the records, one after the other
    documents.idx    columns over the documents: place, digest, rows, year, codes
    rows.bin         document, section, start and length of each passage, uint32 (rows, 4)
    vectors.f16      unit vectors, float16 (rows, width)
    names.jsonl      documents that are about one subject
    vocabulary.tsv   words and how often they occur
    segment.json     counts, code tables, layout, digests of the other files
    ivf.faiss        inverted lists for approximate search, in large segments

Every document has a number of its own (`uid`) that ascends over all segments of an index and is
never given twice. The lexical index knows passages by uid and number within the document, so that
merging segments leaves it alone. A segment doesn't know which of its documents still live.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import chunking
from retrieval.errors import IndexError_
from retrieval.index import records
from retrieval.types import Document, Passage

COLUMNS = {
    "offset": np.dtype("<u8"), "digest": np.dtype("V16"), "uid": np.dtype("<u4"),
    "length": np.dtype("<u4"), "first": np.dtype("<u4"), "count": np.dtype("<u4"),
    "source": np.dtype("<u4"), "year": np.dtype("<i2"), "kind": np.dtype("<u2"),
    "evidence": np.dtype("<u2"), "language": np.dtype("<u2"), "status": np.dtype("<u2"),
}  # fmt: skip
CODED = ("kind", "evidence", "source", "language", "status")
NO_YEAR = -32768
DOCUMENT, SECTION, START, LENGTH = range(4)
FILES = (
    "documents.bin", "documents.idx", "rows.bin", "vectors.f16", "names.jsonl",
    "vocabulary.tsv",
)  # fmt: skip

_WORD = re.compile(r"[a-z]{4,}")
_HELD = ("documents.bin", "names.jsonl", "vocabulary.tsv")


@dataclass(frozen=True, eq=False)
class Segment:
    """An opened segment; immutable, shared by threads.

    Attributes:
        name: its folder's name.
        folder: where it was opened.
        meta: what segment.json says.
        digest: SHA-256 of segment.json, which holds those of the other files.
        columns: by name as in `COLUMNS`, each (documents,).
        rows: uint32 (rows, 4): document, section, start, length.
        vectors: float16 (rows, width).
        held: the bytes of documents.bin, names.jsonl and vocabulary.tsv.
        cache: what searching loads (retrieval.index.dense).
    """

    name: str
    folder: Path
    meta: Mapping[str, Any]
    digest: str
    columns: Mapping[str, NDArray[Any]]
    rows: NDArray[np.uint32]
    vectors: NDArray[np.float16]
    held: Mapping[str, mmap.mmap | bytes]
    cache: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Segment:
        """Map a segment's files; their digests are the caller's to check.

        Raises:
            OSError: if a file is missing.
            ValueError: if sizes and counts don't fit.
        """
        told = (folder / "segment.json").read_bytes()
        meta = json.loads(told)
        documents, rows, width = meta["documents"], meta["rows"], meta["width"]
        columns, at = {}, 0
        idx = np.asarray(np.memmap(folder / "documents.idx", dtype=np.uint8, mode="r"))
        for name, dtype in COLUMNS.items():
            end = at + documents * dtype.itemsize
            columns[name] = idx[at:end].view(dtype)
            at = end
        return cls(
            name=folder.name,
            folder=folder,
            meta=meta,
            digest=hashlib.sha256(told).hexdigest(),
            columns=columns,
            rows=_mapped(folder / "rows.bin", "<u4", (rows, 4)),
            vectors=_mapped(folder / "vectors.f16", "<f2", (rows, width)),
            # Mapped now: a later generation may remove the files.
            held={name: _held(folder / name) for name in FILES if name in _HELD},
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def documents(self) -> int:
        """Number of documents, dead ones too."""
        return int(self.meta["documents"])

    def record(self, document: int) -> bytes:
        """Return the JSON of a document, checked.

        Raises:
            IndexError_: if it is damaged.
        """
        at, size = int(self.columns["offset"][document]), int(self.columns["length"][document])
        expected = self.columns["digest"][document].tobytes()
        try:
            return records.unpack(self.held["documents.bin"][at : at + size], expected)
        except records.DamagedRecordError as error:
            raise damaged(
                self.folder.parent.parent, f"a record of {self.name}/documents.bin: {error}"
            ) from error

    def document(self, number: int) -> Document:
        """Return a document by its number in the segment, checked."""
        return records.decode(self.record(number))

    def passage(self, row: int, document: Document, collection: str) -> Passage:
        """Return the passage at a row of the segment, cut out of its document."""
        owner, part, start, length = (int(v) for v in self.rows[row])
        number = row - int(self.columns["first"][owner])
        return chunking.cut(document, number, (part, start, length), collection)

    def values(self, column: str) -> list[str]:
        """Return the texts that a coded column's codes stand for."""
        return list(self.meta["codes"][column])

    def names(self) -> Iterator[list[Any]]:
        """Yield [document, id, title, kind, synonyms] of documents about one subject."""
        for line in bytes(self.held["names.jsonl"]).splitlines():
            yield json.loads(line)

    def words(self) -> dict[str, int]:
        """Return the segment's vocabulary with how often each word occurs."""
        text = bytes(self.held["vocabulary.tsv"]).decode("ascii")
        return {word: int(count) for word, count in (li.split("\t") for li in text.splitlines())}

    def vocabulary_of(self, number: int) -> list[str]:
        """Return what a document counts in the vocabulary."""
        return words(self.document(number))


def words(document: Document) -> list[str]:
    """Return the lower-case ASCII words of four letters or more in a document."""
    text = "\n".join([document.title, *(f"{s.title}\n{s.text}" for s in document.sections)])
    return _WORD.findall(text.lower())


def damaged(folder: Path, what: str) -> IndexError_:
    """Return the error for an index that is not what its digests say."""
    return IndexError_(
        f"The index in {folder} is damaged ({what}): run 'auscult ingest --rebuild'."
    )


def _held(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as stream:
        if not path.stat().st_size:
            return b""  # an empty file can't be mapped
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if path.stat().st_size != np.dtype(dtype).itemsize * int(np.prod(shape)):
        raise ValueError(f"{path.name} has another size than its rows need")
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=shape))
