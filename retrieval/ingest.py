"""The ingestion: a stream of documents into an index, batch by batch, each of them whole or not at all.

What was committed is in the index whatever happens afterwards; a run that was killed is begun again
and passes over what is in. Duplicates are recognised by id, identifier and words, the fuller text is
kept, and what was left out is noted with its reason. Memory holds one batch. Knows nothing of users,
settings or screens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval import _ingest_ledger as ledgers
from retrieval import chunking
from retrieval._ingest_match import Batch, Verdict
from retrieval._ingest_read import Began, Item, Position, Reading, clean, read
from retrieval.sources import Removed, Skipped
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.engines import Engine
    from retrieval.index.writer import Writer

__all__ = ["Item", "Note", "Notes", "Position", "Progress", "Reading", "Tally", "clean", "ingest",
           "read", "remove"]  # fmt: skip

BATCH_DOCUMENTS = 500
# 500 documents are 2,000 passages and 3 MB of text, about.
_CHARACTERS_EACH = 6_000
NoteKind = Literal["skipped", "duplicate", "replaced", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was left out or replaced.

    Attributes:
        kind: what happened.
        where: file, item or document id.
        reason: why, in a sentence.
    """

    kind: NoteKind
    where: str
    reason: str


Notes = Callable[[Note], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """What an ingestion came to so far.

    Attributes:
        read: documents that could be read.
        added: documents that are new in the index.
        updated: documents that took the place of an older version.
        unchanged: documents that were in already as they are.
        duplicates: documents left out or replaced because the same work is kept.
        removed: documents removed on the publisher's word.
        skipped: files and items that could not be used.
        known: files passed over because they were taken in before.
        passages: passages written.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    removed: int = 0
    skipped: int = 0
    known: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingestion is. What `tally` counts as added, updated and removed is durable.

    Attributes:
        tally: the counts so far.
        file: name of the file that is being read, or "".
        fraction: share of the input that was read, 0 to 1, or None where it can't be said.
        seconds: since the beginning.
        passages_per_s: over the whole run.
    """

    tally: Tally
    file: str
    fraction: float | None
    seconds: float
    passages_per_s: float

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, about, or None where it can't be said."""
        if not self.fraction or self.seconds < 1:
            return None
        return self.seconds * (1 - self.fraction) / self.fraction


class _Run:
    """The state of one ingestion."""

    def __init__(
        self,
        writer: Writer,
        engine: Engine | None,
        note: Notes,
        position: Position | None,
        tick: Callable[[Progress], None] | None,
        batch: int,
    ) -> None:
        self.writer, self.engine, self.note, self.position = writer, engine, note, position
        self.tick, self.most = tick, batch
        self.began = time.monotonic()
        self.tally = Tally()
        self.file: Path | None = None
        self.finished: dict[str, ledgers.FileEntry] = {}
        # Where documents named after their file came from: two such files may share a name.
        self.named_after: dict[str, Path] = {}
        self.batch = self._fresh()

    def _fresh(self) -> Batch:
        index = self.writer.index
        starter = ledgers.Ledger.of(index.manifest).starter if index is not None else ()
        return Batch(index.documents if index is not None else None, starter)

    def count(self, **more: int) -> None:
        """Add to the tally."""
        values = {name: getattr(self.tally, name) + n for name, n in more.items()}
        self.tally = replace(self.tally, **values)

    def progress(self, embedded: int = 0) -> Progress:
        """Return how far the run is, with passages of the batch that are embedded already."""
        seconds = time.monotonic() - self.began
        tally = replace(self.tally, passages=self.tally.passages + embedded)
        return Progress(
            tally=tally,
            file=self.file.name if self.file is not None else "",
            fraction=self.position.fraction() if self.position is not None else None,
            seconds=seconds,
            passages_per_s=tally.passages / seconds if seconds else 0.0,
        )

    def take(self, item: Item) -> None:
        """Put one item where it belongs."""
        if isinstance(item, Document):
            self._place(item)
        elif isinstance(item, Skipped):
            self.count(skipped=1)
            self.note(Note("skipped", item.where, item.reason))
        elif isinstance(item, Removed):
            if self.batch.drop(item.id):
                self.note(Note("withdrawn", item.id, item.reason))
        elif isinstance(item, Began):
            self.file = item.path
            self.count(known=int(item.known))
            if self.position is not None:
                self.position.begin(item.path)
        else:
            self.finished |= item.entries

    def _place(self, document: Document) -> None:
        self.count(read=1)
        verdict = self.batch.place(document)
        self._note_shared_name(document, verdict)
        if verdict.fate == "unchanged":
            self.count(unchanged=1)
        elif verdict.dropped:
            self.count(duplicates=1)
            reason = f"the same work as {verdict.kept} ({verdict.why}), whose text is "
            reason += "fuller" if verdict.fate == "new" else "at least as full"
            kind: NoteKind = "replaced" if verdict.fate == "new" else "duplicate"
            self.note(Note(kind, verdict.dropped, reason))

    def _note_shared_name(self, document: Document, verdict: Verdict) -> None:
        """Say where a file takes the place of another of its name, which is rarely meant."""
        if self.file is None or document.id != self.file.stem:
            return
        before = self.named_after.get(document.id)
        self.named_after[document.id] = self.file
        if before is not None and before != self.file and verdict.fate == "update":
            self.count(skipped=1)
            self.note(Note("skipped", str(before), _shared_name(self.file, document.id)))

    def full(self) -> bool:
        """Whether the batch is to be committed."""
        return len(self.batch) >= self.most or self.batch.characters >= self.most * _CHARACTERS_EACH

    def commit(self) -> None:
        """Publish the batch and what is remembered of finished files."""
        add, remove = self.batch.add, self.batch.remove
        if not add and not remove and not self.finished:
            return
        index = self.writer.index
        ledger = ledgers.Ledger.of(index.manifest if index is not None else None)
        ledger = ledger.with_files(self.finished)
        ledger = ledger.without_starter([document.id for document in add] + remove)
        if not add and not remove and index is None:
            return  # there is nothing that could carry the ledger
        done = self.writer.commit(
            add,
            remove,
            vectors=self._vectors(add),
            progress=self._embedding,
            ledger=ledger.to_json(),
        )
        self.count(
            added=done.added,
            updated=done.updated,
            unchanged=done.unchanged,
            removed=done.removed,
            passages=done.passages,
        )
        self.finished = {}
        self.batch = self._fresh()

    def _embedding(self, done: int, total: int) -> None:
        if self.tick is not None:
            self.tick(self.progress(done))

    def _vectors(self, add: Sequence[Document]) -> NDArray[np.float32] | None:
        """Return the vectors of the batch by the engine, or None to leave it to the writer."""
        if self.engine is None or not add:
            return None
        from retrieval.index.store import embedded_text

        texts = [embedded_text(passage) for passage in chunking.passages(add)]
        return self.engine.embed(texts, progress=self._embedding)


def ingest(
    items: Iterable[Item],
    writer: Writer,
    *,
    engine: Engine | None = None,
    note: Notes = lambda _: None,
    position: Position | None = None,
    tick: Callable[[Progress], None] | None = None,
    batch: int | None = None,
) -> Iterator[Progress]:
    """Take a stream in and yield progress after every batch; the last one has the whole tally.

    Args:
        items: what `read` or a reader yields.
        writer: of the index; held by the caller, whose lock it has.
        engine: makes the vectors; by default the writer's encoder does.
        note: called with everything that was left out or replaced.
        position: how much of the input was read, for the time that is left.
        tick: called in between, while a batch is embedded.
        batch: documents that are committed together; by default `BATCH_DOCUMENTS`.

    Raises:
        IndexError_: if a batch can't be written; those before are in.
    """
    run = _Run(writer, engine, note, position, tick, batch or BATCH_DOCUMENTS)
    for item in items:
        run.take(item)
        if run.full():
            run.commit()
            yield run.progress()
    run.commit()
    yield run.progress()


def remove(
    writer: Writer, ids: Collection[str], restore: Callable[[Collection[str]], Sequence[Document]]
) -> tuple[list[str], list[str]]:
    """Remove documents in one commit.

    Args:
        writer: of the index.
        ids: which; those that are not there are passed over.
        restore: returns the monographs of the starter library among some ids.

    Returns:
        The ids that went, and those in whose place the starter library's monograph is back.
    """
    index = writer.index
    if index is None:
        return [], []
    there = [name for name in dict.fromkeys(ids) if name in index.documents]
    if not there:
        return [], []
    ledger = ledgers.Ledger.of(index.manifest)
    own = [name for name in there if name not in ledger.starter]
    back = list(restore(own))
    returned = {document.id for document in back}
    gone = ledger.starter.intersection(there)
    ledger = replace(
        ledger.without_files(),
        starter=(ledger.starter - gone) | returned,
        withdrawn=ledger.withdrawn | gone,
    )
    kept_out = [name for name in there if name not in returned]
    writer.commit(back, kept_out, ledger=ledger.to_json())
    return there, sorted(returned)


def _shared_name(path: Path, document_id: str) -> str:
    return (
        f"Its document {document_id!r} has the id of one in {path}, which took its place: "
        "give one of the files another name."
    )
