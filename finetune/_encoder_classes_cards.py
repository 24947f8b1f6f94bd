"""How `support` and `verdict` are put together and described; the one task gives its labels.

Public data: all pairs fit the last layer, and the card's figures and calibration are those that
`finetune.crossval` left in the run's folder. Own files: {claim, text or evidence, label} or
{question, contexts or abstract, final_decision} rows, whose validation file gives both. Knows nothing of either task's data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune import _encoder_classes as classes
from finetune import _encoder_classes_first as first
from finetune import _encoder_train as training
from finetune._encoder_classes_sources import Example
from finetune._encoder_train import State
from retrieval import _claims
from retrieval.encoder import Encoder
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe
    from finetune.progress import Report

OWN_DATA = {
    "support": {"name": "SciFact training claims and the abstracts they cite",
                "licence": "CC BY 4.0; abstracts ODC-By 1.0"},
    "verdict": {"name": "PubMedQA (expert-labelled training part)", "licence": "MIT"},
}  # fmt: skip


class Labelled(classes.Classes):
    """The task's pairs, with the held-out ones of one's own files or the cross-validation's result.

    Attributes:
        held_out: pairs of the validation file; empty for the public data.
        crossval: what `finetune.crossval` wrote, or an empty mapping.
        comparer: the steps and minutes of the comparer's training, whenever that was.
    """

    held_out: list[Example]
    crossval: dict[str, Any]
    comparer: dict[str, Any] | None = None


def build(
    recipe: Recipe, encoder: Encoder, data: Path | None, run: Path, labels: Sequence[str]
) -> Labelled:
    """Return the task on all public pairs, or on the files that the recipe names."""
    part = part_of(recipe.task)
    if recipe.data is not None:
        files = _files(recipe, data)
        task = Labelled(encoder, recipe, read(files["train"], recipe, labels))
        task.held_out = read(files["validation"], recipe, labels)
        task.crossval = {}
        return task
    if data is None:
        raise InputError(f"The recipe {recipe.name!r} needs the data folder: give --data.")
    task = Labelled(encoder, recipe, part.own(recipe, data))
    task.held_out = []
    found = result_path(run, recipe)
    task.crossval = json.loads(found.read_text(encoding="utf-8")) if found.is_file() else {}
    return task


def part_of(task: str) -> Any:
    """Return the module of a task."""
    from finetune import _encoder_support, _encoder_verdict

    return {"support": _encoder_support, "verdict": _encoder_verdict}[task]


def result_path(run: Path, recipe: Recipe) -> Path:
    """Return where a cross-validation of the recipe leaves its result."""
    return run / f"crossval-{recipe.name}.json"


def fit(
    model: AdapterModel,
    task: Labelled,
    recipe: Recipe,
    data: Path | None,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
) -> State:
    """Train the adapter and leave it in `model`; return how the gradient steps went.

    On the public data the comparer is trained and the last layer solved for the task's pairs. On
    one's own files the adapter named by options.start goes on training with the recipe's steps.
    """
    if recipe.data is None and data is not None:
        state, minutes = first.trained(model, recipe, task.bank.encoder, data, run, report)
        model.eval()
        found = classes.readings(model, task.bank, task.examples)
        truth = np.array([e.label for e in task.examples])
        classes.take(model, *classes.solved(found, truth, recipe))
        task.comparer = {"steps": state.step, "minutes": minutes}
        return state
    first.shipped(model, recipe, str(recipe.options.get("start", recipe.task)))
    return training.train(model, task, recipe, run / recipe.name, report, fresh=fresh)


def _files(recipe: Recipe, data: Path | None) -> dict[str, Path]:
    from finetune import _validation_sources as sources

    return {source.part: source.path for source in sources.of(recipe, data)}


def read(path: Path, recipe: Recipe, labels: Sequence[str]) -> list[Example]:
    """Return the pairs of a file of one's own.

    Raises:
        InputError: naming the first line that lacks a key or has an unknown label.
    """
    from finetune import _validation_read as reading

    count = int(recipe.options["sentences"])
    out = []
    for number, row in reading.rows(path):
        asked = "question" in row
        first = row.get("question" if asked else "claim")
        label = str(row.get("final_decision" if asked else "label")).lower()
        text = _text(row)
        if not isinstance(first, str) or not isinstance(text, str) or label not in labels:
            raise InputError(
                f"{path} line {number} needs claim, text and label, or question, contexts and "
                f"final_decision; the label is one of {', '.join(labels)}."
            )
        chosen = _claims.choose(first, text, count)
        out.append(Example(first, chosen, labels.index(label), str(number)))
    return out


def _text(row: dict[str, Any]) -> Any:
    """Return what a claim or question is held against, under any of its names."""
    if isinstance(row.get("contexts"), list):
        return _claims.labelled(row["contexts"])
    return next((row[key] for key in ("text", "evidence", "abstract") if key in row), None)


def card(
    model: AdapterModel, task: Labelled, recipe: Recipe, labels: Sequence[str]
) -> dict[str, Any]:
    """Return the parts of a card that both tasks have."""
    results: dict[str, Any] = {"measured_on": "nothing: run finetune.crossval first"}
    calibration = {"scale": 1.0, "offsets": [0.0] * classes.CLASSES}
    if task.held_out:
        log = classes.predict(model, task.bank, task.held_out)
        truth = np.array([e.label for e in task.held_out])
        calibration = calibrated(log, truth)
        results = {"measured_on": "the validation file", **figures(log, truth, labels)}
    elif task.crossval:
        calibration = task.crossval["calibration"]
        results = task.crossval["results"]
    return {
        "labels": list(labels),
        "input": {
            "pair": "claim or question, text; sections may be marked as 'RESULTS: ...'",
            "max_tokens": recipe.max_tokens,
            "sentences": int(recipe.options["sentences"]),
            "language": "English",
        },
        "calibration": calibration,
        "training_data": [*first.TRAINING_DATA, OWN_DATA[recipe.task]],
        "results": results,
        **({"comparer": task.comparer} if task.comparer else {}),
    }


def calibrated(log: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, Any]:
    """Fit the temperature of held-out predictions (Guo et al. 2017).

    Args:
        log: log-probabilities (pairs, classes).
        truth: the classes (pairs,).
    """
    from scipy.optimize import minimize_scalar

    def cost(x: float) -> float:
        scaled = np.exp(x) * log
        return float(np.mean(np.logaddexp.reduce(scaled, axis=1) - _picked(scaled, truth)))

    fitted = minimize_scalar(cost, bounds=(-3.0, 2.0), method="bounded")
    return {"scale": float(np.exp(fitted.x)), "offsets": [0.0] * log.shape[1]}


def _picked(values: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    return values[np.arange(len(truth)), truth]


def figures(
    log: NDArray[np.float64], truth: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, Any]:
    """Return accuracy, macro-F1 and each class's F1 of the likeliest classes."""
    guess = log.argmax(1)
    each = f1_each(truth, guess, len(labels))
    return {
        "n": len(truth),
        "accuracy": round(float((guess == truth).mean()), 4),
        "macro_f1": round(float(np.mean(each)), 4),
        **{f"f1_{name}": round(value, 4) for name, value in zip(labels, each, strict=True)},
    }


def f1_each(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> list[float]:
    """Return the F1 of each class; 0 where it is neither true nor called."""
    out = []
    for label in range(classes):
        hits = int(((truth == label) & (guess == label)).sum())
        both = int((truth == label).sum() + (guess == label).sum())
        out.append(2 * hits / both if both else 0.0)
    return out
