"""Labelled images from a CSV: which classifier they are for, and what each row says.

Every defect is one `InputError` that names the file and the line. Knows nothing of figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import reading
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.vision.classifiers import Card

# What data may call a label, beside the name in a card, in letters and digits only.
ALIASES = {
    "normal": ("healthy", "nofinding", "none", "negative", "well"),
    "pneumonia": (
        "bacteria", "bacterial", "virus", "viral", "pneumoniabacteria", "pneumoniavirus",
        "bacterialpneumonia", "viralpneumonia", "positive",
    ),
    "bacterial": ("bacteria", "pneumoniabacteria", "bacterialpneumonia"),
    "viral": ("virus", "pneumoniavirus", "viralpneumonia"),
    "notumor": ("notumour", "normal", "healthy"),
    "notumour": ("notumor", "normal", "healthy"),
}  # fmt: skip
LABEL_COLUMNS = ("label", "label_nih")
# What keeps pictures of one person, or copies of one picture, together.
UNIT_COLUMNS = ("patient_id", "near_dup_group", "dup_group")
# Ages in years up to which a group goes, and its name.
AGES = ((6, "0 to 5"), (18, "6 to 17"), (40, "18 to 39"), (65, "40 to 64"), (200, "65 and over"))


def read(path: Path, cards: Sequence[Card], limit: int | None) -> tuple[list[dict[str, Any]], Card]:
    """Return the samples of a CSV, and the card of the classifier that knows all their labels.

    Args:
        path: with `file` (relative to the CSV) and `label` or `label_nih`; others may tell the
            patient, age in years, sex and view.
        cards: of the classifiers in use; the first that knows every label is taken.
        limit: samples at most, the first ones.

    Raises:
        InputError: naming the column or line that can't be used.
    """
    rows = reading.table(path, ("file",))[:limit]
    column = next((name for name in LABEL_COLUMNS if name in rows[0]), None)
    if column is None:
        reading.table(path, ("file", "label"))  # Says which columns there are.
    places = [_places(card) for card in cards]
    known = [p for p in places if all(_plain(row[str(column)]) in p for row in rows)]
    if not known:
        raise _unknown(path, rows, str(column), cards, places)
    card = cards[places.index(known[0])]
    unit = next((name for name in UNIT_COLUMNS if name in rows[0]), None)
    samples = [
        {
            "file": row["file"],
            "path": _film(path, row),
            "label": card.labels[known[0][_plain(row[str(column)])]],
            "patient_id": row[unit] if unit else "",
            "groups": _groups(row),
        }
        for row in rows
    ]
    return samples, card


def _places(card: Card) -> dict[str, int]:
    """Return the number of each label under each name that data may give it."""
    out: dict[str, int] = {}
    for number, label in enumerate(card.labels):
        for name in ALIASES.get(_plain(label), ()):
            out.setdefault(name, number)
    return out | {_plain(label): number for number, label in enumerate(card.labels)}


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "", label.lower())


def _unknown(
    path: Path,
    rows: Sequence[dict[str, str]],
    column: str,
    cards: Sequence[Card],
    places: Sequence[dict[str, int]],
) -> InputError:
    """Return the error that names the first label that the nearest classifier doesn't know."""

    def first(known: dict[str, int]) -> int:
        return next(at for at, row in enumerate(rows) if _plain(row[column]) not in known)

    row = rows[max(first(known) for known in places)]
    models = "; ".join(f"{card.name}: {', '.join(card.labels)}" for card in cards)
    return InputError(
        f"{path} line {row['_line']}: the label {row[column]!r} is none of the classifiers in use "
        f"({models}): mend it, or set image_classifiers to a model that knows it."
    )


def _film(path: Path, row: dict[str, str]) -> Path:
    film = path.parent / row["file"]
    if not film.is_file():
        raise InputError(
            f"{path} line {row['_line']}: there is no image {film}: mend the path, or add the file."
        )
    return film


def _groups(row: dict[str, str]) -> dict[str, str]:
    """Return what a row says of age, view and sex, as names of groups."""
    out = {}
    try:
        age = float(row.get("age") or row.get("age_years") or "")
    except ValueError:
        age = -1.0
    if 0 <= age < AGES[-1][0]:
        out["age"] = next(name for end, name in AGES if age < end)
    for column in ("view", "sex"):
        if word := re.sub(r"[^A-Za-z]", "", row.get(column) or "")[:12].upper():
            out[column] = word
    return out
