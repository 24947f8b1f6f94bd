"""Looks an index over from end to end: digests, records, rows, words, lists and their agreement.

For operators and tests; a search checks what it reads anyway. Takes no lock: it looks at the
published generation, which never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from retrieval import chunking
from retrieval.errors import IndexError_
from retrieval.index import generations
from retrieval.index.segment import DOCUMENT, Segment
from retrieval.index.store import Index
from retrieval.types import Document

_BLOCK = 65_536
_TRIES = 5
_NORM = 0.01  # how far a stored vector's length may lie from 1


def verify(folder: Path) -> list[str]:
    """Return everything that is wrong with the index in a folder; nothing if it is sound."""
    for _ in range(_TRIES):
        before = _pointer(folder)
        found = _verify(folder)
        if not found or _pointer(folder) == before:
            return found
        # Newer generations were published meanwhile, and the one that was looked at removed.
    return [f"The index in {folder} changes faster than it can be looked over: try again."]


def _pointer(folder: Path) -> bytes:
    with suppress(OSError):
        return (folder / "CURRENT").read_bytes()
    return b""


def _verify(folder: Path) -> list[str]:
    try:
        name, digest = generations.published(folder)
        manifest = generations.read_manifest(folder / name, digest)
        wrong = generations.check(folder / name, manifest["digests"])
        found = [f"{path} is not what its digest says" for path in wrong]
        found += [f"{path} is not in the manifest" for path in _unlisted(folder / name, manifest)]
        if found:
            return found
        index = Index.open(folder, None, verify=False)
        return [*_counts(index), *_documents(index), *_vectors(index)]
    except (IndexError_, OSError) as error:
        return [str(error)]


def _unlisted(generation: Path, manifest: dict[str, dict[str, str]]) -> list[str]:
    there = (p for p in generation.rglob("*") if p.is_file() and p.suffix != ".lock")
    names = {str(p.relative_to(generation)) for p in there} - {"manifest.json"}
    return sorted(names - manifest["digests"].keys())


def _counts(index: Index) -> Iterator[str]:
    documents, rows = len(index.documents), _live_rows(index)
    if documents != index.manifest["documents"]:
        yield f"{documents} documents live, the manifest says {index.manifest['documents']}"
    if rows != index.manifest["passages"]:
        yield f"{rows} passages live, the manifest says {index.manifest['passages']}"
    if rows != len(index.lexical):
        yield f"{rows} passages live, the words know {len(index.lexical)}"


def _live_rows(index: Index) -> int:
    live = index.table.live_rows
    return len(index.passages) if live is None else int(np.count_nonzero(live))


def _documents(index: Index) -> Iterator[str]:
    seen: set[str] = set()
    last = 0
    for at, segment in enumerate(index.segments):
        yield from _table(segment, last)
        last = int(segment.columns["uid"][-1])
        for number in range(segment.documents):
            try:
                document = segment.document(number)
            except IndexError_ as error:
                yield str(error)
                continue
            yield from _spans(segment, number, document)
            if index.live[at][number]:
                if document.id in seen:
                    yield f"the document {document.id!r} is there twice"
                seen.add(document.id)
                if index.documents.locate(document.id) != (at, number):
                    yield f"the words don't find the document {document.id!r}"
                uid, count = int(segment.columns["uid"][number]), segment.columns["count"][number]
                if index.lexical.uid_rows(uid) != count:
                    yield f"the words hold another number of passages of {document.id!r}"


def _table(segment: Segment, last_uid: int) -> Iterator[str]:
    """Check that rows and documents of a segment name each other, in order."""
    first, count = segment.columns["first"], segment.columns["count"].astype(np.int64)
    uids = segment.columns["uid"].astype(np.int64)
    owner = np.repeat(np.arange(segment.documents), count)
    if not np.array_equal(first, np.cumsum(count) - count) or int(count.sum()) != len(segment):
        yield f"the rows of {segment.name} don't follow its documents"
    elif not np.array_equal(segment.rows[:, DOCUMENT], owner):
        yield f"rows of {segment.name} name other documents than their own"
    if int(uids[0]) <= last_uid or bool((np.diff(uids) <= 0).any()):
        yield f"the numbers of the documents in {segment.name} don't ascend"


def _spans(segment: Segment, number: int, document: Document) -> Iterator[str]:
    first, count = (int(segment.columns[name][number]) for name in ("first", "count"))
    stored = [tuple(int(v) for v in row[1:]) for row in segment.rows[first : first + count]]
    sections = document.sections
    for part, start, length in stored:
        if part >= len(sections) or start + length > len(sections[part].text) or not length:
            yield f"a passage of {document.id!r} lies outside its text"
            return
    if not count or not any(chunking.spans(document)):
        yield f"the document {document.id!r} has no passage"


def _vectors(index: Index) -> Iterator[str]:
    for segment in index.segments:
        for at in range(0, len(segment), _BLOCK):
            block = segment.vectors[at : at + _BLOCK].astype(np.float32)
            lengths = np.linalg.norm(block, axis=1)
            if not np.isfinite(lengths).all() or bool((np.abs(lengths - 1) > _NORM).any()):
                yield f"vectors of {segment.name} aren't of unit length"
                break
