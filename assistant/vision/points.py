"""Operating points: where a probability is called, and how sure the measured rates are.

"rule out" keeps a stated sensitivity, "rule in" a stated specificity, "balanced" is for a forced call
between two answers. Between rule out and rule in, the tool abstains. Pure numpy; knows nothing of
networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assistant.errors import InputError

TARGET = 0.95
NAMES = ("balanced", "rule out", "rule in")
# What thresholds are rounded to.
STEP = 1e-6
# Of two-sided 95% intervals.
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured share with its 95% Wilson interval (Wilson 1927; Brown, Cai & DasGupta 2001).

    Attributes:
        value: hits / count, in [0, 1].
        low: lower end.
        high: upper end.
        count: of cases.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A threshold with what was measured at it."""

    name: str
    threshold: float
    sensitivity: Rate
    specificity: Rate

    def to_card(self, measured_on: str) -> dict[str, Any]:
        """Return the form that a card holds; `measured_on` names the data in words."""
        out: dict[str, Any] = {"name": self.name, "threshold": round(self.threshold, 6)}
        for name, rate in (("sensitivity", self.sensitivity), ("specificity", self.specificity)):
            out[name] = round(rate.value, 4)
            out[f"{name}_low"], out[f"{name}_high"] = round(rate.low, 4), round(rate.high, 4)
        return {**out, "measured_on": measured_on}


def wilson(hits: int, count: int) -> Rate:
    """Return a share with its 95% interval; without cases it is 0 of [0, 1]."""
    if not count:
        return Rate(0.0, 0.0, 1.0, 0)
    share, square = hits / count, _Z**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = (
        _Z / (1 + square / count) * (share * (1 - share) / count + square / (4 * count**2)) ** 0.5
    )
    # The ends of a certain share are exact; rounding must not push it out of its own interval.
    return Rate(
        share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share), count
    )


def measure(name: str, threshold: float, chances: ArrayLike, truth: ArrayLike) -> Measured:
    """Return the rates of "probability at or above the threshold".

    Args:
        name: of the point.
        threshold: in [0, 1].
        chances: (N,) probabilities of the label.
        truth: (N,) whether it holds.
    """
    called = np.asarray(chances, dtype=np.float64) >= threshold
    ill = np.asarray(truth, dtype=np.bool_)
    return Measured(
        name,
        threshold,
        wilson(int(called[ill].sum()), int(ill.sum())),
        wilson(int((~called[~ill]).sum()), int((~ill).sum())),
    )


def choose(
    chances: ArrayLike,
    truth: ArrayLike,
    *,
    sensitivity: float = TARGET,
    specificity: float = TARGET,
    bound: bool = True,
    tie: float = 0.0,
) -> tuple[Measured, Measured, Measured]:
    """Choose "balanced", "rule out" and "rule in" on given scores.

    Args:
        chances: (N,) calibrated probabilities of the label, best of patients that trained nothing.
        truth: (N,) whether it holds.
        sensitivity: what "rule out" keeps.
        specificity: what "rule in" keeps.
        bound: whether the lower end of the 95% interval has to reach the target, not the measured
            share alone; where too few cases can reach it at all, the share counts.
        tie: balanced accuracy that may be given up for the highest threshold (specificity).

    Returns:
        The three, in the order of `NAMES`; rule out <= balanced <= rule in.

    Raises:
        InputError: if one of the two classes has no case.
    """
    p = np.asarray(chances, dtype=np.float64)
    ill = np.asarray(truth, dtype=np.bool_)
    if p.shape != ill.shape or not ill.any() or ill.all():
        raise InputError("Operating points need films with and without the label: give more data.")
    # Rounded as a card keeps them, each to the side that keeps its target.
    out = np.floor(_keeping(np.sort(p[ill]), sensitivity, bound) / STEP) * STEP
    # Mirrored, "rule in" is the same question; what lies on its threshold would be called.
    rule_in = np.ceil(-_keeping(np.sort(-p[~ill]), specificity, bound) / STEP + 1) * STEP
    balanced = round(_balanced(p, ill, tie) / STEP) * STEP
    thresholds = (balanced, min(out, balanced), max(rule_in, balanced))
    first, second, third = (
        measure(name, float(t), p, ill) for name, t in zip(NAMES, thresholds, strict=True)
    )
    return first, second, third


def _keeping(ordered: NDArray[np.float64], target: float, bound: bool) -> float:
    """Return the highest threshold that keeps the target share of ascending scores at or above."""
    count = len(ordered)
    reachable = bound and wilson(count, count).low >= target
    for missed in range(count - 1, -1, -1):
        rate = wilson(count - missed, count)
        if (rate.low if reachable else rate.value) >= target:
            # Of equal scores all are kept: the share can only be higher.
            return float(ordered[missed])
    return float(ordered[0])


def _balanced(p: NDArray[np.float64], ill: NDArray[np.bool_], tie: float) -> float:
    """Return the threshold of best balanced accuracy, in the middle of the gap that it lies in."""
    steps = np.unique(p)
    places = np.concatenate([[0.0], (steps[1:] + steps[:-1]) / 2, [1.0]])
    sick, well = np.sort(p[ill]), np.sort(p[~ill])
    kept = 1 - np.searchsorted(sick, places) / len(sick)
    spared = np.searchsorted(well, places) / len(well)
    means = (kept + spared) / 2
    best = np.flatnonzero(means >= means.max() - tie - 1e-12)
    if tie:
        return float(places[best[-1]])
    return float(places[best[len(best) // 2]])
