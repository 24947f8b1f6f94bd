"""Reads rows of a data file one by one: JSON lines, gzip or not, or one JSON list.

Every way in which a file can be broken is one sentence that names the file and the row, and quotes
nothing of what stands in it. Knows nothing of what the rows mean.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from retrieval.errors import InputError

# One row can't be longer than this many characters: a file without line ends would fill memory.
LONGEST = 64 << 20


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row) of a file; blank lines are passed over.

    Raises:
        InputError: if the file is missing, empty, damaged, or a row is no JSON object.
    """
    if not path.is_file():
        there = "is a folder" if path.is_dir() else "doesn't exist"
        raise InputError(f"The data file {path} {there}: name a .jsonl or .jsonl.gz file.")
    found = False
    for number, row in _numbered(path):
        found = True
        if not isinstance(row, dict):
            raise InputError(
                f"{path.name}, row {number} is no JSON object: each row has to be "
                'one, such as {"question": ..., "answer": ...}.'
            )
        yield number, row
    if not found:
        raise InputError(f"The data file {path} holds no rows: nothing can be trained on it.")


def _numbered(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with _opened(path) as stream:
            number = 0
            while line := stream.readline(LONGEST):
                number += 1
                if len(line) >= LONGEST:
                    raise InputError(f"{path.name}, row {number} is longer than {LONGEST} bytes.")
                if line.strip():
                    yield from _parsed(path, stream, number, line)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{path.name} is a damaged gzip file: copy or make it again (gzip -t tests it)."
        ) from error
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}.") from error


def _parsed(path: Path, stream: IO[bytes], number: int, line: bytes) -> Iterator[tuple[int, Any]]:
    if number == 1 and line.lstrip().startswith(b"["):
        yield from _listed(path, line + stream.read(LONGEST))
        return
    try:
        yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise InputError(
            f"{path.name}, row {number} is not UTF-8: save the file as UTF-8."
        ) from None
    except (ValueError, RecursionError):
        raise InputError(
            f"{path.name}, row {number} is not valid JSON: the file needs one JSON object a line."
        ) from None


def _listed(path: Path, text: bytes) -> Iterator[tuple[int, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{path.name} starts as a JSON list but is not valid JSON.") from None
    yield from enumerate(found, start=1)


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if not packed and path.suffix == ".gz" and path.stat().st_size:
        raise gzip.BadGzipFile(path.name)
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]
