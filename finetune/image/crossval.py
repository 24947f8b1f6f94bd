"""Cross-validation of image recipes: `python -m finetune.image.crossval RECIPE... --data DIR --out DIR`.

Each recipe (an arm) trains one network for every fold of whole groups and answers for the pictures
of that fold, as they are and corrupted. Calibration is crossed as well: a fold's probabilities come
from the other folds' answers. Writes OUT/ARM/out_of_fold.npz (which calibrates a network of all
pictures, and teaches one), OUT/table.json and OUT/table.md. Goes on where it was broken off.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune import recipe as recipes
from retrieval import files
from retrieval.errors import AuscultError, ConfigError

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe
    from finetune.image.trainer import Fitted

log = logging.getLogger("finetune.image.crossval")
FILE = "out_of_fold.npz"


@dataclass(frozen=True, slots=True)
class Options:
    """What a cross-validation is told besides its recipes.

    Attributes:
        folds: how many.
        only: numbers of the folds to run; empty for all.
        corrupted: whether answers under every corruption are wanted.
    """

    folds: int = 5
    only: tuple[int, ...] = ()
    corrupted: bool = True


def run(
    arms: Sequence[ImageRecipe], data: Path | None, out: Path, options: Options
) -> list[dict[str, Any]]:
    """Cross-validate each arm; write its answers and the table; return the table's rows.

    Raises:
        ConfigError: if two arms share a name.
        InputError: if the data can't be used.
        TrainingError: if a training can't go on; what was done stands.
    """
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise ConfigError("Two recipes have the same name: give each its own, or --set name=...")
    table = []
    for arm in arms:
        table.append(_arm(arm, data, out / arm.name, options))
        files.write_json(out / "table.json", table)
        files.write_text(out / "table.md", markdown(table))
    return table


@dataclass(frozen=True, eq=False)
class _Arm:
    """One recipe's cross-validation: pictures, their folds, and where its answers go."""

    recipe: ImageRecipe
    films: Films
    folds: np.ndarray
    external: Sequence[Films]
    data: Path | None
    out: Path
    options: Options


def _arm(recipe: ImageRecipe, data: Path | None, out: Path, options: Options) -> dict[str, Any]:
    from finetune.image import data as pictures

    films = pictures.of(recipe, data)
    folds = pictures.folds(films, options.folds, 0)
    external = [
        pictures.load_external(pictures.find(block, data), block, recipe.data.classes, recipe.store)
        for block in recipe.external
    ]
    arm = _Arm(recipe, films, folds, external, data, out, options)
    done = [_fold(arm, fold) for fold in options.only or range(options.folds)]
    found = _joined(done)
    with files.atomic_path(out / FILE) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream, allow_pickle=False, **found, files=np.array(films.files)[found["rows"]],
            labels=films.labels[found["rows"]], folds=folds[found["rows"]],
            classes=np.array(recipe.labels),
        )  # fmt: skip
    row = {"arm": recipe.name, **_figures(recipe, films, folds, found)}
    for block, known in zip(recipe.external, external, strict=True):
        row[block.name] = _outside(done, block.name, known.labels)
    log.info("%s", row)
    return row


def _fold(arm: _Arm, fold: int) -> dict[str, np.ndarray]:
    """Train for a fold and return its answers, or those that an earlier call has left."""
    from finetune.image import loop, score, trainer

    path, mark = arm.out / f"fold-{fold}.npz", _mark(arm)
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["mark"]) == mark:
                return {name: stored[name] for name in stored.files}
    inside = arm.films.take(arm.folds != fold)
    tuned = np.zeros(len(inside), bool)
    if arm.recipe.select == "best":
        # The step is selected within the training folds; the fold itself is never looked at.
        tuned = _selecting(inside, arm.recipe)
    where = trainer.Where(arm.out / f"fold-{fold}", arm.data, loop.accelerator(), _progress())
    fitted = trainer.fit(arm.recipe, inside.take(~tuned), inside.take(tuned), where)
    answers = {**_answers(arm, fold, fitted), "mark": np.array(mark)}
    arm.out.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **answers)
    area = score.mean_auroc(answers["logits"], arm.films.labels[answers["rows"]])
    log.info(
        "%s, fold %d of %d: AUROC %.4f after %.1f min", arm.recipe.name, fold + 1,
        arm.options.folds, area, fitted.minutes,
    )  # fmt: skip
    return answers


def _answers(arm: _Arm, fold: int, fitted: Fitted) -> dict[str, np.ndarray]:
    """Return a network's logits of its fold, plain and corrupted, and of the external sets."""
    from finetune.image import corruptions, score

    rows = np.flatnonzero(arm.folds == fold)
    names = corruptions.NAMES if arm.options.corrupted else ()

    def scored(films: Films, name: str = "") -> np.ndarray:
        # What may calibrate a classifier is computed as serving computes, in single precision.
        return score.logits(fitted.network, films.pixels, name, bf16=fitted.bf16 and bool(name))

    held = arm.films.take(rows)
    out = {
        "rows": rows,
        "logits": scored(held),
        "names": np.array(names),
        "corrupted": np.array([scored(held, name) for name in names]),
    }
    for block, known in zip(arm.recipe.external, arm.external, strict=True):
        out[f"external {block.name}"] = scored(known)
    return out


def _selecting(films: Films, recipe: ImageRecipe) -> np.ndarray:
    """Return a mask of whole groups that select the step within the training folds."""
    from finetune.image import data as pictures

    block = recipe.data.model_copy(update={"held_out": 0.0, "split": None})
    return pictures.parts(films, block)["validation"]


