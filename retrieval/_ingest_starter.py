"""The starter library in an index: brought to the monographs of this installation, no further.

A document that a user took in under a monograph's id stays; a monograph that was removed on purpose
stays away. Everything changes in one commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval import library
from retrieval._ingest_ledger import Ledger
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.index.writer import Writer


def fingerprint() -> str:
    """Return a digest of every monograph of this installation."""
    digest = hashlib.sha256()
    for path in library.paths():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def sync(writer: Writer, progress: Callable[[int, int], None] | None = None) -> None:
    """Add, replace and remove monographs so that the index holds those of this installation.

    Raises:
        IndexError_: if the index can't be written.
    """
    index = writer.index
    ledger = Ledger.of(index.manifest if index is not None else None)
    monographs = {document.id: document for document in library.documents()}
    kept = index.documents if index is not None else None
    ours = [
        document
        for document in monographs.values()
        if document.id not in ledger.withdrawn
        and (
            document.id in ledger.starter
            or kept is None
            # Equal where the ledger was lost; absent where the monograph is new.
            or kept.get(document.id) in (None, document)
        )
    ]
    gone = sorted(ledger.starter - monographs.keys())
    ledger = replace(ledger, starter=frozenset(document.id for document in ours))
    writer.commit(ours, gone, progress=progress, ledger=ledger.to_json(), fingerprint=fingerprint())


def named(ids: Collection[str]) -> list[Document]:
    """Return the monographs among some ids."""
    wanted = set(ids)
    return [document for document in library.documents() if document.id in wanted]
