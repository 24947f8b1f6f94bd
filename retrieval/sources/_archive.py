"""Archives member by member: .zip, .tar, .tar.gz, .tgz, and a .gz of any one file.

Each member is unpacked alone into a temporary folder, under a name of ours made of its own last
part, read by the reader that fits, and removed. A member that is hostile or can't be read is
`Skipped`; an archive that is, is a `SourceError`. Limits hold while bytes are unpacked, whatever the
headers promise. Knows no formats.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from retrieval import sources
from retrieval.errors import AuscultError, SourceError
from retrieval.sources import _packed, _tar
from retrieval.sources._packed import Limits, TooLarge

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
DAMAGE = (*_packed.DAMAGE, zipfile.BadZipFile)
_BLOCK = 1 << 20
# The part of a ZIP file that lists its members; what it takes in memory grows with it.
_MAX_DIRECTORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: as the archive has it.
        size: unpacked size that the archive promises, in bytes.
        refusal: why it won't be unpacked, or "".
        copy: writes its bytes to a stream, within the limits.
    """

    name: str
    size: int
    refusal: str
    copy: Callable[[IO[bytes]], None]


def kind(path: Path, head: bytes) -> str:
    """Return "zip" or "tar" if the path is such an archive, else "".

    Office files are ZIP archives too, hence no ZIP archive without the suffix.
    """
    name = path.name.lower()
    if name.endswith(".zip"):
        return "zip"
    return "tar" if name.endswith(TAR_SUFFIXES) or _tar.is_tar(head) else ""


class _Unpackable(SourceError):
    """One member that can't be unpacked, while the others can."""


