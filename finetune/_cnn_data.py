"""Labelled films from an index CSV, split so that no patient stands on two sides.

Knows nothing of networks. The index has the columns file, label and patient_id, and may have
dup_group, orig_width and orig_height; files are relative to the CSV.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from assistant.errors import InputError
from assistant.vision.network import FILM_SIDE

NORMAL = ("normal",)
PNEUMONIA = ("pneumonia", "bacteria", "virus")


@dataclass(frozen=True)
class Films:
    """Films in memory.

    Attributes:
        pixels: (N, 224, 224) uint8, squashed to a square.
        labels: (N,) 1 for pneumonia, 0 for normal.
        aspects: (N,) width / height of the original; drawn from the class's where unknown.
        groups: (N,) patients that share a duplicate count as one.
        files: (N,) path in the index.
    """

    pixels: np.ndarray
    labels: np.ndarray
    aspects: np.ndarray
    groups: np.ndarray
    files: tuple[str, ...]

    def take(self, rows: np.ndarray) -> Films:
        """Return the films at `rows` (indices or a mask)."""
        where = np.flatnonzero(rows) if rows.dtype == bool else rows
        files = tuple(self.files[row] for row in where)
        return Films(
            self.pixels[where], self.labels[where], self.aspects[where], self.groups[where], files
        )

    def __len__(self) -> int:
        return len(self.labels)


def load(index: Path, limit: int = 0, label: str = "label") -> Films:
    """Read the films that `index` lists.

    Args:
        index: the CSV.
        limit: read this many only, evenly spread over the index; 0 reads all.
        label: the column that holds the label.

    Raises:
        InputError: naming the file and line that can't be used.
    """
    if not index.is_file():
        raise InputError(f"There is no index at {index}: name a CSV with file,label,patient_id.")
    with index.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or not {"file", label, "patient_id"} <= set(rows[0]):
        raise InputError(f"{index} needs the columns file, {label} and patient_id, and a film.")
    numbered = list(enumerate(rows, start=2))
    if limit and limit < len(numbered):
        chosen = np.linspace(0, len(numbered) - 1, limit).astype(int)
        numbered = [numbered[row] for row in chosen]
    pixels = np.stack([_read(index, line, row["file"]) for line, row in numbered])
    labels = np.array([_label(index, line, row[label]) for line, row in numbered])
    kept = [row for _, row in numbered]
    aspects = _aspects(kept, labels)
    return Films(pixels, labels, aspects, _groups(kept), tuple(row["file"] for row in kept))


def split(films: Films, validation: float = 0.12, hold_out: float = 0.12) -> dict[str, np.ndarray]:
    """Return masks "train", "validation" and "hold-out"; a group stands in one of them only.

    The side depends on the group's name alone, so it stays the same when films are added.
    """
    place = np.array(
        [int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 16**8 for group in films.groups]
    )
    held = place < hold_out
    tuned = ~held & (place < hold_out + validation)
    return {"train": ~held & ~tuned, "validation": tuned, "hold-out": held}


def _read(index: Path, line: int, file: str) -> np.ndarray:
    path = index.parent / file
    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
            if grey.size != (FILM_SIDE, FILM_SIDE):
                grey = grey.resize((FILM_SIDE, FILM_SIDE), Image.Resampling.LANCZOS)
            return np.asarray(grey)
    except OSError as error:
        raise InputError(f"{index}, line {line}: {path} can't be read ({error}).") from error


def _label(index: Path, line: int, label: str) -> int:
    name = label.strip().lower()
    if name in NORMAL:
        return 0
    if name in PNEUMONIA:
        return 1
    raise InputError(f"{index}, line {line}: the label {label!r} is not NORMAL or PNEUMONIA.")


def _aspects(rows: list[dict[str, str]], labels: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(0)
    known = np.array(
        [
            float(row["orig_width"]) / float(row["orig_height"]) if row.get("orig_width") else 0.0
            for row in rows
        ]
    )
    for label in (0, 1):
        pool = known[(labels == label) & (known > 0)]
        missing = (labels == label) & (known == 0)
        known[missing] = generator.choice(pool, missing.sum()) if len(pool) else 1.3
    return known.clip(0.6, 2.5)


def _groups(rows: list[dict[str, str]]) -> np.ndarray:
    """Join patients that share a duplicate group, by union-find."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    copies: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        root(row["patient_id"])
        if row.get("dup_group"):
            copies[row["dup_group"]].append(row["patient_id"])
    for patients in copies.values():
        for patient in patients[1:]:
            parent[root(patient)] = root(patients[0])
    return np.array([root(row["patient_id"]) for row in rows])
