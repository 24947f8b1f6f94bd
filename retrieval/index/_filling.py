"""Fills a LangChain `VectorStore` from an index and keeps it in step.

A document is known by the digest of its record, so that what changed is sent under new ids and what
is gone is deleted; vectors are taken from the index, not made again. Knows nothing of searching.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.index._ledger import Ledger

if TYPE_CHECKING:
    from langchain_core.vectorstores import VectorStore

    from retrieval.encoder import Encoder
    from retrieval.index.store import Index

BATCH = 256  # documents sent to the store at a time
_SPACE = uuid.UUID("6a1f3f0e-5a0e-4c5e-9f0b-2d1a7c1f8e55")


@dataclass(frozen=True, slots=True)
class Synced:
    """What a synchronisation did, in passages."""

    added: int
    removed: int
    kept: int


class Known:
    """Vectors of the index for texts that are on their way into the store."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.vectors: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the vectors of texts, taken from the index where it has them."""
        missing = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        fresh = dict(zip(missing, self.encoder.embed(missing), strict=True)) if missing else {}
        return [(fresh[t] if t in fresh else self.vectors[t]).tolist() for t in texts]

    def embeddings(self) -> Any:
        """Return the face of this that LangChain knows."""
        from langchain_core.embeddings import Embeddings

        known = self

        class IndexEmbeddings(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return known.embed(texts)

            def embed_query(self, text: str) -> list[float]:
                return [float(x) for x in known.encoder.embed_queries([text])[0]]

        return IndexEmbeddings()


def synced(index: Index, store: VectorStore, ledger: Ledger, known: Known) -> Synced:
    """Give a store what it lacks of an index and delete what the index no longer holds."""
    places = dict(_places(index))
    held = ledger.read(known.encoder.identity)
    if held and not _answers(index, store, places, held):
        ledger.clear()
        held = {}
    gone = [(key, count) for key, count in held.items() if key not in places]
    removed = 0
    for at in range(0, len(gone), BATCH):
        part = gone[at : at + BATCH]
        ids = [name for key, count in part for name in _ids(key, count)]
        if ids:
            store.delete(ids)
        ledger.drop([key for key, _ in part])
        removed += len(ids)
    new = [key for key in places if key not in held]
    added = 0
    for at in range(0, len(new), BATCH):
        added += _add(index, store, ledger, known, {k: places[k] for k in new[at : at + BATCH]})
    return Synced(added, removed, sum(held.values()) - removed)


def _add(
    index: Index, store: VectorStore, ledger: Ledger, known: Known,
    places: dict[str, tuple[int, int]],
) -> int:  # fmt: skip
    """Send a batch of documents, and note it once the store has it."""
    from langchain_core.documents import Document as StoredDocument

    from retrieval.index.store import embedded_text

    items, ids, counts = [], [], {}
    known.vectors = {}
    for key, place in places.items():
        rows = index.table.document_rows(*place)
        counts[key] = len(rows)
        for number, (row, vector) in enumerate(zip(rows, index.vectors[list(rows)], strict=True)):
            passage = index.passages[row]
            text = embedded_text(passage)
            known.vectors[text] = vector
            told = {
                "passage": passage.id, "document": passage.document, "number": number,
                "digest": key, "title": passage.title, "section": passage.section,
                "source": passage.source, "year": passage.year, "status": passage.status,
            }  # fmt: skip
            items.append(StoredDocument(page_content=text, metadata=told))
        ids += _ids(key, len(rows))
    try:
        if items:
            store.add_documents(items, ids=ids)
    finally:
        known.vectors = {}
    ledger.add(counts)
    return len(items)


def _answers(
    index: Index, store: VectorStore, places: dict[str, tuple[int, int]], held: dict[str, int]
) -> bool:
    """Whether the store still has what it was given: some of it is looked for."""
    sample = [key for key in held if key in places and held[key]][:3]
    for key in sample:
        row = index.table.document_rows(*places[key])[0]
        found = store.similarity_search_by_vector(index.vectors[row].tolist(), k=10)
        if any(item.metadata.get("digest") == key for item in found):
            return True
    return not sample


def _places(index: Index) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the digest of each live document with its place."""
    for at, live in enumerate(index.live):
        for number in np.flatnonzero(live).tolist():
            yield digest(index, at, number), (at, number)


def digest(index: Index, at: int, number: int) -> str:
    """Return the digest of a document's record, in hexadecimal."""
    return str(index.segments[at].columns["digest"][number].tobytes().hex())


def _ids(key: str, count: int) -> list[str]:
    return [str(uuid.uuid5(_SPACE, f"{key}#{number}")) for number in range(count)]
