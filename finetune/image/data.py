"""Labelled pictures in memory, parted so that no patient stands on two sides.

`load` reads an index into one array of squashed grey squares; `part` and `folds` part it by groups.
Knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.image import _index, read
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune.image.recipe import External, ImageData, ImageRecipe, Pictures, ToolRecipe

log = logging.getLogger(__name__)
find = _index.find
PARTS = ("train", "validation", "hold-out")
# Width / height where the index doesn't say and no picture of the class does.
_ASPECT = 1.3


@dataclass(frozen=True, eq=False)
class Films:
    """Pictures in memory.

    Attributes:
        pixels: (N, S, S) uint8, squashed to a square.
        labels: (N,) int64, place of the class; -1 where there is no label.
        aspects: (N,) width / height of the original; drawn from the class's where unknown.
        groups: (N,) names of groups that are never parted.
        files: (N,) as the index names them.
        stated: (N,) the part that the index states, or "".
        digests: (N,) SHA-256 of each picture's pixels, its first 16 digits.
        lines: (N,) in the index.
    """

    pixels: np.ndarray
    labels: np.ndarray
    aspects: np.ndarray
    groups: np.ndarray
    files: tuple[str, ...]
    stated: np.ndarray
    digests: np.ndarray
    lines: np.ndarray

    def take(self, rows: np.ndarray) -> Films:
        """Return the pictures at `rows` (indices or a mask)."""
        where = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Films(
            self.pixels[where],
            self.labels[where],
            self.aspects[where],
            self.groups[where],
            tuple(self.files[row] for row in where),
            self.stated[where],
            self.digests[where],
            self.lines[where],
        )

    def joined(self, other: Films) -> Films:
        """Return these pictures and, after them, those of another place."""
        own, theirs = astuple(self), astuple(other)
        return Films(*(_together(a, b) for a, b in zip(own, theirs, strict=True)))

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """Return the SHA-256 of files' names, pixels, labels and groups."""
        found = hashlib.sha256(self.labels.tobytes())
        for column in (self.files, self.digests.tolist(), self.groups.tolist()):
            found.update("\n".join(column).encode())
        return found.hexdigest()


def load(index: Path, data: ImageData, side: int = 224) -> Films:
    """Read the pictures that an index lists.

    Args:
        index: the CSV.
        data: columns, classes and groups.
        side: of the squares, in pixels.

    Raises:
        InputError: naming the file and line that can't be used.
    """
    needed = [*data.group, *([data.split] if data.split else [])]
    found = _index.rows(index, data, data.classes, needed)
    pixels, digests = _read(index, found, side)
    labels = np.array([row.label for row in found], np.int64)
    stated = [_index.part(row, data.split, index) if data.split else "" for row in found]
    # Where the index states the parts, copies are told (see `report`), not moved.
    joined = None if data.split else digests
    return Films(
        pixels,
        labels,
        _aspects(found, labels, data.aspect),
        _index.groups(found, data.group, joined),
        tuple(row.file for row in found),
        np.array(stated),
        np.array(digests),
        np.array([row.line for row in found]),
    )


def astuple(films: Films) -> tuple[Any, ...]:
    """Return the columns of pictures, in order, none of them copied."""
    return tuple(getattr(films, field.name) for field in fields(films))


def _together(one: Any, other: Any) -> Any:
    return one + other if isinstance(one, tuple) else np.concatenate([one, other])


_kept: dict[tuple[str, int, str, int], Films] = {}


def of(recipe: ImageRecipe | ToolRecipe, data: Path | None) -> Films:
    """Return the pictures of a recipe; the last ones that were read stay in memory.

    Args:
        recipe: whose `data` block counts.
        data: the data folder; None if there is none.

    Raises:
        InputError: naming the file and line that can't be used.
    """
    side = getattr(recipe, "store", 224)
    index = _index.find(recipe.data, data)
    key = (str(index), index.stat().st_mtime_ns, recipe.data.model_dump_json(), side)
    if key not in _kept:
        _kept.clear()
        _kept[key] = load(index, recipe.data, side)
    return _kept[key]


def load_external(
    index: Path, external: External, classes: Mapping[str, Sequence[str]], side: int = 224
) -> Films:
    """Read the pictures of another place; their groups are their files.

    Raises:
        InputError: naming the file and line that can't be used.
    """
    return _plain(index, external, external.classes or classes, side)


def load_unlabelled(index: Path, pictures: Pictures, side: int = 224) -> Films:
    """Read pictures whose labels are not looked at.

    Raises:
        InputError: naming the file and line that can't be used.
    """
    return _plain(index, pictures, None, side)


def _plain(
    index: Path, pictures: Pictures, classes: Mapping[str, Sequence[str]] | None, side: int
) -> Films:
    found = _index.rows(index, pictures, classes, ())
    pixels, digests = _read(index, found, side)
    files = tuple(row.file for row in found)
    labels = np.array([row.label for row in found], np.int64)
    count = len(found)
    return Films(
        pixels, labels, np.full(count, _ASPECT), np.array(files), files,
        np.full(count, ""), np.array(digests), np.array([row.line for row in found]),
    )  # fmt: skip


