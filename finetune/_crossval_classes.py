"""Cross-validate a classifier of pairs: `python -m finetune.crossval verdict|support`.

Pairs that share a document stay in one fold. The comparer that reads them was trained on none of their
documents and none of their labels; each fold's last layer is solved on the others' pairs. How the
three classes are weighed against each other is chosen for a fold on the predictions of the other
folds. The comparer's training goes on where it was interrupted; the rest takes a minute. A logistic regression on words is fitted on the same folds and texts. Knows nothing of test files.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finetune import _encoder_classes_cards as cards
from finetune._crossval_words import WordModel
from retrieval import files

if TYPE_CHECKING:
    from finetune._encoder_classes_sources import Example
    from finetune._encoder_recipe import Recipe

RESAMPLES = 2000
GRID = np.round(np.arange(-1.0, 1.01, 0.1), 1)
log = logging.getLogger(__name__)


def folds(examples: Sequence[Example], count: int, classes: int) -> NDArray[np.int64]:
    """Return each pair's fold in [0, count): groups whole, classes spread evenly."""
    groups: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        groups.setdefault(example.group, []).append(row)
    order = sorted(groups, key=lambda g: (-len(groups[g]), hashlib.sha256(g.encode()).hexdigest()))
    load = np.zeros((count, classes))
    out = np.zeros(len(examples), dtype=np.int64)
    for name in order:
        own = np.bincount([examples[row].label for row in groups[name]], minlength=classes)
        fold = int(np.lexsort((load.sum(1), load @ own))[0])
        load[fold] += own
        out[groups[name]] = fold
    return out


def run(recipe: Recipe, data: Path, folder: Path, count: int) -> dict[str, Any]:
    """Train the comparer where it is not yet there, solve every fold; return and keep the figures.

    Args:
        recipe: of the task "support" or "verdict".
        data: the data folder.
        folder: of checkpoints, predictions and the result.
        count: how many folds.

    Raises:
        InputError: if a data file is missing or damaged.
        ModelError: if the base can't be loaded.
    """
    part = cards.part_of(recipe.task)
    examples = part.own(recipe, data)
    truth = np.array([e.label for e in examples])
    fold = folds(examples, count, len(part.LABELS))
    started = time.monotonic()
    found = _predictions(recipe, data, folder, examples, fold)
    words = np.zeros_like(found)
    for number in range(count):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        model = WordModel.fit(_texts(examples, train), truth[train], len(part.LABELS))
        words[test] = model.log_probabilities(_texts(examples, test))
    result = _summary(found, words, truth, fold, part.LABELS)
    result["minutes"] = round((time.monotonic() - started) / 60, 1)
    result["recipe"] = recipe.model_dump(mode="json")
    files.write_json(cards.result_path(folder, recipe), result)
    return result


def _texts(examples: Sequence[Example], rows: NDArray[np.int64]) -> list[tuple[str, str]]:
    return [(examples[row].first, examples[row].second) for row in rows]


def _predictions(
    recipe: Recipe,
    data: Path,
    folder: Path,
    examples: Sequence[Example],
    fold: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return every pair's log-probabilities by the last layer that has not seen its fold."""
    from finetune import _encoder_classes as classes

    found = _readings(recipe, data, folder, examples)
    truth = np.array([e.label for e in examples])
    out = np.zeros((len(examples), classes.CLASSES))
    for number in range(int(fold.max()) + 1):
        train, test = fold != number, fold == number
        weights, constants = classes.solved(found[train], truth[train], recipe)
        out[test] = classes.normal(found[test] @ weights + constants)
        log.info("fold %d: accuracy %.3f", number + 1, _accuracy(out[test], truth[test]))
    return out


def _readings(
    recipe: Recipe, data: Path, folder: Path, examples: Sequence[Example]
) -> NDArray[np.float64]:
    """Return what the comparer and the cues say of every pair; no label of theirs is in it."""
    import torch

    from finetune import _encoder_classes as classes
    from finetune import _encoder_classes_first as first
    from finetune import _encoder_model as models
    from retrieval.encoder import Encoder

    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    encoder = Encoder.load(recipe.encoder)
    model = models.AdapterModel(encoder, recipe, classes.head(recipe, encoder))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    first.trained(model, recipe, encoder, data, folder)
    model.eval()
    return classes.readings(model, classes.Bank(encoder, recipe.max_tokens), examples)


def weighed(found: NDArray[np.float64], truth: NDArray[np.int64], classes: int) -> list[float]:
    """Return what to add to each class's log-probability for the best accuracy plus macro-F1."""
    best, chosen = -1.0, [0.0] * classes
    for second in GRID:
        for third in GRID:
            offsets = np.array([0.0, second, third])
            guess = (found + offsets).argmax(1)
            score = float((guess == truth).mean()) + float(
                np.mean(cards.f1_each(truth, guess, classes))
            )
            score -= 0.01 * float(np.abs(offsets).sum())  # the plain choice, unless it costs
            if score > best:
                best, chosen = score, offsets.tolist()
    return chosen


def _summary(
    found: NDArray[np.float64],
    words: NDArray[np.float64],
    truth: NDArray[np.int64],
    fold: NDArray[np.int64],
    labels: Sequence[str],
) -> dict[str, Any]:
    shifted, shifted_words = found.copy(), words.copy()
    for number in range(int(fold.max()) + 1):
        rest, own = fold != number, fold == number
        shifted[own] += weighed(found[rest], truth[rest], len(labels))
        shifted_words[own] += weighed(words[rest], truth[rest], len(labels))
    counts = np.bincount(truth, minlength=len(labels))
    calibration = cards.calibrated(found, truth)
    calibration["offsets"] = weighed(calibration["scale"] * found, truth, len(labels))
    adapter = cards.figures(shifted, truth, labels)
    return {
        "results": {
            "measured_on": f"{int(fold.max()) + 1}-fold cross-validation, no document in two folds; "
            "the cues and the penalty were chosen on the same pairs",
            **adapter,
            **intervals(shifted, truth, len(labels)),
            "unweighed": cards.figures(found, truth, labels),
            "baselines": {
                "words": cards.figures(words, truth, labels),
                "words, weighed": cards.figures(shifted_words, truth, labels),
                "majority": round(float(counts.max() / counts.sum()), 4),
            },
        },
        "calibration": calibration,
    }


def intervals(
    found: NDArray[np.float64], truth: NDArray[np.int64], classes: int
) -> dict[str, list[float]]:
    """Return the 95% bootstrap intervals of accuracy and macro-F1 over pairs."""
    rng, guess = np.random.default_rng(0), found.argmax(1)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(truth), size=len(truth))
        drawn.append(
            (
                float((guess[rows] == truth[rows]).mean()),
                float(np.mean(cards.f1_each(truth[rows], guess[rows], classes))),
            )
        )
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0).round(4)
    return {
        "accuracy_interval": [float(low[0]), float(high[0])],
        "macro_f1_interval": [float(low[1]), float(high[1])],
    }


def _accuracy(found: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    return float((found.argmax(1) == truth).mean())
