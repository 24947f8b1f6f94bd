"""Logistic regression of several classes, solved by L-BFGS with an L2 penalty.

Columns are standardised while solving, so that the penalty weighs all alike; the weights that come
back are for the columns as they were. scipy alone. Knows nothing of texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def solve(
    columns: Floats, truth: NDArray[np.int64], classes: int, penalty: float, weight: Floats
) -> tuple[Floats, Floats]:
    """Return weights (columns, classes) and constants (classes,).

    Args:
        columns: float64 (rows, columns).
        truth: class of each row.
        classes: how many there are.
        penalty: half of it times the squared weights is added to the summed cross-entropy.
        weight: of each row.
    """
    middle, spread = columns.mean(0), columns.std(0)
    spread = np.where(spread > 1e-9, spread, np.inf)  # a constant column gets no weight
    scaled = np.hstack([(columns - middle) / spread, np.ones((len(columns), 1))])
    found = minimise(scaled, truth, classes, penalty, weight)
    weights = found[:-1] / spread[:, None]
    return weights, found[-1] - middle @ weights


def minimise(
    matrix: Any, truth: NDArray[np.int64], classes: int, penalty: float, weight: Floats
) -> Floats:
    """Return the weights (columns, classes) of a matrix, sparse or not, whose last column is 1.

    The constant's weights are free of the penalty.
    """
    from scipy.optimize import minimize

    wanted = np.eye(classes)[truth]
    shape = (matrix.shape[1], classes)

    def cost(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        scores = matrix @ weights
        scores = scores - scores.max(1, keepdims=True)
        log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        slope = matrix.T @ (weight[:, None] * (np.exp(log) - wanted))
        held = weights.copy()
        held[-1] = 0.0
        value = -float((weight[:, None] * wanted * log).sum())
        return value + 0.5 * penalty * float((held**2).sum()), (slope + penalty * held).ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x.reshape(shape), dtype=np.float64)
