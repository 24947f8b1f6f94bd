"""Risk against coverage: how often calls are wrong when only the surest share of them is made.

Selective prediction (El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017). Pure numpy; knows nothing of
tasks or models.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# Points of a curve that is drawn or kept.
MOST = 200


def curve(wrong: ArrayLike, sureness: ArrayLike) -> tuple[Floats, Floats]:
    """Return coverages (N,) rising to 1 and the share of wrong calls (N,) among those covered.

    Args:
        wrong: (N,) whether each call is wrong.
        sureness: (N,) how sure it is; only the order counts. Calls of equal sureness are covered
            together: each has the mean error of its group.
    """
    errors = np.asarray(wrong, dtype=np.float64)
    order = np.argsort(-np.asarray(sureness, dtype=np.float64), kind="stable")
    values = np.asarray(sureness, dtype=np.float64)[order]
    errors = errors[order]
    if not len(values):
        return errors, errors
    starts = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0]))
    if len(starts) < len(values):
        sizes = np.diff(np.concatenate([starts, [len(values)]]))
        errors = np.repeat(np.add.reduceat(errors, starts) / sizes, sizes)
    covered = np.arange(1, len(errors) + 1)
    return covered / len(errors), errors.cumsum() / covered


def aurc(wrong: ArrayLike, sureness: ArrayLike) -> float | None:
    """Return the area under the risk-coverage curve, in [0, 1], lower is better; None of nothing."""
    _, risk = curve(wrong, sureness)
    return float(risk.mean()) if len(risk) else None


def coverage_at(risk: float) -> Callable[[ArrayLike, ArrayLike], float | None]:
    """Return a function giving the largest share of calls that can be made at a risk at most this."""

    def figure(wrong: ArrayLike, sureness: ArrayLike) -> float | None:
        covered, risks = curve(wrong, sureness)
        if not len(risks):
            return None
        good = np.flatnonzero(risks <= risk + 1e-12)
        return float(covered[good[-1]]) if len(good) else 0.0

    return figure


def thinned(wrong: ArrayLike, sureness: ArrayLike, most: int = MOST) -> dict[str, list[float]]:
    """Return the curve as {"coverage": [...], "risk": [...]} of at most `most` points."""
    covered, risks = curve(wrong, sureness)
    rows = np.unique(np.linspace(0, len(risks) - 1, min(most, len(risks))).round().astype(int))
    return {
        "coverage": [round(float(v), 5) for v in covered[rows]],
        "risk": [round(float(v), 5) for v in risks[rows]],
    }