def _mark(arm: _Arm) -> str:
    """Return what a fold's answers must agree with to be used again."""
    from finetune.image import trainer

    recipe, options = arm.recipe, arm.options
    told = recipe.model_dump(mode="json", exclude=trainer.FREE - {"external"})
    made = [told, arm.films.digest(), options.folds, options.corrupted]
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def _progress() -> Any:
    from finetune import progress

    return progress.log_line(30.0)


def _joined(done: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        "rows": np.concatenate([found["rows"] for found in done]),
        "logits": np.concatenate([found["logits"] for found in done]),
        "names": done[0]["names"],
        "corrupted": np.concatenate([found["corrupted"] for found in done], 1)
        if len(done[0]["names"])
        else np.zeros((0, 0)),
    }


def _figures(
    recipe: ImageRecipe, films: Films, folds: np.ndarray, found: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the figures of all folds' answers together, and their spread between folds."""
    from finetune.image import calibrate, score

    rows, logits = found["rows"], found["logits"]
    labels, fold = films.labels[rows], folds[rows]
    areas = [score.mean_auroc(logits[fold == f], labels[fold == f]) for f in np.unique(fold)]
    out: dict[str, Any] = {
        "pictures": len(rows),
        "auroc": round(score.mean_auroc(logits, labels), 4),
        "auroc_folds": [round(area, 4) for area in areas],
    }
    if len(areas) > 1:
        chances = calibrate.crossed(logits, labels, fold, recipe.calibration)
        known = score.figures(chances, labels)
        out |= {k: known[k] for k in ("accuracy", "balanced_accuracy", "ece")}
    names = [str(name) for name in found["names"]]
    if names:
        each = {
            name: score.mean_auroc(scores, labels)
            for name, scores in zip(names, found["corrupted"], strict=True)
        }
        worst = min(each, key=lambda name: each[name])
        pooled = score.mean_auroc(
            np.concatenate(list(found["corrupted"])), np.tile(labels, len(names))
        )
        out |= {
            "corrupted_mean": round(float(np.mean(list(each.values()))), 4),
            "corrupted_pooled": round(pooled, 4),
            "corrupted_worst": round(each[worst], 4),
            "worst": worst,
        }
        if len(areas) > 1:
            out["corrupted_ece"] = _corrupted_ece(recipe, found, labels, fold)
    return out


def _corrupted_ece(
    recipe: ImageRecipe, found: Mapping[str, np.ndarray], labels: np.ndarray, fold: np.ndarray
) -> float:
    """Return the calibration error under corruptions of calibrations fitted on plain pictures."""
    from assistant.vision import calibration
    from finetune.image import calibrate, score

    chances, truth = [], []
    pairs = calibrate.pair(found["logits"])
    for f in np.unique(fold):
        fitted = calibration.fit(recipe.calibration, pairs[fold != f], labels[fold != f])
        for scores in found["corrupted"]:
            chances.append(fitted(calibrate.pair(scores[fold == f])))
            truth.append(labels[fold == f])
    return round(score.ece(np.concatenate(chances), np.concatenate(truth)), 4)


def _outside(
    done: Sequence[Mapping[str, np.ndarray]], name: str, labels: np.ndarray
) -> dict[str, float]:
    """Return the AUROC of another place's pictures: of each fold's network, and of all together."""
    from finetune.image import score

    scores = [found[f"external {name}"] for found in done]
    each = [score.mean_auroc(one, labels) for one in scores]
    return {
        "auroc_mean": round(float(np.mean(each)), 4),
        "auroc_together": round(score.mean_auroc(np.mean(scores, axis=0), labels), 4),
    }


_COLUMNS = (
    "auroc", "ece", "accuracy", "balanced_accuracy", "corrupted_mean", "corrupted_pooled",
    "corrupted_worst", "corrupted_ece",
)  # fmt: skip


def markdown(table: Sequence[Mapping[str, Any]]) -> str:
    """Return the arms as a table."""
    outside = [k for k, v in (table[0] if table else {}).items() if isinstance(v, dict)]
    head = ["arm", "pictures", *_COLUMNS, *(f"{name}, AUROC" for name in outside)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in table:
        cells = [row.get(key, "") for key in ("arm", "pictures", *_COLUMNS)]
        cells += [row.get(name, {}).get("auroc_mean", "") for name in outside]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m finetune.image.crossval", description=__doc__)
    parser.add_argument("recipe", nargs="+", help="shipped recipes' names, or YAML files")
    parser.add_argument("--data", type=Path, help="data folder; by default AUSCULT_DATA")
    parser.add_argument("--out", type=Path, required=True, help="folder of answers and table")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="*", default=[], help="run these folds only")
    parser.add_argument("--plain", action="store_true", help="no answers under corruptions")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        if given.folds < 2 or not all(0 <= fold < given.folds for fold in given.only):
            raise ConfigError("--folds is 2 or more, and --only names folds from 0 to one less.")
        changes = recipes.pairs(given.set)
        arms: list[Any] = [recipes.load(name, changes) for name in given.recipe]
        if other := [arm.name for arm in arms if arm.task != "image"]:
            raise ConfigError(f"{other[0]} is no recipe of the task image.")
        data = given.data or (Path(p) if (p := os.environ.get("AUSCULT_DATA")) else None)
        options = Options(given.folds, tuple(given.only), not given.plain)
        sys.stdout.write(markdown(run(arms, data, given.out, options)))
    except AuscultError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
