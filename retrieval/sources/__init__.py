"""Readers of literature formats, one file each.

A reader exposes `SUFFIXES: tuple[str, ...]` and `build() -> Reader`; a `Reader` turns a path into
an iterator of `Document`s and raises `SourceError` where the file is not what it claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from retrieval.types import Document


class Reader(Protocol):
    """Turns one file into documents."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the documents of `path` in order, holding one at a time."""
        ...
