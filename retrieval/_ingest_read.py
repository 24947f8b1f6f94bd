"""Paths into a stream of documents, bad items and ends of files, for the ingestion.

A file that can't be read is set aside with its reason and the rest goes on. What is yielded is
clean: text is text, ids can be printed. Knows nothing of indexes.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval import _ingest_ledger as ledgers
from retrieval import plugins, sources
from retrieval.errors import AuscultError, InputError
from retrieval.sources import Removed, Skipped
from retrieval.types import Document, Section

MAX_ID_BYTES = 512
_CONTROL = {c: None for c in range(32) if c not in (9, 10, 13)} | {127: None}


@dataclass(frozen=True, slots=True)
class Began:
    """A file is read from here on; `known` where it was taken in before and is passed over."""

    path: Path
    known: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A file was read to its end without an error, with what the ledger is to remember of it."""

    path: Path
    entries: Mapping[str, ledgers.FileEntry]


Item = Document | Skipped | Removed | Began | Ended


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    Attributes:
        source: name of the reader that is to be used, or None to choose by content.
        mapping: columns of a table by what they hold ({"title": "Headline"}).
        again: whether files that were taken in before are read once more.
    """

    source: str | None = None
    mapping: Mapping[str, str] | None = None
    again: bool = False


def read(
    paths: Sequence[Path], reading: Reading, ledger: ledgers.Ledger | None = None
) -> Iterator[Item]:
    """Yield what files and folders hold, in order.

    Args:
        paths: files, folders and archives.
        reading: how to read them.
        ledger: files that were taken in before.

    Raises:
        InputError: if a path does not exist, or the reader or mapping asked for can't be used.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no file or folder at {path}: check the path.")
    if reading.source is not None:
        plugins.load("retrieval.sources", reading.source)  # a wrong name is said before any file
    how = ledgers.key(reading.source, reading.mapping)
    for path in sources.expand(paths):
        try:
            if (
                ledger is not None
                and not reading.again
                and path.is_file()
                and ledger.has(path, how)
            ):
                yield Began(path, known=True)
                continue
            yield Began(path)
            items = sources.read(path, reading.source, mapping=reading.mapping)
            yield from clean(items, f"{path.name} ")
            yield Ended(path, ledgers.entry(path, how) if path.is_file() else {})
        except (AuscultError, OSError) as error:
            yield Skipped(str(path), str(error))
        except Exception as error:  # noqa: BLE001 - a reader's bug must not lose the other files
            yield Skipped(str(path), f"its reader failed ({type(error).__name__}), which is a bug")


def clean(
    items: Iterable[Document | Skipped | Removed], place: str = ""
) -> Iterator[Document | Skipped | Removed]:
    """Yield items with their text made sound; a document without id or text is `Skipped`.

    Args:
        items: what a reader yields.
        place: what to put before a document's id in a message.
    """
    for item in items:
        if not isinstance(item, Document):
            yield item
            continue
        document = sound(item)
        reason = _unfit(document)
        yield Skipped(f"{place}{document.id[:80]!r}", reason) if reason else document


def sound(document: Document) -> Document:
    """Return a document without what is no text: control characters and half surrogate pairs."""
    values = (
        document.id,
        document.title,
        *(t for s in document.sections for t in (s.title, s.text)),
    )
    clean_ = tuple(_plain(value) for value in values)
    if clean_ == values and document.id == document.id.strip():
        return document
    pairs = zip(clean_[2::2], clean_[3::2], strict=True)
    sections = tuple(
        Section(title, section.aspect, text)
        for section, (title, text) in zip(document.sections, pairs, strict=True)
    )
    return replace(document, id=clean_[0].strip(), title=clean_[1], sections=sections)


def _plain(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_CONTROL).encode("utf-8", "replace").decode("utf-8")


def _unfit(document: Document) -> str:
    identity = document.id
    if not identity:
        return "it has no id"
    if len(identity.encode()) > MAX_ID_BYTES:
        return f"its id is longer than {MAX_ID_BYTES} bytes"
    if any(unicodedata.category(c) == "Cc" for c in identity):
        return "its id holds a control character"
    if not any(section.text.strip() for section in document.sections):
        return "it holds no text"
    return ""


class Position:
    """How much of the files given has been read, by where their open handles stand.

    Files are read by whoever knows their format, packed or not, so the handles of this process are
    looked at; where the system does not show them, whole files are counted.
    """

    _MAX_FILES = 20_000

    def __init__(self, paths: Sequence[Path]) -> None:
        self._sizes: dict[str, int] | None = {}
        for path in _files(paths):
            if len(self._sizes) == self._MAX_FILES:
                self._sizes = None
                break
            self._sizes[str(path.resolve())] = path.stat().st_size
        self._begun: set[str] = set()

    def begin(self, path: Path) -> None:
        """Count a file as begun."""
        self._begun.add(str(path.resolve()))

    def fraction(self) -> float | None:
        """Return the share of bytes that were read, 0 to 1, or None where it can't be said."""
        total = sum((self._sizes or {}).values())
        if self._sizes is None or not total:
            return None
        handles = _handles(self._sizes)
        self._begun |= handles.keys()
        done = sum(handles.get(p, self._sizes[p]) for p in self._begun & self._sizes.keys())
        return min(done / total, 1.0)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from (p for p in path.rglob("*") if p.is_file() and p.name[0] != ".")


def _handles(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return where each open file among `wanted` stands, in bytes."""
    found: dict[str, int] = {}
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                path = os.readlink(f"/proc/self/fd/{name}")
                if path in wanted:
                    found[path] = os.lseek(int(name), 0, os.SEEK_CUR)
            except OSError:  # closed in the meantime
                continue
    except OSError:
        return {}
    return found
