"""Evaluation data from disk: JSON lines, tables and CSV, plain or gzipped.

Every defect is one `InputError` that names the file and the line. Nothing is skipped in silence.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrieval.errors import InputError


def text(path: Path) -> str:
    """Return the text of a file, unpacked where its name ends in .gz.

    Raises:
        InputError: if it is missing, no UTF-8, or damaged.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}: give the path of an existing file.")
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} can't be read ({error}): fetch it again.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): convert it.") from error


def json_lines(path: Path, required: Mapping[str, type]) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file; blank lines are allowed.

    Args:
        path: the file.
        required: the keys that each object must have, and their types.

    Raises:
        InputError: naming the first line that is no JSON object or lacks a key.
    """
    out = []
    for number, line in enumerate(text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} is not valid JSON ({error}): mend that line.") from error
        if not isinstance(row, dict):
            raise InputError(f"{where} is a JSON {type(row).__name__}, not an object: mend it.")
        for key, kind in required.items():
            if key not in row:
                raise InputError(f"{where} has no {key!r}: add it.")
            if not isinstance(row[key], kind):
                raise InputError(f"{where}: {key!r} is no {kind.__name__}: mend it.")
        out.append({**row, "_line": number})
    if not out:
        raise InputError(f"{path} holds no samples: give a file with at least one line.")
    return out


def table(path: Path, required: tuple[str, ...], delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a CSV or TSV file with a header.

    Raises:
        InputError: naming a missing column, or the first row with too few or too many fields.
    """
    reader = csv.DictReader(io.StringIO(text(path)), delimiter=delimiter, strict=True)
    try:
        header = reader.fieldnames or ()
        for column in required:
            if column not in header:
                raise InputError(
                    f"{path} has no column {column!r} (it has {', '.join(header) or 'none'}): "
                    "add it to the first line."
                )
        out = []
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{path} line {reader.line_num} has not as many fields as the header: mend it."
                )
            out.append({**row, "_line": str(reader.line_num)})
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num} is not valid CSV ({error}).") from error
    if not out:
        raise InputError(f"{path} holds no rows below its header: give at least one.")
    return out
