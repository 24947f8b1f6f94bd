"""Probabilities, operating points and prediction sets from logits of patients that trained nothing.

The methods are `assistant.vision`'s own, which serve them; here they are fitted, and measured on other
patients where there are any. Knows nothing of networks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.errors import InputError
from assistant.vision import calibration, conformal, points

if TYPE_CHECKING:
    from finetune.image.recipe import ImageRecipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """Logits, (N,) or (N, K), and labels, (N,), of some pictures."""

    logits: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Tuned:
    """What makes answers of logits.

    Attributes:
        calibration: to probabilities.
        points: balanced, rule out, rule in, as chosen; empty for more than two classes.
        conformal: prediction sets; None where there were too few pictures.
        words: what they were fitted on.
    """

    calibration: calibration.Calibration
    points: tuple[points.Measured, ...]
    conformal: conformal.Conformal | None
    words: str

    @property
    def threshold(self) -> float | None:
        """Of the balanced point; None for more than two classes."""
        return self.points[0].threshold if self.points else None

    def chances(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities, (N, K), of logits, (N,) or (N, K)."""
        return self.calibration(pair(logits))


def pair(logits: np.ndarray) -> np.ndarray:
    """Return logits as (N, K): one output is the second of two, the first being 0."""
    return np.stack([np.zeros_like(logits), logits], 1) if logits.ndim == 1 else logits


def pool(parts: Sequence[Scored]) -> Scored:
    """Join several sets of scores."""
    return Scored(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def fit(scored: Scored, recipe: ImageRecipe, words: str) -> Tuned:
    """Fit calibration, operating points and prediction sets.

    Args:
        scored: of patients that trained nothing.
        recipe: the method, the points' targets, and the sets' coverage.
        words: the data, for the card.

    Raises:
        InputError: if a class has no picture.
    """
    found = calibration.fit(recipe.calibration, pair(scored.logits), scored.labels, words)
    chances = found(pair(scored.logits))
    chosen: tuple[points.Measured, ...] = ()
    if chances.shape[1] == 2:
        chosen = points.choose(
            chances[:, 1],
            scored.labels,
            sensitivity=recipe.rule_out,
            specificity=recipe.rule_in,
            tie=recipe.give_up,
        )
    sets: conformal.Conformal | None = None
    try:
        sets = conformal.fit(chances, scored.labels, recipe.coverage, words)
    except InputError as error:
        log.warning("There will be no prediction sets: %s", error)
    return Tuned(found, chosen, sets, words)


def crossed(logits: np.ndarray, labels: np.ndarray, folds: np.ndarray, method: str) -> np.ndarray:
    """Return calibrated probabilities, (N, K), each fold's by a calibration of the other folds."""
    pairs = pair(logits)
    out = np.zeros(pairs.shape)
    for fold in np.unique(folds):
        here = folds == fold
        if here.all():
            raise InputError("Calibration across folds needs at least two of them.")
        out[here] = calibration.fit(method, pairs[~here], labels[~here])(pairs[here])
    return out


def points_card(tuned: Tuned, held: Scored | None, words: str) -> list[dict[str, Any]]:
    """Return the card's operating points, measured on held-out patients where there are any."""
    if held is None:
        return [point.to_card(tuned.words) for point in tuned.points]
    chances = tuned.chances(held.logits)[:, 1] if tuned.points else np.zeros(0)
    return [
        points.measure(point.name, point.threshold, chances, held.labels).to_card(words)
        for point in tuned.points
    ]
