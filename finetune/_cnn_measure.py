"""Measuring a film network: scores, calibration, operating points, and the nuisance-matched subset.

Every figure that goes into a card comes from here. Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assistant.vision.classifier import BATCH, Calibration, to_batch
from finetune._cnn_augment import STRESSES, stress
from finetune._cnn_data import Films

Scorer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scored:
    """Logits and labels of one set of films, (N,) each."""

    logits: np.ndarray
    labels: np.ndarray


def mirrored(network: torch.nn.Module) -> Scorer:
    """Return a scorer that averages a film and its mirror image, as inference does."""
    return lambda films: (network(films) + network(films.flip(3))) / 2


def score(scorer: Scorer, films: Films, name: str = "") -> Scored:
    """Score films as they are, or their stressed copies `name`, in bfloat16 where it is faster."""
    found = []
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(films), BATCH):
            batch = to_batch(films.pixels[start : start + BATCH])
            found.append(scorer(stress(batch, name) if name else batch).float().numpy())
    return Scored(np.concatenate(found), films.labels)


def score_all(scorer: Scorer, films: Films) -> dict[str, Scored]:
    """Score films as they are ("plain") and every stressed copy."""
    return {"plain": score(scorer, films)} | {n: score(scorer, films, n) for n in STRESSES}


def pool(scored: dict[str, Scored]) -> Scored:
    """Join plain and stressed scores."""
    parts = list(scored.values())
    return Scored(
        np.concatenate([p.logits for p in parts]), np.concatenate([p.labels for p in parts])
    )


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve by the rank sum (Mann & Whitney 1947); nan for one class."""
    from scipy.stats import rankdata

    positive = labels == 1
    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def calibrate(scored: Scored) -> Calibration:
    """Fit Platt scaling, the classes weighted as they come."""
    slope, offset = logistic(scored.logits[:, None], scored.labels)
    return Calibration(float(slope), float(offset))


def logistic(columns: np.ndarray, labels: np.ndarray, ridge: float = 1e-3) -> np.ndarray:
    """Fit a logistic regression by Newton's method.

    Args:
        columns: (N, K) inputs.
        labels: (N,) 0 or 1.
        ridge: strength of the pull towards 0.

    Returns:
        (K + 1,) weights, the constant last.
    """
    design = np.concatenate([columns.astype(np.float64), np.ones((len(columns), 1))], 1)
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        chances = 1 / (1 + np.exp(-(design @ weights).clip(-30, 30)))
        gradient = design.T @ (chances - labels) + ridge * weights
        curvature = (design * (chances * (1 - chances))[:, None]).T @ design
        step = np.linalg.solve(curvature + ridge * np.eye(len(weights)), gradient)
        weights = weights - step.clip(-2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return weights


def expected_calibration_error(chances: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Return the ECE over `bins` equal bins of probability (Naeini et al. 2015), in [0, 1]."""
    places = np.minimum((chances * bins).astype(int), bins - 1)
    total = 0.0
    for place in range(bins):
        inside = places == place
        if inside.any():
            gap = abs(float(chances[inside].mean()) - float(labels[inside].mean()))
            total += gap * float(inside.mean())
    return total


def rates(chances: np.ndarray, labels: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return sensitivity and specificity of "probability at or above the threshold"."""
    called = chances >= threshold
    return float(called[labels == 1].mean()), float((~called[labels == 0]).mean())


def choose_points(chances: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the thresholds "balanced", "rule out" and "rule in".

    "balanced" is the highest threshold whose balanced accuracy is within 0.005 of the best: where
    films come from another scanner, healthy ones are called ill more often than the reverse, so
    a tie goes to specificity. "rule out" keeps 97% of the ill above it and "rule in" 98.5% of the
    healthy below it, which leaves room for both to hold 95% on other patients.
    """
    grid = np.linspace(0.01, 0.99, 197)
    means = np.array([sum(rates(chances, labels, t)) / 2 for t in grid])
    balanced = float(grid[means >= means.max() - 0.005].max())
    rule_out = float(np.quantile(chances[labels == 1], 0.03))
    rule_in = float(np.quantile(chances[labels == 0], 0.985)) + 1e-6
    return {
        "balanced": round(balanced, 3),
        "rule out": round(min(rule_out, balanced), 3),
        "rule in": round(max(rule_in, balanced), 3),
    }


def nuisances(pixels: np.ndarray) -> np.ndarray:
    """Return what of a film has nothing to do with disease, (N, 5).

    Sharpness down and across, contrast, share of black, and brightness.
    """
    wide = pixels.astype(np.int16)
    return np.stack(
        [
            np.log(np.abs(np.diff(wide, axis=1)).mean((1, 2)) + 1e-3),
            np.log(np.abs(np.diff(wide, axis=2)).mean((1, 2)) + 1e-3),
            wide.std((1, 2)) / 60,
            (wide < 8).mean((1, 2)) * 10,
            wide.mean((1, 2)) / 60,
        ],
        1,
    )


def misleading(train: Films, films: Films, share: float = 0.2) -> np.ndarray:
    """Return a mask of the films whose nuisances speak most for the other class.

    A logistic regression on the nuisances alone is fitted to `train`; of each class the `share` that
    it misplaces most is taken. On these, a model that leans on nuisances fails.
    """
    weights = logistic(nuisances(train.pixels), train.labels, ridge=1.0)
    lean = nuisances(films.pixels) @ weights[:-1] + weights[-1]
    healthy, ill = films.labels == 0, films.labels == 1
    high = lean >= np.quantile(lean[healthy], 1 - share)
    low = lean <= np.quantile(lean[ill], share)
    return (healthy & high) | (ill & low)


def summary(scored: Scored, calibration: Calibration, threshold: float) -> dict[str, Any]:
    """Return the figures of one set of films, rounded to 4 places."""
    chances = calibration(scored.logits)
    sensitivity, specificity = rates(chances, scored.labels, threshold)
    figures = {
        "films": len(scored.labels),
        "auroc": auroc(scored.logits, scored.labels),
        "accuracy": float(((chances >= threshold) == scored.labels).mean()),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ece": expected_calibration_error(chances, scored.labels),
    }
    return {k: round(v, 4) for k, v in figures.items()}
