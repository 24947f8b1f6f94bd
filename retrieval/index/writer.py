"""Changes an index: documents are added, replaced and removed in atomic generations.

What `Writer.commit` returned for is on the disk and survives whatever comes after; what it didn't
return for is there as a whole or not at all. A commit writes one small segment, tombstones and the
changed words, and links everything else, so that its cost doesn't grow with the index. Small
segments are merged in tiers afterwards, bytewise, as another generation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from retrieval.errors import IndexError_
from retrieval.index import analysis, building, dense, generations
from retrieval.index.building import Prepared
from retrieval.index.publishing import Kept, Plan, publish, run_to_merge, writing
from retrieval.index.store import Encoder, Index, Progress, embedded_text
from retrieval.types import Document

LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did, in documents; `passages` counts those that were written.

    Attributes:
        added: new ones.
        updated: those whose id was there with other content.
        unchanged: those that were there with the same content.
        removed: those that were there and went.
        empty: ids of those that hold no text; they are not kept, and an older one stays.
        passages: passages written.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    empty: tuple[str, ...] = ()
    passages: int = 0


class Writer:
    """Changes one index folder; a context manager that holds the folder's lock.

    Args:
        folder: the index folder; made if absent.
        encoder: makes the vectors.
        name: the collection's name, for a new folder.
        owner: whose collection it is, for a new folder.
        timeout_s: how long to wait for another writer; -1 waits for ever.
        fresh: go on where the index can't be opened, as if there were none.
        verify: check every digest of what is there first.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        *,
        name: str = "",
        owner: str = "",
        timeout_s: float = LOCK_TIMEOUT_S,
        fresh: bool = False,
        verify: bool = True,
    ) -> None:
        self.folder, self._encoder = folder, encoder
        self._name, self._owner = name, owner
        self._timeout_s, self._fresh, self._verify = timeout_s, fresh, verify
        self._index: Index | None = None
        self._lock: FileLock | None = None

    def __enter__(self) -> Writer:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock", timeout=self._timeout_s)
            try:
                lock.acquire()
            except Timeout as error:
                raise IndexError_(
                    f"The index in {self.folder} is being written by another process: "
                    "wait until it has ended, then try again."
                ) from error
        self._lock = lock
        try:
            self._recover()
        except BaseException:
            lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    @property
    def index(self) -> Index | None:
        """The generation of the last commit; None before the first."""
        return self._index

    def commit(
        self,
        add: Sequence[Document] = (),
        remove: Collection[str] = (),
        *,
        vectors: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
        ledger: Mapping[str, Any] | None = None,
        fingerprint: str | None = None,
    ) -> Commit:
        """Publish one generation with these changes; without any, publish nothing.

        Args:
            add: documents to add, or to put in the place of those with their ids.
            remove: ids of documents to remove; unknown ones, and those in `add`, are passed over.
            vectors: unit vectors of chunking.passages(add), in order; by default only the
                passages whose text is new are embedded.
            progress: called with (passages embedded, passages to embed).
            ledger: replaces the manifest's ledger (JSON); None keeps it.
            fingerprint: replaces the manifest's fingerprint; None keeps it.

        Raises:
            IndexError_: if two documents have one id, a text is no text, vectors don't fit, or
                the folder can't be written. The published generation stays.
        """
        prepared = _prepared(add)
        changed, empty, unchanged = self._changed(prepared)
        if vectors is not None:
            vectors = _chosen(prepared, changed, vectors, self._encoder.width)
        staying = {p.document.id for p in prepared}
        gone = [i for i in dict.fromkeys(remove) if i not in staying]
        places = {p.document.id: self._place(p.document.id) for p in changed}
        leaving = [place for place in map(self._place, gone) if place]
        updated = [place for place in places.values() if place]
        result = Commit(
            len(changed) - len(updated), len(updated), unchanged, len(leaving), empty,
            sum(len(p.spans) for p in changed),
        )  # fmt: skip
        extra = self._changes(ledger, fingerprint)
        if not (changed or leaving or extra):
            return result
        kept, dead = self._killed([*leaving, *updated])
        if vectors is None:
            vectors = self._embedded(changed, self._old_vectors(changed), progress)
        plan = Plan(kept, dead, tuple(changed), vectors, anew=self._index is None)
        self._tidy(self._publish(plan, extra))
        return result

    def compact(self, progress: Progress | None = None) -> None:
        """Merge everything into one segment without dead documents, with lists if it is large.

        Args:
            progress: called with (segments merged, segments in all).
        """
        index = self._index
        if index is None or not index.segments:
            return
        clean = all(bool(live.all()) for live in index.live)
        large = len(index.passages) > dense.EXACT_ROWS
        settled = index.segments[0].meta["layout"] != {"kind": "flat"}
        if len(index.segments) > 1 or not clean or (large and not settled):
            count = len(index.segments)
            self._publish(Plan(_held(index), merged=(0, count)), {})
            if progress is not None:
                progress(count, count)

    def replace(
        self, documents: Sequence[Document], progress: Progress | None, fingerprint: str
    ) -> Index:
        """Publish a generation of these documents alone, under the writer's name and owner."""
        prepared = [p for p in _prepared(documents) if p.spans]
        if not prepared:
            raise IndexError_("There is nothing to index: the documents hold no text.")
        vectors = self._embedded(prepared, self._old_vectors(prepared), progress)
        return self._anew(prepared, vectors, {"fingerprint": fingerprint})

    def restore(
        self, documents: Sequence[Document], vectors: NDArray[np.float32], fields: Mapping[str, Any]
    ) -> Index:
        """Publish a generation of these documents alone, with what the manifest is to say."""
        return self._anew(_prepared(documents), vectors, fields)

    def _anew(
        self, prepared: Sequence[Prepared], vectors: NDArray[np.float32], fields: Mapping[str, Any]
    ) -> Index:
        index = self._publish(Plan((), (), tuple(prepared), vectors, anew=True), fields)
        self._tidy(index)
        return self._index or index

    def _recover(self) -> None:
        with writing(self.folder):
            generations.clean(self.folder)
        if not (self.folder / "CURRENT").exists():
            return
        try:
            self._index = Index.open(self.folder, self._encoder, verify=self._verify)
        except IndexError_:
            if not self._fresh:
                raise

    def _place(self, identity: str) -> tuple[int, int] | None:
        return self._index.documents.locate(identity) if self._index else None

    def _changed(self, prepared: Sequence[Prepared]) -> tuple[list[Prepared], tuple[str, ...], int]:
        """Return what has to be written, the ids of what is empty, and how many are the same."""
        changed, empty = [], []
        for item in prepared:
            if not item.spans:
                empty.append(item.document.id)
            elif not self._same(item):
                changed.append(item)
        return changed, tuple(empty), len(prepared) - len(changed) - len(empty)

    def _same(self, item: Prepared) -> bool:
        place = self._place(item.document.id)
        if place is None or self._index is None:
            return False
        segment = self._index.segments[place[0]]
        return segment.columns["digest"][place[1]].tobytes() == item.digest

    def _changes(self, ledger: Mapping[str, Any] | None, fingerprint: str | None) -> dict[str, Any]:
        """Return the manifest's fields that get another value."""
        asked = {"ledger": None if ledger is None else dict(ledger), "fingerprint": fingerprint}
        old = self._index.manifest if self._index else {}
        return {n: v for n, v in asked.items() if v is not None and old.get(n) != v}

    def _killed(self, places: Iterable[tuple[int, int]]) -> tuple[Kept, tuple[int, ...]]:
        """Return the segments with what lives in them afterwards, and the uids that die."""
        if self._index is None:
            return (), ()
        live = list(self._index.live)
        copied: set[int] = set()
        uids = []
        for at, number in places:
            if at not in copied:
                live[at] = live[at].copy()
                copied.add(at)
            live[at][number] = False
            uids.append(int(self._index.segments[at].columns["uid"][number]))
        return tuple(zip(self._index.segments, live, strict=True)), tuple(uids)

    def _old_vectors(self, changed: Sequence[Prepared]) -> dict[tuple[str, str], NDArray[Any]]:
        """Return the vectors of older passages of these documents, by id and embedded text."""
        known: dict[tuple[str, str], NDArray[Any]] = {}
        index = self._index
        if index is None:
            return known
        for item in changed:
            for row in index.documents.rows(item.document.id):
                text = embedded_text(index.passages[row])
                known[item.document.id, text] = index.vectors[row]
        return known

    def _embedded(
        self,
        changed: Sequence[Prepared],
        known: Mapping[tuple[str, str], NDArray[Any]],
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        keys = [(p.document, embedded_text(p)) for item in changed for p in item.passages]
        vectors = np.zeros((len(keys), self._encoder.width), dtype=np.float32)
        missing = [row for row, key in enumerate(keys) if key not in known]
        for row, key in enumerate(keys):
            if key in known:
                vectors[row] = known[key]
        if missing:
            texts = [keys[row][1] for row in missing]
            vectors[missing] = self._encoder.embed(texts, progress=progress)
        return vectors

    def _publish(self, plan: Plan, extra: Mapping[str, Any]) -> Index:
        """Publish a generation, and open it without checking again what was there before."""
        old = None if plan.anew else self._index
        free = {
            "name": self._name, "owner": self._owner, "documents": 0, "passages": 0,
            "fingerprint": "", "ledger": {}, "next_uid": 1, "next_segment": 1, "digests": {},
        }  # fmt: skip
        fixed = {
            "format": generations.FORMAT, "encoder": self._encoder.identity,
            "width": self._encoder.width, "analysis": analysis.VERSION,
        }  # fmt: skip
        manifest = free | (old.manifest if old else {}) | fixed | dict(extra)
        publish(self.folder, manifest, plan)
        reuse = {segment.name: segment for segment in old.segments} if old else {}
        self._index = Index.open(self.folder, self._encoder, verify=False, reuse=reuse)
        return self._index

    def _tidy(self, index: Index) -> None:
        """Merge what a commit left in too many pieces; the commit itself stands already."""
        run = run_to_merge(index)
        if run is None:
            return
        # Without room for a merged copy the pieces serve as they are: the next commit tries again.
        with suppress(IndexError_):
            self._publish(Plan(_held(index), merged=run), {})


def rebuild(folder: Path, encoder: Encoder, progress: Progress | None = None) -> Any:
    """Save what can be saved of a damaged or foreign index; see retrieval.index.salvage."""
    from retrieval.index import salvage

    return salvage.rebuild(folder, encoder, progress)


def verify(folder: Path) -> list[str]:
    """Return everything that is wrong with an index; see retrieval.index.checking."""
    from retrieval.index import checking

    return checking.verify(folder)


def _prepared(documents: Sequence[Document]) -> list[Prepared]:
    prepared, seen = [], set()
    for document in documents:
        if document.id in seen:
            raise IndexError_(f"Two documents have the id {document.id!r}: rename one of them.")
        seen.add(document.id)
        try:
            prepared.append(building.prepare(document))
        except UnicodeEncodeError as error:
            raise IndexError_(
                f"The document {document.id!r} holds a character that is no text (a lone "
                "surrogate): remove it and ingest the document again."
            ) from error
    return prepared


def _chosen(
    prepared: Sequence[Prepared],
    changed: Sequence[Prepared],
    vectors: NDArray[np.float32],
    width: int,
) -> NDArray[np.float32]:
    """Return those of the given vectors that belong to changed documents."""
    rows = sum(len(item.spans) for item in prepared)
    if vectors.shape != (rows, width) or not np.isfinite(vectors).all():
        raise IndexError_(
            f"The vectors have the shape {vectors.shape} or hold what is no number; {rows} "
            f"passages need ({rows}, {width}): embed the documents again."
        )
    wanted = {item.document.id for item in changed}
    mask = np.repeat(
        np.array([item.document.id in wanted for item in prepared], dtype=np.bool_),
        [len(item.spans) for item in prepared],
    )
    return vectors if bool(mask.all()) else vectors[mask]


def _held(index: Index) -> Kept:
    return tuple(zip(index.segments, index.live, strict=True))
