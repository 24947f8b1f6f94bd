"""The starter library: short monographs in our own words, each with its sources.

Written from public facts, not clinically reviewed; every file's head says so. Files lie in one
folder a kind and are read by `retrieval.sources.monograph`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from retrieval.sources.monograph import MonographReader
from retrieval.types import Document


def folder() -> Path:
    """Return the folder that holds the monographs."""
    return Path(str(resources.files(__name__)))


def paths() -> list[Path]:
    """Return every monograph's path, sorted."""
    return sorted(folder().rglob("*.md"))


def documents() -> Iterator[Document]:
    """Yield every monograph, in order of path."""
    reader = MonographReader()
    for path in paths():
        yield from reader.read(path)
