"""Saves what can be saved of a damaged index, or of one that another encoder made.

Every record whose own digest holds is taken, from the table of offsets where that is sound and
else by reading documents.bin from end to end. Vectors are taken over where their file is whole and
the encoder the same. The damaged generation serves as the source until the new one is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import chunking
from retrieval.errors import IndexError_
from retrieval.index import generations, records
from retrieval.index.segment import Segment
from retrieval.index.store import Encoder, Progress, embedded_text
from retrieval.index.writer import LOCK_TIMEOUT_S, Writer
from retrieval.types import Document


@dataclass(frozen=True)
class Salvage:
    """What a rebuild did.

    Attributes:
        documents: documents in the new index.
        passages: their passages.
        embedded: passages that had to be embedded again.
        lost: one sentence for each thing that couldn't be saved.
    """

    documents: int
    passages: int
    embedded: int
    lost: tuple[str, ...]


@dataclass
class _Found:
    """What a damaged generation still gives."""

    documents: dict[str, Document] = field(default_factory=dict)
    vectors: dict[str, NDArray[np.float16]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


def rebuild(folder: Path, encoder: Encoder, progress: Progress | None = None) -> Salvage:
    """Publish an index of everything that can be saved from the one in a folder.

    Args:
        folder: the index folder.
        encoder: makes the vectors that can't be taken over.
        progress: called with (passages embedded, passages to embed).

    Raises:
        IndexError_: if there is nothing to save, or the folder can't be written.
    """
    with Writer(folder, encoder, fresh=True, timeout_s=LOCK_TIMEOUT_S) as writer:
        found = _find(folder, encoder)
        if not found.documents:
            raise IndexError_(
                f"Nothing can be saved from the index in {folder}: ingest the documents again."
            )
        documents = list(found.documents.values())
        vectors, embedded = _vectors(documents, found.vectors, encoder, progress)
        kept = ("name", "owner")
        fields: dict[str, Any] = {n: found.manifest[n] for n in kept if n in found.manifest}
        index = writer.restore(documents, vectors, fields)
    return Salvage(len(documents), index.manifest["passages"], embedded, tuple(found.lost))


def _find(folder: Path, encoder: Encoder) -> _Found:
    found = _Found()
    generation = _newest(folder, found)
    if generation is None:
        return found
    manifest = found.manifest
    wrong = set(generations.check(generation, manifest.get("digests", {})))
    entries = {entry["name"]: entry for entry in manifest.get("segments", ())}
    names = list(entries) or sorted(p.parent.name for p in generation.glob("s*/documents.bin"))
    for name in names:
        part = _Part(generation, name, wrong, entries.get(name, {}))
        vectors = manifest.get("encoder") == encoder.identity and f"{name}/vectors.f16" not in wrong
        _take(part, found, vectors)
    return found


@dataclass(frozen=True)
class _Part:
    """A segment of a damaged generation.

    Attributes:
        generation: its folder.
        name: the segment's.
        wrong: files of the generation whose digest doesn't hold.
        entry: what the manifest says of it.
    """

    generation: Path
    name: str
    wrong: set[str]
    entry: dict[str, Any]

    def sound(self, *names: str) -> bool:
        """Whether files of the segment are what their digests say."""
        return not {f"{self.name}/{name}" for name in names} & self.wrong


def _newest(folder: Path, found: _Found) -> Path | None:
    """Return the generation to save from: the published one, else the newest there is."""
    folders = sorted(
        (p for p in folder.glob("g*") if p.is_dir() and (p / "lexical").is_dir()),
        key=lambda p: p.name,
    )
    with suppress(IndexError_):
        name, digest = generations.published(folder)
        with suppress(IndexError_):
            found.manifest = generations.read_manifest(folder / name, digest)
            return folder / name
    for generation in reversed(folders):
        with suppress(IndexError_):
            found.manifest = generations.read_manifest(generation)
            found.lost.append(f"CURRENT was damaged: the newest whole generation was taken "
                              f"({generation.name}).")  # fmt: skip
            return generation
    if folders:
        found.lost.append("The manifest was damaged: vectors, and what was removed, are unknown.")
        return folders[-1]
    return None


def _take(part: _Part, found: _Found, with_vectors: bool) -> None:
    """Add a segment's documents to what was found; later ones replace earlier ones."""
    try:
        if not part.entry or not part.sound("documents.idx", "rows.bin", "segment.json"):
            raise ValueError("the tables are damaged")
        segment = Segment.open(part.generation / part.name)
        live = _live(part, segment, found)
    except (OSError, ValueError, KeyError, TypeError):
        _scan(part, found)
        return
    for number in np.flatnonzero(live).tolist():
        try:
            document = segment.document(number)
        except IndexError_:
            found.lost.append(f"Document number {number} of {part.name} was damaged.")
            continue
        found.documents[document.id] = document
        found.vectors.pop(document.id, None)
        if with_vectors:
            first, count = (int(segment.columns[n][number]) for n in ("first", "count"))
            found.vectors[document.id] = segment.vectors[first : first + count]


def _live(part: _Part, segment: Segment, found: _Found) -> NDArray[np.bool_]:
    if not part.entry["dead"]:
        return np.ones(segment.documents, dtype=np.bool_)
    try:
        path = part.generation / f"live-{part.name}.bin"
        return generations.read_live(path, segment.documents)
    except (OSError, ValueError):
        found.lost.append(f"What was removed from {part.name} is unknown: it may be back.")
        return np.ones(segment.documents, dtype=np.bool_)


def _scan(part: _Part, found: _Found) -> None:
    """Read a segment's records from end to end, without its tables."""
    found.lost.append(
        f"The tables of {part.name} were damaged: its records were read one by one, and what was "
        "removed from it may be back."
    )
    with suppress(OSError):
        for document in _records(part.generation / part.name / "documents.bin"):
            found.documents[document.id] = document
            found.vectors.pop(document.id, None)


def _records(path: Path) -> Iterator[Document]:
    for _, data in records.scan(path.read_bytes()):
        with suppress(ValueError, KeyError, TypeError):
            yield records.decode(data)


def _vectors(
    documents: list[Document],
    known: dict[str, NDArray[np.float16]],
    encoder: Encoder,
    progress: Progress | None,
) -> tuple[NDArray[np.float32], int]:
    """Return the vectors of all passages, and how many had to be made."""
    passages = [list(chunking.passages([document])) for document in documents]
    counts = np.array([len(p) for p in passages], dtype=np.int64)
    vectors = np.zeros((int(counts.sum()), encoder.width), dtype=np.float32)
    starts = np.cumsum(counts) - counts
    rows: list[int] = []
    texts: list[str] = []
    for document, own, start in zip(documents, passages, starts.tolist(), strict=True):
        old = known.get(document.id)
        if old is not None and old.shape == (len(own), encoder.width):
            vectors[start : start + len(own)] = old
        else:
            rows += range(start, start + len(own))
            texts += [embedded_text(passage) for passage in own]
    if texts:
        vectors[rows] = encoder.embed(texts, progress=progress)
    return vectors, len(texts)