def _read(index: Path, found: Sequence[_index.Row], side: int) -> tuple[np.ndarray, list[str]]:
    pixels = np.empty((len(found), side, side), np.uint8)
    digests = []
    for number, row in enumerate(found):
        pixels[number] = read.square(row.path, side, f"{index}, line {row.line}")
        digests.append(hashlib.sha256(pixels[number].tobytes()).hexdigest()[:16])
    log.info("%d pictures of %s are in memory", len(found), index.name)
    return pixels, digests


def parts(films: Films, data: ImageData) -> dict[str, np.ndarray]:
    """Return masks "train", "validation" and "hold-out"; a group stands in one of them only.

    As the index states, or else by the digests of the groups' names, a like share of every class's
    groups. Where the index states no validation or hold-out part, a share of training becomes one.
    """
    place = _standing(films)
    if not data.split:
        held = place < data.held_out
        tuned = ~held & (place < data.held_out + data.validation)
        return {"train": ~held & ~tuned, "validation": tuned, "hold-out": held}
    found = {name: films.stated == name for name in PARTS}
    if not found["hold-out"].any():
        found["hold-out"] = found["train"] & (place < data.held_out)
        found["train"] = found["train"] & ~found["hold-out"]
    if not found["validation"].any():
        found["validation"] = found["train"] & (place >= 1 - data.validation)
        found["train"] = found["train"] & ~found["validation"]
    return found


def _standing(films: Films) -> np.ndarray:
    """Return where each picture's group stands among its class's, (N,) in (0, 1), by digest."""
    names, first, table = _table(films)
    main = table.argmax(1)
    digests = _places(names, "")
    out = np.zeros(len(names))
    for label in np.unique(main):
        here = np.flatnonzero(main == label)
        order = here[np.argsort(digests[here], kind="stable")]
        out[order] = (np.arange(len(order)) + 0.5) / len(order)
    return out[first]


def _table(films: Films) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the groups' names, each picture's group, and pictures by group and class."""
    names, first = np.unique(films.groups, return_inverse=True)
    table = np.zeros((len(names), int(films.labels.max()) + 1), int)
    np.add.at(table, (first, films.labels), 1)
    return names, first, table


def split(films: Films, recipe: ImageRecipe) -> dict[str, Films]:
    """Return the pictures of each part of a recipe's data.

    Raises:
        InputError: if a part that is needed lacks a class.
    """
    masks = parts(films, recipe.data)
    found = {name: films.take(masks[name]) for name in PARTS}
    needed = ["train"]
    if recipe.data.held_out or recipe.data.split:
        needed.append("hold-out")
    if recipe.out_of_fold is None:
        needed.append("validation")
    for name in needed:
        lacking = [
            label for place, label in enumerate(recipe.labels)
            if not (found[name].labels == place).any()
        ]  # fmt: skip
        if lacking:
            raise InputError(
                f"The {name} part of the data has no picture of {', '.join(lacking)} "
                f"({len(found[name])} in all): give more pictures, or mend data.classes and "
                f"data.{'validation' if name == 'validation' else 'held_out'}."
            )
    return found


def folds(films: Films, count: int, seed: int = 0) -> np.ndarray:
    """Return each picture's fold, (N,) from 0: groups stay whole, classes are spread evenly.

    Groups are ordered by the digest of their name and dealt, class by class, to the fold that has
    the fewest pictures of that class so far.

    Raises:
        InputError: if there are fewer groups than folds.
    """
    names, first, table = _table(films)
    if len(names) < count:
        raise InputError(f"{len(names)} groups of pictures can't fill {count} folds.")
    classes = table.shape[1]
    order = np.argsort(_places(names, f"fold {seed} "), kind="stable")
    held = np.zeros((count, classes), int)
    chosen = np.zeros(len(names), int)
    # Large groups first, or the last one could tip a fold.
    for row in sorted(order, key=lambda row: -int(table[row].max())):
        main = int(table[row].argmax())
        chosen[row] = min(range(count), key=lambda fold: (held[fold, main], held[fold].sum(), fold))
        held[chosen[row]] += table[row]
    return chosen[first]


def _places(names: np.ndarray, salt: str) -> np.ndarray:
    """Return a number in [0, 1) for each name, by its digest."""
    return np.array(
        [
            int(hashlib.sha256(f"{salt}{name}".encode()).hexdigest()[:8], 16) / 16**8
            for name in names
        ]
    )


def _aspects(
    found: Sequence[_index.Row], labels: np.ndarray, columns: tuple[str, str]
) -> np.ndarray:
    generator = np.random.default_rng(0)
    known = np.array([_aspect(row.values, columns) for row in found])
    for label in np.unique(labels):
        pool = known[(labels == label) & (known > 0)]
        missing = (labels == label) & (known == 0)
        known[missing] = generator.choice(pool, missing.sum()) if len(pool) else _ASPECT
    return known.clip(0.6, 2.5)


def _aspect(values: Mapping[str, str], columns: tuple[str, str]) -> float:
    try:
        return float(values[columns[0]]) / float(values[columns[1]])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0
