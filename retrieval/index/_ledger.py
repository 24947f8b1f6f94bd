"""What a vector store was given: a digest and a number of passages for each document, in SQLite.

A document is noted after the store has taken it, so that a kill costs sending it again and no more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from retrieval.errors import IndexError_


class Ledger:
    """A ledger in a file, or in memory."""

    def __init__(self, path: Path | None) -> None:
        """Remember where; the file is made at the first use."""
        self._path = path
        self._memory: dict[str, int] = {}

    def read(self, encoder: str) -> dict[str, int]:
        """Return passages by document digest; what another encoder's vectors fill is forgotten.

        Raises:
            IndexError_: if the file can't be used.
        """
        if self._path is None:
            return dict(self._memory)
        with closing(_opened(self._path)) as base, base:
            known = base.execute("SELECT name FROM encoder").fetchone()
            if known is not None and known[0] != encoder:
                base.execute("DELETE FROM documents")
            base.execute("DELETE FROM encoder")
            base.execute("INSERT INTO encoder VALUES (?)", (encoder,))
            rows = base.execute("SELECT digest, passages FROM documents ORDER BY rowid")
            return {str(digest): int(passages) for digest, passages in rows}

    def add(self, counts: Mapping[str, int]) -> None:
        """Note documents that the store has taken."""
        if self._path is None:
            self._memory.update(counts)
            return
        with closing(_opened(self._path)) as base, base:
            base.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?)", counts.items())

    def drop(self, digests: Sequence[str]) -> None:
        """Forget documents that the store has deleted."""
        if self._path is None:
            for digest in digests:
                self._memory.pop(digest, None)
            return
        with closing(_opened(self._path)) as base, base:
            base.executemany("DELETE FROM documents WHERE digest = ?", ((d,) for d in digests))

    def clear(self) -> None:
        """Forget everything."""
        self._memory.clear()
        if self._path is not None:
            with closing(_opened(self._path)) as base, base:
                base.execute("DELETE FROM documents")


def _opened(path: Path) -> sqlite3.Connection:
    base: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(path, timeout=30)
        base.execute("CREATE TABLE IF NOT EXISTS encoder (name TEXT)")
        base.execute(
            "CREATE TABLE IF NOT EXISTS documents (digest TEXT PRIMARY KEY, passages INTEGER)"
        )
    except (OSError, sqlite3.Error) as error:
        if base is not None:
            base.close()
        raise IndexError_(
            f"What the vector store holds can't be read from {path} ({error}): remove that file, "
            "and the store is filled anew."
        ) from error
    return base
