"""Files as streams of bytes or lines, unpacked where they are gzip, in bounded memory.

Bombs end in `TooLarge` while they are unpacked. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from retrieval.errors import SourceError

GZIP = b"\x1f\x8b"
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


class TooLarge(SourceError):
    """An archive that unpacks to more than it may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may unpack to.

    Attributes:
        members: how many members.
        member_bytes: size of one member.
        total_bytes: size of all members.
        ratio: unpacked bytes for each packed one, once `slack_bytes` are out; PubMed's XML has 10.
        slack_bytes: unpacked bytes for which the ratio isn't asked.
    """

    members: int = 1_000_000
    member_bytes: int = 2 << 30
    total_bytes: int = 1 << 40
    ratio: int = 200
    slack_bytes: int = 64 << 20


class Bounded:
    """A stream of unpacked bytes that ends in `TooLarge` where there are too many of them."""

    def __init__(
        self, stream: io.BufferedIOBase, packed: IO[bytes], path: Path, limits: Limits
    ) -> None:
        self._stream, self._packed, self._path, self._limits = stream, packed, path, limits
        self._done = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; fewer only at the end.

        Raises:
            TooLarge: beyond the limits.
        """
        return self._counted(self._stream.read(size))

    def some(self, size: int) -> bytes:
        """Return up to `size` bytes as they come, so that all before a damage are had.

        Raises:
            TooLarge: beyond the limits.
        """
        return self._counted(self._stream.read1(size))

    def _counted(self, block: bytes) -> bytes:
        self._done += len(block)
        most = max(self._limits.slack_bytes, self._limits.ratio * self._packed.tell())
        if self._done > min(most, self._limits.total_bytes):
            raise TooLarge(
                f"{self._path} unpacks to more than {self._done:,} bytes, far more than its size "
                "allows for: unpack it yourself if it is no bomb."
            )
        return block

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes.

        Raises:
            EOFError: if the stream ends before.
        """
        block = self.read(size)
        if len(block) < size:
            raise EOFError("it ends within a member")
        return block


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Bounded]:
    """Open a file, unpacked where it is gzip."""
    with path.open("rb") as packed:
        zipped = packed.read(2) == GZIP
        packed.seek(0)
        if zipped:
            with gzip.GzipFile(fileobj=packed) as stream:
                yield Bounded(stream, packed, path, limits)
        else:
            yield Bounded(packed, packed, path, limits)


class _Raw(io.RawIOBase):
    """`Bounded` as the standard library wants a stream to be, so that it can be buffered."""

    def __init__(self, stream: Bounded) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        block = self._stream.some(len(buffer))
        buffer[: len(block)] = block
        return len(block)


@dataclass(frozen=True, slots=True)
class Line:
    r"""A line of text with its end, or why it can't be read.

    Attributes:
        number: counted from 1.
        text: the line with its line end as "\n"; "" where there is a problem.
        problem: "" or one sentence.
    """

    number: int
    text: str
    problem: str = ""


def lines(path: Path, most: int, limits: Limits | None = None) -> Iterator[Line]:
    """Yield the lines of a text file in UTF-8, or in UTF-16 with a byte order mark.

    Args:
        path: the file, packed with gzip or not.
        most: longest line in bytes; the rest of a longer one is passed over.
        limits: what a packed file may unpack to.

    Raises:
        SourceError: if the file can't be opened, is no text, or is damaged.
    """
    try:
        with opened(path, limits or Limits()) as bounded:
            stream = io.BufferedReader(_Raw(bounded), 1 << 16)
            encoding = _encoding(stream.peek(4), path)
            if encoding == "utf-8":
                yield from _utf8_lines(stream, most)
            else:
                yield from _wide_lines(stream, most, encoding)
    except DAMAGE as error:
        raise SourceError(f"{path} is damaged or cut short ({error}): fetch it again.") from error
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error.strerror}): check the path.") from error


def _encoding(head: bytes, path: Path) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head[:4]:
        raise SourceError(f"{path} is no text: name a text file, saved as UTF-8.")
    return "utf-8"


def _utf8_lines(stream: io.BufferedReader[Any], most: int) -> Iterator[Line]:
    number = 0
    while raw := stream.readline(most + 1):
        number += 1
        if len(raw) > most and not raw.endswith(b"\n"):
            while (rest := stream.readline(most)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, "", f"It is longer than {most:,} bytes: split it.")
            continue
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            yield Line(number, "", "It is not UTF-8: save the file as UTF-8.")
            continue
        if raw.endswith(b"\r\n"):
            text = text[:-2] + "\n"
        if "\0" in text:
            yield Line(number, "", "It holds bytes that are no text: check the file.")
            continue
        yield Line(number, text)


def _wide_lines(stream: io.BufferedReader[Any], most: int, encoding: str) -> Iterator[Line]:
    text = io.TextIOWrapper(stream, encoding, newline=None)
    number = 0
    try:
        while line := text.readline(most + 1):
            number += 1
            if len(line) > most and not line.endswith("\n"):
                while (rest := text.readline(most)) and not rest.endswith("\n"):
                    pass
                yield Line(number, "", f"It is longer than {most:,} characters: split it.")
            else:
                yield Line(number, line)
    except UnicodeDecodeError:
        yield Line(
            number + 1, "", "It is not UTF-16, as the file's first bytes say: save it as UTF-8."
        )


def whole(path: Path, most: int, advice: str) -> bytes:
    """Return a file's bytes.

    Args:
        path: the file.
        most: bytes that it may have.
        advice: how the sentence about a larger one goes on after its size.

    Raises:
        SourceError: if it can't be read or is larger.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error.strerror}): check the path.") from error
    if len(data) > most:
        raise SourceError(f"{path} is larger than {most // 1_000_000} MB{advice}")
    return data
