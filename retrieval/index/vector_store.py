"""Any LangChain `VectorStore` in the place of the index's own dense search.

The store is filled from the index (vectors and all) and follows it: what is gone there is deleted
here. It only proposes candidates; filters, tombstones and scores are the index's, so a store that
is behind, or holds other things too, can't bring up what the index doesn't hold. Each collection
has a store of its own. Knows nothing of queries or ranking.

The setting is `langchain:<module>:<factory>`, and the factory is called as
`factory(embedding, collection) -> VectorStore`, where `embedding` is a LangChain `Embeddings` and
`collection` a name of letters, digits and hyphens that no other collection has. The store should
compare by cosine or inner product; ids are UUIDs, as some servers take no others.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import AuscultError, ConfigError, IndexError_
from retrieval.index._filling import Known, Synced, digest, synced
from retrieval.index._ledger import Ledger

if TYPE_CHECKING:
    from langchain_core.documents import Document as StoredDocument
    from langchain_core.vectorstores import VectorStore

    from retrieval.encoder import Encoder
    from retrieval.index.store import Index

PREFIX = "langchain:"
FEW_ROWS = 2_000  # so few allowed rows are scored one by one
MAX_FETCHED = 4_096
_BLOCK = 16_384

Factory = Callable[[Any, str], "VectorStore"]
Mask = NDArray[np.bool_]


class DenseSearch(Protocol):
    """Searches the vectors of one index; an `Index` is one itself."""

    def dense(
        self, query: NDArray[np.float32], k: int, allowed: Mask | None = None
    ) -> list[tuple[int, float]]:
        """Return up to `k` (row, cosine), best first.

        Args:
            query: unit vector, float32 (width,).
            k: rows wanted.
            allowed: bool (rows,) of the rows that may be found; None for all that live.
        """
        ...


class VectorStores:
    """The stores of all collections; call it with an index to have its dense search.

    A store is made at a collection's first search and brought up to date whenever another
    generation of its index is searched.
    """

    def __init__(self, factory: Factory, encoder: Encoder, folder: Path | None = None) -> None:
        """Remember how stores are made.

        Args:
            factory: makes the store of a collection.
            encoder: made the indexes.
            folder: where it is kept what each store holds; None for stores that live as long as
                this process.
        """
        self._factory, self._encoder, self._folder = factory, encoder, folder
        self._lock = threading.Lock()
        self._stores: dict[str, tuple[VectorStore, Ledger, Known]] = {}
        self._made: dict[str, tuple[str, VectorStoreDense]] = {}

    def __call__(self, index: Index) -> VectorStoreDense:
        """Return the dense search of an index, its store brought up to date first.

        Raises:
            ConfigError: if the factory makes no store.
            IndexError_: if the store fails.
        """
        name = collection(index)
        with self._lock:
            made = self._made.get(name)
            if made is None or made[0] != index.generation:
                self._sync(index)
                made = (index.generation, VectorStoreDense(index, self._stores[name][0]))
                self._made[name] = made
            elif made[1].index is not index:
                made = (index.generation, VectorStoreDense(index, self._stores[name][0]))
            return made[1]

    def sync(self, index: Index) -> Synced:
        """Bring the store of an index up to date.

        Raises:
            ConfigError: if the factory makes no store.
            IndexError_: if the store fails.
        """
        with self._lock:
            return self._sync(index)

    def _sync(self, index: Index) -> Synced:
        name = collection(index)
        if name not in self._stores:
            known = Known(self._encoder)
            path = self._folder / f"{name}.sqlite" if self._folder is not None else None
            self._stores[name] = (_made(self._factory, known, name), Ledger(path), known)
        store, ledger, known = self._stores[name]
        with _named(store):
            return synced(index, store, ledger, known)


class VectorStoreDense:
    """The dense search of one generation of an index, by a store.

    Attributes:
        index: says what may be found and scores it.
        store: proposes.
    """

    def __init__(self, index: Index, store: VectorStore) -> None:
        """Take an index and the store that was filled from it."""
        self.index, self.store = index, store

    def dense(
        self, query: NDArray[np.float32], k: int, allowed: Mask | None = None
    ) -> list[tuple[int, float]]:
        """Return up to `k` (row, exact cosine), best first; see `DenseSearch`.

        Raises:
            IndexError_: if the store fails.
        """
        mask = self.index.allowed(None)
        if allowed is not None:
            mask = allowed if mask is None else mask & allowed
        count = len(self.index.passages) if mask is None else int(np.count_nonzero(mask))
        if k < 1 or not count:
            return []
        if mask is not None and count <= FEW_ROWS:
            return self._best(np.flatnonzero(mask), query, k)
        wanted = min(k, count)
        fetched = wanted
        while True:
            rows, more = self._proposed(query, fetched, mask)
            if len(rows) >= wanted or not more or fetched >= MAX_FETCHED:
                break
            fetched = min(4 * fetched, MAX_FETCHED)
        if len(rows) < wanted and mask is not None:
            rows = np.flatnonzero(mask)  # the filter has left too few of what the store proposes
        return self._best(rows, query, k)

    def _proposed(
        self, query: NDArray[np.float32], count: int, mask: Mask | None
    ) -> tuple[NDArray[np.int64], bool]:
        """Return allowed rows, and whether the store may have more to propose."""
        with _named(self.store):
            found = self.store.similarity_search_by_vector(query.tolist(), k=count)
        rows = {row for item in found if (row := self._row(item)) is not None}
        if mask is not None:
            rows = {row for row in rows if mask[row]}
        return np.array(sorted(rows), dtype=np.int64), len(found) >= count

    def _row(self, item: StoredDocument) -> int | None:
        """Return the row of what the store found, or None where the index holds it no more."""
        told = item.metadata
        document, number = told.get("document"), told.get("number")
        if not isinstance(document, str) or not isinstance(number, int):
            return None
        place = self.index.documents.locate(document)
        if place is None or digest(self.index, *place) != told.get("digest"):
            return None
        rows = self.index.table.document_rows(*place)
        return rows[number] if 0 <= number < len(rows) else None

    def _best(
        self, rows: NDArray[np.int64], query: NDArray[np.float32], k: int
    ) -> list[tuple[int, float]]:
        best: list[tuple[int, float]] = []
        for at in range(0, len(rows), _BLOCK):
            block = rows[at : at + _BLOCK]
            scores = (self.index.vectors[block] @ query).tolist()
            best += zip(block.tolist(), scores, strict=True)
            best = sorted(best, key=lambda pair: (-pair[1], pair[0]))[:k]
        return best


def stores(spec: str, encoder: Encoder, folder: Path | None = None) -> VectorStores | None:
    """Return the stand-in that a setting asks for, or None for the index's own search.

    Args:
        spec: "faiss" or "langchain:<module>:<factory>".
        encoder: made the indexes.
        folder: where it is kept what each store holds; None for stores in this process's memory.

    Raises:
        ConfigError: if the setting names no factory.
    """
    if spec == "faiss":
        return None
    module_name, _, name = spec.removeprefix(PREFIX).partition(":")
    if not spec.startswith(PREFIX) or not module_name or not name.isidentifier():
        raise ConfigError(
            f"Setting 'vectors' is {spec!r}: write faiss, or langchain:<module>:<factory>."
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # an import runs the module, which may raise anything
        raise ConfigError(
            f"The module {module_name!r} of setting 'vectors' can't be imported "
            f"({type(error).__name__}: {error}): install it, or set vectors to faiss."
        ) from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ConfigError(
            f"There is no function {name!r} in the module {module_name!r} of setting 'vectors': "
            "name one that takes (embedding, collection) and returns a VectorStore."
        )
    return VectorStores(factory, encoder, folder)


def collection(index: Index) -> str:
    """Return the name of an index's collection for a store: letters, digits and hyphens."""
    slug = re.sub(r"[^a-z0-9]+", "-", index.name.lower()).strip("-")[:40] or "common"
    key = json.dumps([index.owner, index.name])
    return f"auscult-{slug}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _made(factory: Factory, known: Known, name: str) -> VectorStore:
    from langchain_core.vectorstores import VectorStore

    try:
        store = factory(known.embeddings(), name)
    except Exception as error:  # others' code raises what it likes
        raise ConfigError(
            f"The factory of setting 'vectors' failed ({type(error).__name__}: {error}): mend it, "
            "or set vectors to faiss."
        ) from error
    if not isinstance(store, VectorStore):
        raise ConfigError(
            f"The factory of setting 'vectors' returned a {type(store).__name__}, not a LangChain "
            "VectorStore: mend it, or set vectors to faiss."
        )
    return store


@contextmanager
def _named(store: VectorStore) -> Iterator[None]:
    """Turn what a store raises into one sentence."""
    try:
        yield
    except AuscultError:
        raise
    except Exception as error:  # others' code raises what it likes
        raise IndexError_(
            f"The vector store {type(store).__name__} failed ({type(error).__name__}): see that "
            "its server runs, or set vectors to faiss."
        ) from error
