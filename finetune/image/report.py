"""Checks the pictures of a recipe before anything is trained, and says what is wrong with them.

A missing or unreadable file, a wrong label or a missing column ends in one sentence at once; copies
across parts, pictures under two labels, blank pictures and thin classes are counted and told by line.
Whether a picture shows a name burned into it is not looked for here. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune.image import _index
from finetune.image import data as pictures
from finetune.validation import SHOWN_ROWS, DataReport, FileReport, Issue
from retrieval import files

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe, ToolRecipe

# Pictures of a class under which a part says little.
FEW = 10
# Grey levels of deviation under which a picture shows nothing.
BLANK = 2.0


def check(recipe: ImageRecipe | ToolRecipe, data: Path | None) -> DataReport:
    """Read every picture that a recipe trains or measures on and report what is wrong.

    Args:
        recipe: of an image task.
        data: the data folder, where relative paths are looked for first; None if there is none.

    Raises:
        InputError: if the index, a file or a label can't be used.
    """
    films = pictures.of(recipe, data)
    index = _index.find(recipe.data, data)
    masks = pictures.parts(films, recipe.data)
    digest = files.sha256(index)
    reports = [
        FileReport(index.name, name, "pictures", int(mask.sum()), 0, 0, {}, digest)
        for name, mask in masks.items()
        if mask.any()
    ]
    for block in getattr(recipe, "external", ()):
        other = _index.find(block, data)
        rows = _index.rows(other, block, block.classes or recipe.data.classes, ())
        reports.append(
            FileReport(other.name, block.name, "pictures", len(rows), 0, 0, {}, files.sha256(other))
        )
    errors: list[Issue] = []
    warnings: list[Issue] = []
    for issue, fatal in _issues(recipe, index.name, films, masks):
        (errors if fatal else warnings).append(issue)
    counts = {"rows": len(films), **{issue.kind: issue.count for issue in (*errors, *warnings)}}
    for place, label in enumerate(recipe.data.classes):
        counts[f"label {label}"] = int((films.labels == place).sum())
    return DataReport(tuple(reports), tuple(errors), tuple(warnings), {}, counts)


def _issues(
    recipe: ImageRecipe | ToolRecipe, file: str, films: Films, masks: Mapping[str, np.ndarray]
) -> Iterator[tuple[Issue, bool]]:
    def made(kind: str, rows: Sequence[int], said: str) -> Issue:
        lines = [int(films.lines[row]) for row in rows]
        where = ", ".join(map(str, lines[:SHOWN_ROWS])) + (
            ", ..." if len(lines) > SHOWN_ROWS else ""
        )
        noun = "picture" if len(lines) == 1 else "pictures"
        text = f"{file}: {said.format(n=f'{len(lines)} {noun}')} (line {where})."
        return Issue(kind, file, text, len(lines), tuple(lines[:SHOWN_ROWS]))

    if rows := _leaking(films, masks):
        said = "{n} share a group or their pixels with a picture to train on: move them"
        if recipe.allow_leakage:
            said += " (let pass by allow_leakage)"
        yield made("leakage", rows, said), not recipe.allow_leakage
    same = _same(films.digests)
    if rows := [row for found in same for row in found[1:]]:
        yield made("duplicate", rows, "{n} have the very pixels of an earlier one"), False
    if rows := [r for found in same if len(set(films.labels[found])) > 1 for r in found]:
        yield made("label", rows, "{n} stand under more than one label: mend or remove them"), False
    if rows := np.flatnonzero(films.pixels.std((1, 2)) < BLANK).tolist():
        yield made("empty", rows, "{n} are blank: remove them"), False
    for place, label in enumerate(recipe.data.classes):
        for part, mask in masks.items():
            rows = np.flatnonzero(mask & (films.labels == place)).tolist()
            if 0 < len(rows) < FEW:
                said = f"{{n}} of {label!r} in the {part} part: its figures will say little"
                yield made("few", rows, said.replace("'", '"')), False


def _leaking(films: Films, masks: Mapping[str, np.ndarray]) -> list[int]:
    """Return the rows outside training whose group or pixels stand in training."""
    train = masks["train"]
    known = {*films.groups[train].tolist(), *films.digests[train].tolist()}
    return [
        int(row)
        for row in np.flatnonzero(~train)
        if films.groups[row] in known or films.digests[row] in known
    ]


def _same(digests: np.ndarray) -> list[list[int]]:
    """Return the rows of each set of identical pictures."""
    many = {digest for digest, count in Counter(digests.tolist()).items() if count > 1}
    found: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests.tolist()):
        if digest in many:
            found[digest].append(row)
    return list(found.values())
