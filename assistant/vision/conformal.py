"""Conformal prediction sets: the labels that an image might have, at a stated coverage.

Split conformal prediction (Vovk, Gammerman & Shafer 2005) with a quantile for each true label
(Sadinle, Lei & Wasserman 2019), so that the coverage holds among the ill and among the healthy alike,
for images drawn as those that the quantiles were fitted on. It says nothing of other hospitals; evals
measure what holds there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assistant.errors import InputError

METHOD = "class-conditional"
COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Conformal:
    """Fitted quantiles.

    Attributes:
        coverage: share of true labels that sets are to hold, in (0, 1).
        quantiles: (K,) largest score, 1 - probability, at which a label still belongs to the set.
        fitted_on: the data, in words.
    """

    coverage: float
    quantiles: tuple[float, ...]
    fitted_on: str = ""

    def members(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Return which labels belong to each set, (N, K), of probabilities (N, K).

        Where no label would, all do: nothing was near enough to tell them apart. This only adds to
        the coverage.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        inside = (1 - p) <= np.asarray(self.quantiles)[None]
        inside[~inside.any(1)] = True
        return inside

    def to_card(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return the form that a card holds."""
        named = dict(zip(labels, self.quantiles, strict=True))
        return {
            "method": METHOD,
            "coverage": self.coverage,
            "quantiles": named,
            "fitted_on": self.fitted_on,
        }


def fit(
    probabilities: ArrayLike, truth: ArrayLike, coverage: float = COVERAGE, fitted_on: str = ""
) -> Conformal:
    """Fit a quantile for each label on images that calibrated nothing else, where possible.

    Args:
        probabilities: (N, K) calibrated.
        truth: (N,) numbers of the true labels.
        coverage: share of true labels that sets are to hold, in (0, 1).
        fitted_on: the data, in words, for the card.

    Raises:
        InputError: if a label has too few images for the coverage; it names the label's number.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(truth, dtype=np.int64)
    if not 0 < coverage < 1:
        raise InputError(f"The coverage is {coverage}: give a share between 0 and 1.")
    quantiles = []
    for label in range(p.shape[1]):
        scores = np.sort(1 - p[y == label, label])
        # The finite-sample correction: the ceil((n + 1) coverage)-th smallest score.
        place = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
        if place > len(scores):
            raise InputError(
                f"Label {label} has {len(scores)} images, too few for sets of coverage {coverage}: "
                f"give at least {int(np.ceil(coverage / (1 - coverage) - 1e-9))}."
            )
        quantiles.append(float(scores[place - 1]))
    return Conformal(coverage, tuple(quantiles), fitted_on)


def from_card(block: Mapping[str, Any], labels: Sequence[str]) -> Conformal:
    """Read the conformal block of a card.

    Raises:
        KeyError, TypeError, ValueError: naming what is missing or can't be.
    """
    method = block.get("method", METHOD)
    if method != METHOD:
        raise ValueError(f"conformal method {method!r} is not {METHOD!r}")
    coverage = float(block["coverage"])
    quantiles = tuple(float(block["quantiles"][label]) for label in labels)
    if not 0 < coverage < 1 or not all(0 <= q <= 1 for q in quantiles):
        raise ValueError("conformal coverage and quantiles must lie between 0 and 1")
    return Conformal(coverage, quantiles, str(block.get("fitted_on", "")))
