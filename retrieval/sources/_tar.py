"""A tar archive as a stream, plain or packed with gzip, in bounded memory (POSIX.1-2017, pax).

The standard library's reader trusts the sizes in extension headers and would read gigabytes of them;
this one walks the 512-byte headers itself and lets it parse each. Knows nothing of what members hold.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from retrieval.errors import SourceError
from retrieval.sources._packed import Bounded

_RECORD = 512
_BLOCK = 1 << 20
# Longest extension header; names and sizes take a few hundred bytes.
_MAX_HEADER = 1 << 16
_PAX = re.compile(rb"(\d{1,6}) ([^=\n]+)=")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive; `copy` works until the next entry is asked for."""

    name: str
    size: int
    refusal: str
    copy: Callable[[IO[bytes]], None]


def is_tar(head: bytes) -> bool:
    """Return whether a file with these first (unpacked) bytes is a tar archive."""
    return head[257:262] == b"ustar"


def entries(stream: Bounded, path: Path) -> Iterator[Entry]:
    """Yield the files of an archive in order; folders are passed over.

    Raises:
        SourceError: if a header is damaged or makes no sense.
        EOFError: if the archive is cut short.
    """
    name, size = "", -1  # What an extension header said of the entry that follows it.
    sparse = False
    while True:
        record = stream.exactly(_RECORD)
        if not any(record):
            return
        info = _parse(record, path)
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_EXTENSIONS):
            data = _extension(stream, info, path)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                name = data.rstrip(b"\0").decode("utf-8", "replace")
            elif info.type == tarfile.XHDTYPE:
                said = _pax(data)
                name = said.get("path", name)
                size = int(said["size"]) if said.get("size", "").isdecimal() else size
                sparse = any(key.startswith("GNU.sparse") for key in said)
            continue
        length = size if size >= 0 else info.size
        if length < 0:
            raise SourceError(f"{path} is damaged (a negative size): fetch it again.")
        yield from _entry(stream, info, name or info.name, length, sparse)
        name, size, sparse = "", -1, False


_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
# Types whose header is followed by no data, whatever size it names.
_BARE = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)


def _entry(
    stream: Bounded, info: tarfile.TarInfo, name: str, size: int, sparse: bool
) -> Iterator[Entry]:
    left = 0 if info.type in (*_BARE, tarfile.DIRTYPE) else size + -size % _RECORD
    unread = [size, left]

    def copy(out: IO[bytes]) -> None:
        while unread[0]:
            block = stream.exactly(min(_BLOCK, unread[0]))
            unread[0] -= len(block)
            unread[1] -= len(block)
            out.write(block)

    refusal = ""
    if info.type not in _FILES:
        refusal = "It is a link or a device and no file: it was left out."
    elif sparse:
        refusal = "It is stored with holes: pack it again without."
    if info.type != tarfile.DIRTYPE:
        yield Entry(name, size, refusal, copy)
    while unread[1]:
        unread[1] -= len(stream.exactly(min(_BLOCK, unread[1])))


def _parse(record: bytes, path: Path) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(record, "utf-8", "replace")
    except (tarfile.HeaderError, ValueError) as error:
        raise SourceError(
            f"{path} is no tar archive or damaged ({error}): fetch it again."
        ) from error


def _extension(stream: Bounded, info: tarfile.TarInfo, path: Path) -> bytes:
    if not 0 <= info.size <= _MAX_HEADER:
        raise SourceError(
            f"{path} has a header of {info.size:,} bytes for one member: it is damaged or hostile."
        )
    return stream.exactly(info.size + -info.size % _RECORD)[: info.size]


def _pax(data: bytes) -> dict[str, str]:
    """Return the records of a pax header; what makes no sense ends them."""
    said: dict[str, str] = {}
    at = 0
    while found := _PAX.match(data, at):
        end = at + int(found[1])
        if end <= found.end():
            break
        value = data[found.end() : end - 1]
        said[found[2].decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at = end
    return said
