"""Rows of a data file become conversations: the messages that a chat model is trained on.

Reads JSON lines and CSV, also gzipped. Tells the format by its columns, or checks the one that is
named, and says in one sentence which columns are there and which are needed. Knows nothing of
tokens or templates. What a row says is data: it is never run, followed or logged.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.chat import formats
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatData

GROUPS = ("patient_id", "encounter_id", "document_id", "doc_id", "id")
_MOST_LINE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row as messages.

    Attributes:
        messages: `role` and `content`, as `assistant.models._prompting.render` takes them; an
            assistant's message with `weight` 0 is not trained on.
        group: what must stay on one side of a split.
        row: its number in the file, from 1.
        tools: JSON schemas of the tools that were offered, or none.
        rejected: the answer that is to become less likely, in preference data; else "".
    """

    messages: tuple[Mapping[str, Any], ...]
    group: str
    row: int
    tools: tuple[Mapping[str, Any], ...] = ()
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Both sides of a training.

    Attributes:
        train: what is trained on.
        validation: what the best step is selected on.
        format: as read.
        files: name and SHA-256 of each file.
    """

    train: tuple[Conversation, ...]
    validation: tuple[Conversation, ...]
    format: str
    files: tuple[tuple[str, str], ...]


def load(settings: ChatData, folder: Path | None = None) -> Dataset:
    """Return the conversations that a recipe's `data` names.

    Args:
        settings: the recipe's block.
        folder: where its files are looked for before the working directory.

    Raises:
        InputError: if a file is missing or damaged, has the wrong columns, or has too few rows.
    """
    path = locate(settings.train, folder)
    train, kind = conversations(path, settings)
    files = [(path.name, _digest(path))]
    if settings.validation is not None:
        other = locate(settings.validation, folder)
        held, _ = conversations(other, settings.model_copy(update={"format": kind}))
        files.append((other.name, _digest(other)))
    else:
        train, held = _hold_back(train, settings.held_back, path)
    return Dataset(tuple(train), tuple(held), kind, tuple(files))


def locate(name: str, folder: Path | None) -> Path:
    """Return the file of a name, in the data folder or else as given.

    Raises:
        InputError: if there is none.
    """
    tried = [*([folder / name] if folder is not None else []), Path(name).expanduser()]
    for path in tried:
        if path.is_file():
            return path
    where = " nor ".join(str(path) for path in tried)
    raise InputError(f"There is no data file {where}: check data.train and data.validation.")


def conversations(path: Path, settings: ChatData) -> tuple[list[Conversation], str]:
    """Return a file's conversations and their format.

    Raises:
        InputError: as `load`.
    """
    kind: formats.Format | None = None
    out: list[Conversation] = []
    for number, row in rows(path):
        if kind is None:
            kind = formats.choose(settings.format, row, path)
        if settings.limit is not None and len(out) >= settings.limit:
            break
        read = formats.read(kind, row, f"{path}, row {number}", settings.system)
        group = _group(row, settings.group, path, number)
        out.append(Conversation(read.messages, group, number, read.tools, read.rejected))
    if kind is None:
        raise InputError(f"{path} holds no rows: give a file with at least one.")
    return out, kind.name


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and the fields of each row of a .jsonl or .csv file, also .gz.

    Raises:
        InputError: if the file is of another kind or damaged; it names the line.
    """
    name = path.name.removesuffix(".gz")
    if not name.endswith((".jsonl", ".csv", ".tsv")):
        raise InputError(f"{path} can't be read as data: give .jsonl, .csv or .tsv, also as .gz.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw:
            if name.endswith(".jsonl"):
                yield from _json_rows(raw, path)
            else:
                yield from _table_rows(raw, path, "\t" if name.endswith(".tsv") else ",")
    except (OSError, EOFError) as error:
        raise InputError(f"{path} can't be read to its end ({error}): restore the file.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: convert it.") from error


def _json_rows(raw: Any, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while line := raw.readline(_MOST_LINE_BYTES):
        number += 1
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number} is no JSON object: mend or remove the line.")
        yield number, row


def _table_rows(raw: Any, path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    try:
        for number, row in enumerate(csv.DictReader(text, delimiter=delimiter), start=1):
            if None in row or None in row.values():
                raise InputError(
                    f"{path}, row {number} has more or fewer fields than the header: mend it."
                )
            yield number, dict(row)
    except csv.Error as error:
        raise InputError(f"{path} is no table ({error}): export it once more.") from error
    finally:
        text.detach()  # the caller closes what is below


def _group(row: Mapping[str, Any], column: str | None, path: Path, number: int) -> str:
    if column is not None:
        if column not in row:
            raise InputError(
                f"{path}, row {number} has no column {column!r}, which data.group names; it has "
                f"{', '.join(sorted(row))}."
            )
        return str(row[column])
    for name in GROUPS:
        if row.get(name) not in (None, ""):
            return f"{name}:{row[name]}"
    # Rows that are the same stay together even where nothing names them.
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _hold_back(
    found: Sequence[Conversation], share: float, path: Path
) -> tuple[list[Conversation], list[Conversation]]:
    """Hold back whole groups, chosen by their digest, so that no other row changes their side."""
    ranked = sorted({c.group for c in found}, key=lambda g: hashlib.sha256(g.encode()).digest())
    if len(ranked) < 2:
        raise InputError(
            f"{path} holds one group of rows only, so none can be held back: name a file as "
            "data.validation."
        )
    held = set(ranked[: max(1, round(share * len(ranked)))])
    return (
        [c for c in found if c.group not in held],
        [c for c in found if c.group in held],
    )


def _digest(path: Path) -> str:
    from retrieval import files

    return files.sha256(path)