class ArchiveReader:
    """Reads what an archive's members hold."""

    def __init__(
        self,
        source: str | None = None,
        mapping: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._source, self._mapping = source, mapping
        self._limits = limits or Limits()

    def read(self, path: Path) -> Iterator[sources.Item]:
        """Yield the items of each member in the archive's order.

        Raises:
            SourceError: if the archive is damaged, unpacks to more than the limits, or holds
                nothing that could be read.
        """
        empty = True
        zipped = kind(path, b"") == "zip"
        members = _zip_members if zipped else _tar_members
        try:
            packages = _packages(members(path, self._limits))
            with tempfile.TemporaryDirectory(prefix="auscult-") as folder:
                for member in members(path, self._limits):
                    for item in self._member(path, member, packages, Path(folder)):
                        empty = False
                        yield item
        except DAMAGE as error:
            raise SourceError(
                f"{path} is damaged or cut short ({error}): fetch it again."
            ) from error
        except OSError as error:
            raise SourceError(
                f"{path} can't be unpacked ({error.strerror or error}): check the path and the free "
                "space in the temporary folder."
            ) from error
        if empty:
            raise SourceError(f"{path} holds no file that can be read: check what it holds.")

    def _member(
        self, path: Path, member: Member, packages: Mapping[str, set[str]], folder: Path
    ) -> Iterator[sources.Item]:
        where = f"{path.name}/{member.name}"
        reason = _unsafe(member.name)
        if not reason and _passed_over(member.name, packages):
            return
        if reason := reason or member.refusal:
            yield sources.Skipped(where, reason)
            return
        target = folder / _plain_name(member.name)
        try:
            with target.open("wb") as stream:
                member.copy(stream)
            yield from _read(target, where, self._source, self._mapping)
        except _Unpackable as error:
            yield sources.Skipped(where, str(error))
        finally:
            target.unlink(missing_ok=True)


class GzipReader:
    """Reads a file of any known format that is packed with gzip."""

    def __init__(
        self,
        source: str | None = None,
        mapping: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._source, self._mapping = source, mapping
        self._limits = limits or Limits()

    def read(self, path: Path) -> Iterator[sources.Item]:
        """Yield what the unpacked file holds.

        Raises:
            SourceError: if it is damaged, or unpacks to more than the limits.
        """
        with tempfile.TemporaryDirectory(prefix="auscult-") as folder:
            target = Path(folder) / _plain_name(path.name[: -len(".gz")])
            try:
                with _packed.opened(path, self._limits) as stream, target.open("wb") as out:
                    _copy(stream.read, out, self._limits.member_bytes, path.name)
            except DAMAGE as error:
                raise SourceError(
                    f"{path} is damaged or cut short ({error}): fetch it again."
                ) from error
            except OSError as error:
                raise SourceError(
                    f"{path} can't be unpacked ({error.strerror or error}): check the path and the "
                    "free space in the temporary folder."
                ) from error
            try:
                for item in sources.read(target, self._source, mapping=self._mapping):
                    yield _relabel(item, target, path.name)
            except AuscultError as error:
                raise SourceError(str(error).replace(str(target), str(path))) from error


def _read(
    target: Path, where: str, source: str | None, mapping: Mapping[str, str] | None
) -> Iterator[sources.Item]:
    try:
        name, reader = sources.pick(target, source, mapping=mapping)
        if isinstance(reader, ArchiveReader):
            reason = f"It is a {name} archive within an archive: unpack it first."
            yield sources.Skipped(where, reason)
            return
        for item in reader.read(target):
            yield _relabel(item, target, where)
    except AuscultError as error:
        yield sources.Skipped(where, str(error).replace(str(target), target.name))


def _relabel(item: sources.Item, target: Path, where: str) -> sources.Item:
    """Return the item with the name that the user knows in the place of the temporary file's."""
    if not isinstance(item, sources.Skipped):
        return item
    told = item.where.replace(str(target), target.name)
    told = told.replace(target.name, where, 1) if target.name in told else f"{where}: {told}"
    return replace(item, where=told, reason=item.reason.replace(str(target), where))


def _packages(members: Iterator[Member]) -> dict[str, set[str]]:
    """Return by folder the names of the members that are the text of a package."""
    found: dict[str, set[str]] = {}
    try:
        for member in members:
            path = PurePosixPath(member.name)
            if sources.main_files([path.name]):
                found.setdefault(str(path.parent), set()).add(path.name)
    except (SourceError, *DAMAGE) as error:
        if isinstance(error, TooLarge):
            raise
        # What comes before the damage is read; then it is met again and told.
    return found


def _passed_over(name: str, packages: Mapping[str, set[str]]) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    main = packages.get(str(path.parent))
    return hidden or "__MACOSX" in path.parts or (main is not None and path.name not in main)


def _unsafe(name: str) -> str:
    plain = name.replace("\\", "/")
    if plain.startswith("/") or ".." in plain.split("/") or re.match(r"[A-Za-z]:", plain):
        return "Its name leads out of the archive: it was left out."
    return "" if _plain_name(name) else "It has no name: it was left out."


def _plain_name(name: str) -> str:
    """Return a member's own name, fit for any file system, with its suffixes kept."""
    own = re.sub(r"[\x00-\x1f\x7f<>:\"|?*]", "_", re.split(r"[/\\]", name.rstrip("/"))[-1])
    while len(own.encode("utf-8", "replace")) > 200:
        own = own[1:]
    return own.encode("utf-8", "replace").decode("utf-8").strip()


def _copy(read: Callable[[int], bytes], out: IO[bytes], most: int, name: str) -> int:
    done = 0
    while block := read(_BLOCK):
        done += len(block)
        if done > most:
            raise TooLarge(f"{name} unpacks to more than {most:,} bytes: unpack it yourself.")
        out.write(block)
    return done


def _tar_members(path: Path, limits: Limits) -> Iterator[Member]:
    with _packed.opened(path, limits) as stream:
        for number, entry in enumerate(_tar.entries(stream, path)):
            _count(number, path, limits)
            refusal = entry.refusal or _oversize(entry.size, limits)
            yield Member(entry.name, entry.size, refusal, entry.copy)


def _zip_members(path: Path, limits: Limits) -> Iterator[Member]:
    with path.open("rb") as stream:
        if not _directory_fits(stream):
            raise TooLarge(f"{path} lists too many members: split it into smaller archives.")
        with zipfile.ZipFile(stream) as archive:
            total = 0
            for number, info in enumerate(archive.infolist()):
                _count(number, path, limits)
                total += info.file_size
                if total > limits.total_bytes:
                    raise TooLarge(f"{path} unpacks to more than {limits.total_bytes:,} bytes.")
                if not info.is_dir():
                    yield _zip_member(archive, info, limits)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> Member:
    mode = info.external_attr >> 16
    refusal = _oversize(info.file_size, limits)
    if info.flag_bits & 1:
        refusal = "It is encrypted: unpack it with its password and name the file itself."
    elif mode & 0o170000 not in (0, 0o100000):
        refusal = "It is a link or a device and no file: it was left out."
    elif info.file_size > max(limits.slack_bytes, limits.ratio * info.compress_size):
        refusal = f"It unpacks to {info.file_size:,} bytes from {info.compress_size:,}: a bomb."

    def copy(out: IO[bytes]) -> None:
        # zipfile stops at the promised size, whatever the data says, and checks the digest.
        try:
            with archive.open(info) as stream:
                _copy(stream.read, out, limits.member_bytes, info.filename)
        except (NotImplementedError, RuntimeError, *DAMAGE) as error:
            raise _Unpackable(f"It can't be unpacked ({error}): pack it again.") from error

    return Member(info.filename, info.file_size, refusal, copy)


def _directory_fits(stream: IO[bytes]) -> bool:
    """Return whether the list of a ZIP's members is small enough to be read (APPNOTE 4.3.16)."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 65_557 - 76))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    long = tail.rfind(b"PK\x06\x06")
    length = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if long >= 0:
        length = max(length % 0xFFFFFFFF, int.from_bytes(tail[long + 40 : long + 48], "little"))
    stream.seek(0)
    return length <= _MAX_DIRECTORY_BYTES


def _count(number: int, path: Path, limits: Limits) -> None:
    if number >= limits.members:
        raise TooLarge(
            f"{path} holds more than {limits.members:,} members: split it into smaller archives."
        )


def _oversize(size: int, limits: Limits) -> str:
    if size <= limits.member_bytes:
        return ""
    return f"It is larger than {limits.member_bytes:,} bytes: unpack it and name the file itself."
