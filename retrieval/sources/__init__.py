"""Readers of literature formats, one file each, and the choice of the reader for a path.

A reader's module exposes `SUFFIXES: tuple[str, ...]` and `build() -> Reader`, and, where the content
tells, `sniff(path, head) -> bool`, which is asked before any suffix is believed. A `Reader` turns a
path into an iterator of `Document`s; what is wrong with one item comes as `Skipped` and the rest goes
on, what is wrong with the file is a `SourceError`. Knows nothing of indexes, and fetches nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeAlias

from retrieval import plugins
from retrieval.errors import InputError, SourceError
from retrieval.types import Document

# What a reader's `sniff` gets to see of a file, in bytes after unpacking.
HEAD_BYTES = 4096
GZIP = b"\x1f\x8b"
# A folder with a file of such a suffix or name is a package: that is its text, and all else in it
# is attachments or, beside a BEIR corpus, queries and judgements.
_MAIN_SUFFIX = ".nxml"
_MAIN_NAMES = ("corpus.jsonl", "corpus.jsonl.gz")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item that was left out while the rest of its file went on.

    Attributes:
        where: the item, for display: file, member, line, page or id.
        reason: one sentence with the next step.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Removed:
    """Word from the publisher that a document is to be deleted.

    Attributes:
        id: the document's id.
        reason: who says so.
    """

    id: str
    reason: str = ""


Item: TypeAlias = Document | Skipped | Removed


class Reader(Protocol):
    """Turns one file into documents."""

    def read(self, path: Path) -> Iterator[Item]:
        """Yield what `path` holds in order, one item at a time."""
        ...


def read(
    path: Path, source: str | None = None, *, mapping: Mapping[str, str] | None = None
) -> Iterator[Item]:
    """Yield what a file, archive or folder of a known format holds, one item at a time.

    Archives are read member by member; a member that can't be read is a `Skipped`.

    Args:
        path: a file, an archive (.tar, .tar.gz, .tgz, .zip), a `.gz` of either, or a folder that is
            one collection, such as BEIR's.
        source: name of the reader to use, whatever the content looks like.
        mapping: which column of a table is what; see `retrieval.sources.table`.

    Raises:
        InputError: if nothing here reads such a file.
        SourceError: if the file is not what it claims, or hostile.
        ConfigError: if there is no reader called `source`.
    """
    return pick(path, source, mapping=mapping)[1].read(path)


def pick(
    path: Path, source: str | None = None, *, mapping: Mapping[str, str] | None = None
) -> tuple[str, Reader]:
    """Return the name of the reader for `path`, judged by content before suffix, and the reader.

    Raises:
        InputError: if nothing here reads such a file; the message lists what can be read.
        SourceError: if `path` can't be opened or is in none of the formats that bear its suffix.
        ConfigError: if there is no reader called `source`.
    """
    from retrieval.sources import _archive

    head = _head(path)
    if kind := _archive.kind(path, head):
        if source:
            plugins.load(__name__, source)
        return kind, _archive.ArchiveReader(source, mapping)
    name = source or _by_content(path, head) or _by_suffix(path.name)
    if name is None and path.suffix.lower() == ".gz" and _reads_inner(path):
        return "gz", _archive.GzipReader(source, mapping)
    if name is None:
        raise InputError(_unknown(path))
    module = dict(_modules()).get(name) or plugins.load(__name__, name)
    if name == "table" and mapping:
        return name, module.build(mapping=dict(mapping))
    if name == "beir":
        return name, module.build(strict=False)
    return name, module.build()


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of `paths` in order, folders walked by name; hidden files are passed over.

    A folder that is one collection (BEIR) comes as one path, and so does an archive: `read` takes it
    member by member. Of a folder that is a package, such as an article's text with its figures and
    PDF, only the text comes.

    Raises:
        InputError: if a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no file or folder at {path}: check the path.")
        yield from _walk(path)


def main_files(names: Iterable[str]) -> set[str]:
    """Return those of a folder's file names that are its text; empty where it is no package."""
    return {n for n in names if n.lower().endswith(_MAIN_SUFFIX) or n in _MAIN_NAMES}


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir() or _by_content(path, b""):
        yield path
        return
    entries = sorted(e for e in path.iterdir() if not e.name.startswith("."))
    main = main_files(e.name for e in entries if e.is_file())
    for entry in entries:
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _walk(entry)
        elif entry.is_file() and (not main or entry.name in main):
            yield entry


@cache
def _modules() -> tuple[tuple[str, ModuleType], ...]:
    return tuple((name, plugins.load(__name__, name)) for name in plugins.names(__name__))


def _by_content(path: Path, head: bytes) -> str | None:
    for name, module in _modules():
        if hasattr(module, "sniff") and module.sniff(path, head):
            return name
    return None


def _by_suffix(name: str) -> str | None:
    claims = [(n, m) for n, m in _modules() if name.lower().endswith(m.SUFFIXES or ("\0",))]
    # A format that knows itself by its content has just said that this is none of its own.
    plain = [n for n, module in claims if not hasattr(module, "sniff")]
    if plain:
        return plain[0]
    if len(claims) > 1:
        known = ", ".join(n for n, _ in claims)
        raise SourceError(
            f"{name} is in none of the formats that bear its suffix ({known}): check what it holds."
        )
    return claims[0][0] if claims else None


def _reads_inner(path: Path) -> bool:
    """Return whether what a `.gz` file is called without its suffix has a reader."""
    inner = path.with_suffix("")
    return bool(inner.suffix) and _by_suffix(inner.name) is not None


def _head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked where it is gzip; b"" for a folder."""
    if path.is_dir():
        return b""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES * 4)
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error.strerror}): check the path.") from error
    if not head.startswith(GZIP):
        return head[:HEAD_BYTES]
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return head[:HEAD_BYTES]


def _unknown(path: Path) -> str:
    suffixes = sorted({suffix for _, module in _modules() for suffix in module.SUFFIXES})
    if path.is_dir():
        return f"{path} is a folder and no collection: name the files in it, or a BEIR folder."
    return (
        f"{path.name} has no reader: {', '.join(suffixes)}, BEIR folders, and .zip, .tar, .tar.gz "
        "and .gz of these can be read; convert it to one of them."
    )
