"""What becomes of a document that is to be taken in: new, an update, unchanged, or a duplicate.

Decides over what is in the index and what waits in the batch; holds one batch at a time and writes
nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from retrieval import works
from retrieval.types import Document

Fate = Literal["new", "update", "unchanged", "duplicate"]


class Stored(Protocol):
    """The documents of an index (`retrieval.index.store.Documents`)."""

    def get(self, id: str) -> Document | None:
        """Return a document, or None."""
        ...

    def find(self, identifier: str) -> str | None:
        """Return the id of the document with an identifier, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a document.

    Attributes:
        fate: what it was.
        dropped: id of the document that is not kept, where two are the same work.
        kept: id of the one that is.
        why: what they have in common.
    """

    fate: Fate
    dropped: str = ""
    kept: str = ""
    why: str = ""


class Batch:
    """Documents that wait to be committed together, judged against those in the index.

    Args:
        stored: the documents of the index, or None where there is none yet.
        starter: ids of monographs of the installation, which take over nothing from others.
    """

    def __init__(self, stored: Stored | None, starter: Collection[str] = ()) -> None:
        self._stored = stored
        self._starter = starter
        self._waiting: dict[str, Document | None] = {}
        self._keys: dict[str, str] = {}
        self.characters = 0
        self.updates = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def add(self) -> list[Document]:
        """The documents to be written, in order."""
        return [document for document in self._waiting.values() if document is not None]

    @property
    def remove(self) -> list[str]:
        """The ids to be removed."""
        return [name for name, document in self._waiting.items() if document is None]

    def place(self, document: Document) -> Verdict:
        """Take a document in, unless the index or the batch has it already."""
        known = self._get(document.id)
        if known is not None:
            if works.has_merged(known):
                document = works.merge(document, known)
            if document == known:
                return Verdict("unchanged")
            self._put(document)
            return Verdict("update")
        twin, why = self._twin(document)
        if twin is None:
            self._put(document)
            return Verdict("new")
        if twin.id not in self._starter and works.length(document) > works.length(twin):
            self._waiting[twin.id] = None
            self._put(_taken_over(document, twin))
            return Verdict("new", dropped=twin.id, kept=document.id, why=why)
        merged = twin if twin.id in self._starter else _taken_over(twin, document)
        if merged != twin:
            self._put(merged)
        return Verdict("duplicate", dropped=document.id, kept=twin.id, why=why)

    def drop(self, name: str) -> bool:
        """Remove a document by its id; return whether there was one."""
        if self._get(name) is None:
            return False
        self._waiting[name] = None
        return True

    def _get(self, name: str) -> Document | None:
        if name in self._waiting:
            return self._waiting[name]
        return self._stored.get(name) if self._stored is not None else None

    def _put(self, document: Document) -> None:
        self._waiting[document.id] = document
        self.characters += works.length(document)
        for key in _keys(document):
            self._keys[key] = document.id

    def _twin(self, document: Document) -> tuple[Document | None, str]:
        """Return the document that is the same work under another id, and what tells."""
        for key in _keys(document):
            found = self._keys.get(key)
            if found is None and self._stored is not None:
                found = self._stored.find(key)
            other = self._get(found) if found is not None and found != document.id else None
            if other is not None and key in _keys(other) and not works.differ(document, other):
                return other, "the same text" if key.startswith("content:") else key
        return None, ""


def _keys(document: Document) -> list[str]:
    content = works.content_key(document)
    return [*document.identifiers, *([f"content:{content}"] if content else [])]


def _taken_over(kept: Document, other: Document) -> Document:
    """Return `kept` with the facts of `other`, or as it is where these say nothing new."""
    merged = works.merge(kept, other)
    same = (merged.status, merged.notices, merged.identifiers, merged.evidence, merged.year) == (
        kept.status, kept.notices, kept.identifiers, kept.evidence, kept.year)  # fmt: skip
    return kept if same and merged.mesh == kept.mesh else merged
