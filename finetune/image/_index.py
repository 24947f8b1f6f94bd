"""The CSV that lists pictures: its rows, their labels, and which of them belong together.

Faults are one sentence with the file and the line. Opens no picture.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune import _validation_sources as sources
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune.image.recipe import Pictures

# What a split column may say, and the part it means.
PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "test": "hold-out", "hold-out": "hold-out",
    "held_out": "hold-out", "holdout": "hold-out",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an index.

    Attributes:
        line: its number, the header's being 1.
        path: the picture.
        file: the picture as the index names it.
        label: place of its class; -1 where labels don't count.
        values: all columns.
    """

    line: int
    path: Path
    file: str
    label: int
    values: Mapping[str, str]


def find(pictures: Pictures, data: Path | None) -> Path:
    """Return where an index lies.

    Raises:
        InputError: if it is neither in the data folder nor where its path says.
    """
    return sources.find(pictures.index, data, "index")


def rows(
    path: Path,
    pictures: Pictures,
    classes: Mapping[str, Sequence[str]] | None,
    needed: Iterable[str],
) -> list[Row]:
    """Return the rows of an index that a recipe uses, in order.

    Args:
        path: the CSV.
        pictures: columns, filter and limit.
        classes: labels with the column's values that mean them; None leaves labels out.
        needed: further columns that have to be there.

    Raises:
        InputError: naming the file, line or column that can't be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            found = list(enumerate(csv.DictReader(stream), start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} can't be read as a CSV in UTF-8 ({error}).") from error
    wanted = [pictures.file, *pictures.only, *needed, *([pictures.label] if classes else [])]
    _check_columns(path, found, wanted)
    kept = [(line, row) for line, row in found if _chosen(row, pictures.only)]
    if not kept:
        raise InputError(f"{path} has no row left: mend `only` in the recipe.")
    if pictures.limit and pictures.limit < len(kept):
        places = np.linspace(0, len(kept) - 1, pictures.limit).astype(int)
        kept = [kept[place] for place in places]
    known = _known(classes or {})
    return [_row(path, line, row, pictures, known if classes else None) for line, row in kept]


def _check_columns(
    path: Path, found: Sequence[tuple[int, Mapping[str, str]]], wanted: Sequence[str]
) -> None:
    if not found:
        raise InputError(f"{path} lists no picture: it needs a header and a line for each picture.")
    header = list(filter(None, found[0][1]))
    lacking = [name for name in dict.fromkeys(wanted) if name not in header]
    if lacking:
        raise InputError(
            f"{path} has no column {', '.join(map(repr, lacking))}: it has {', '.join(header)}; "
            "name the columns in the recipe's data: block."
        )


def _chosen(row: Mapping[str, str], only: Mapping[str, Sequence[str]]) -> bool:
    return all(
        (row.get(column) or "").strip().lower() in {value.lower() for value in values}
        for column, values in only.items()
    )


def _known(classes: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {
        value.strip().lower(): place
        for place, values in enumerate(classes.values())
        for value in values
    }


def _row(
    path: Path, line: int, row: Mapping[str, str], pictures: Pictures, known: dict[str, int] | None
) -> Row:
    file = (row[pictures.file] or "").strip()
    if not file:
        raise InputError(f"{path}, line {line} names no file.")
    picture = path.parent / file
    if not picture.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(f"{path}, line {line}: {file} lies outside the index's folder.")
    label = -1
    if known is not None:
        said = (row[pictures.label] or "").strip()
        label = known.get(said.lower(), -1)
        if label < 0:
            raise InputError(
                f"{path}, line {line}: the label {said!r} is none of {', '.join(sorted(known))}: "
                "mend it, or name it in data.classes or leave it out by data.only."
            )
    return Row(line, picture, file, label, row)


def groups(
    found: Sequence[Row], columns: Sequence[str], digests: Sequence[str] | None = None
) -> np.ndarray:
    """Return the name of each row's group, (N,): rows that share a value are joined, by union-find.

    Args:
        found: the rows.
        columns: whose values join rows; empty ones join nothing.
        digests: of the pixels; rows with the same one are joined as well.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent.setdefault(parent[name], parent[name])
            name = parent[name]
        return name

    own: list[str] = []
    for number, row in enumerate(found):
        marks = [f"{c}={value}" for c in columns if (value := (row.values.get(c) or "").strip())]
        marks = marks or [f"{row.file}"]
        if digests is not None:
            marks.append(f"pixels={digests[number]}")
        first = root(marks[0])
        for mark in marks[1:]:
            other = root(mark)
            # The smaller name stands for both, so that a group's name doesn't hang on the order.
            first, gone = sorted((first, other))
            parent[gone] = first
        own.append(marks[0])
    return np.array([root(name) for name in own])


def part(row: Row, column: str, path: Path) -> str:
    """Return which part a row's split column puts it in.

    Raises:
        InputError: if the column says something else.
    """
    said = (row.values.get(column) or "").strip().lower()
    if said not in PARTS:
        raise InputError(
            f"{path}, line {row.line}: the split {said!r} is none of {', '.join(sorted(PARTS))}."
        )
    return PARTS[said]
