"""A trial of an ingestion: what it would take in, and about how long and how much disk it would need.

Nothing is written but a sample, in a temporary folder that goes away again: the estimates are what
that sample took here.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval import chunking, works
from retrieval._ingest_read import Began, Ended, Item
from retrieval.ingest import Note, Notes
from retrieval.sources import Removed, Skipped
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index

_SAMPLE = 48
_SAMPLE_PASSAGES = 256


@dataclass(slots=True)
class Trial:
    """What an ingestion would do.

    Attributes:
        documents: documents that can be read.
        new: those that the index does not have.
        updates: those that would take the place of another version.
        unchanged: those that are in already as they are.
        duplicates: those that are the same work as another one.
        removed: deletion notices.
        skipped: files and items that can't be used.
        known: files that would be passed over because they were taken in before.
        passages: passages that would be written.
        languages: documents by ISO 639-1 code; "" where unknown.
        kinds: documents by kind.
        evidence: documents by level of evidence.
        years: documents by year; None where unknown.
        disk_bytes: estimated growth of the index, or 0 where nothing would be written.
        seconds: estimated duration.
        sample_passages: how many passages the estimates were measured on.
    """

    documents: int = 0
    new: int = 0
    updates: int = 0
    unchanged: int = 0
    duplicates: int = 0
    removed: int = 0
    skipped: int = 0
    known: int = 0
    passages: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    evidence: Counter[str] = field(default_factory=Counter)
    years: Counter[int | None] = field(default_factory=Counter)
    disk_bytes: int = 0
    seconds: float = 0.0
    sample_passages: int = 0


def trial(items: Iterable[Item], index: Index | None, encoder: Encoder, note: Notes) -> Trial:
    """Read everything and say what an ingestion would do with it.

    Args:
        items: what `retrieval.ingest.read` yields.
        index: what is there already, or None.
        encoder: makes the vectors of the sample.
        note: called with everything that would be left out.
    """
    result = Trial()
    looked = _Looked(index)
    sample: list[Document] = []
    draw = random.Random(0)
    began = time.monotonic()
    for item in items:
        if isinstance(item, Document):
            result.documents += 1
            if looked.at(item, result, note):
                _describe(item, result)
                _keep(item, sample, result.new + result.updates, draw)
        elif isinstance(item, Skipped):
            result.skipped += 1
            note(Note("skipped", item.where, item.reason))
        elif isinstance(item, Removed):
            result.removed += 1
        elif isinstance(item, Began):
            result.known += int(item.known)
        else:
            assert isinstance(item, Ended)  # noqa: S101 - the last kind of item
    reading_s = time.monotonic() - began
    if sample:
        _estimate(sample, encoder, result)
        result.seconds += reading_s
    return result


class _Looked:
    """What was seen so far: eight bytes for each name, so that millions fit."""

    def __init__(self, index: Index | None) -> None:
        self._documents = index.documents if index is not None else None
        self._ids: set[int] = set()
        self._keys: set[int] = set()

    def at(self, document: Document, result: Trial, note: Notes) -> bool:
        """Count a document; return whether it would be written."""
        known = self._documents.get(document.id) if self._documents is not None else None
        if known == document:
            result.unchanged += 1
            return False
        keys = list(document.identifiers)
        if content := works.content_key(document):
            keys.append(f"content:{content}")
        if known is None and hash(document.id) not in self._ids and (key := self._has(keys)):
            result.duplicates += 1
            what = "the same text as another" if key.startswith("content:") else f"also has {key}"
            note(Note("duplicate", document.id, what))
            return False
        if known is not None or hash(document.id) in self._ids:
            result.updates += 1
        else:
            result.new += 1
        self._ids.add(hash(document.id))
        self._keys.update(map(hash, keys))
        return True

    def _has(self, keys: list[str]) -> str:
        for key in keys:
            if hash(key) in self._keys:
                return key
            if self._documents is not None and self._documents.find(key) is not None:
                return key
        return ""


def _describe(document: Document, result: Trial) -> None:
    result.passages += sum(1 for _ in chunking.passages([document]))
    result.languages[document.language] += 1
    result.kinds[document.kind] += 1
    result.evidence[document.evidence] += 1
    result.years[document.year] += 1


def _keep(document: Document, sample: list[Document], seen: int, draw: random.Random) -> None:
    """Keep a uniform sample of a stream (Vitter 1985, "Random sampling with a reservoir")."""
    if len(sample) < _SAMPLE:
        sample.append(document)
    elif (at := draw.randrange(seen)) < _SAMPLE:
        sample[at] = document


def _estimate(sample: list[Document], encoder: Encoder, result: Trial) -> None:
    """Index a sample in a temporary folder and scale up what that took."""
    from retrieval.index.writer import Writer

    chosen: dict[str, Document] = {}
    passages = 0
    for document in sample:
        size = sum(1 for _ in chunking.passages([document]))
        if chosen and passages + size > _SAMPLE_PASSAGES:
            continue
        chosen[document.id] = document
        passages += size
    with tempfile.TemporaryDirectory(prefix="auscult-trial-") as name:
        folder = Path(name) / "index"
        began = time.monotonic()
        with Writer(folder, encoder) as writer:
            writer.commit(list(chosen.values()))
        taken_s = time.monotonic() - began
        size_bytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    result.sample_passages = passages
    result.seconds = taken_s / passages * result.passages
    result.disk_bytes = round(size_bytes / passages * result.passages)
