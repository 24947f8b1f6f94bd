"""Calibration: from a network's logits to probabilities that mean what they say.

Temperature scaling (Guo et al. 2017), Platt scaling (Platt 1999) and beta calibration (Kull, Silva
Filho & Flach 2017), each fitted on logits of held-out patients and kept in a model's card. Only
temperature scaling is defined for more than two labels. Pure numpy; knows nothing of networks or
thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assistant.errors import InputError

Floats = NDArray[np.float64]
METHODS = ("none", "temperature", "platt", "beta")
# What each method keeps in a card.
PARAMETERS = {
    "none": (),
    "temperature": ("temperature",),
    "platt": ("slope", "offset"),
    "beta": ("a", "b", "c"),
}
# Logits beyond this are the same probability to any use.
_MOST = 30.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted calibration.

    Attributes:
        method: one of `METHODS`; "none" leaves probabilities as the network gives them.
        values: its parameters in the order of `PARAMETERS`.
        fitted_on: the data, in words; "" where it was not fitted.
    """

    method: str = "none"
    values: tuple[float, ...] = ()
    fitted_on: str = ""

    def __call__(self, logits: ArrayLike) -> Floats:
        """Return calibrated probabilities (N, K), rows summing to 1, of logits (N, K).

        With two labels, Platt and beta calibration act on the difference of the two logits.
        """
        z = np.asarray(logits, dtype=np.float64)
        if self.method in ("none", "temperature"):
            return _softmax(z / (self.values[0] if self.values else 1.0))
        chance = _sigmoid(self.shift(z[:, 1] - z[:, 0]))
        return np.stack([1 - chance, chance], 1)

    def shift(self, logits: Floats) -> Floats:
        """Return the calibrated logits (N,) of the second of two labels, from its raw ones (N,)."""
        if self.method == "none":
            return logits
        if self.method == "temperature":
            return logits / self.values[0]
        if self.method == "platt":
            return self.values[0] * logits + self.values[1]
        a, b, c = self.values
        # ln p and ln(1 - p) of p = sigmoid(logit), without ever forming p.
        return -a * np.logaddexp(0, -logits) + b * np.logaddexp(0, logits) + c

    def to_card(self) -> dict[str, Any]:
        """Return the form that a card holds."""
        named = dict(zip(PARAMETERS[self.method], self.values, strict=True))
        return {"method": self.method, **named, "fitted_on": self.fitted_on}


def from_card(block: Mapping[str, Any], labels: int) -> Calibration:
    """Read the calibration of a card.

    Args:
        block: its `calibration`; the method's first word counts.
        labels: how many labels the model has.

    Raises:
        KeyError, TypeError, ValueError: naming what is missing or can't be.
    """
    method = str(block["method"]).split()[0].lower()
    if method not in METHODS:
        raise ValueError(f"calibration method {block['method']!r} is none of {', '.join(METHODS)}")
    if method in ("platt", "beta") and labels != 2:
        raise ValueError(f"calibration {method!r} needs two labels, and there are {labels}")
    values = tuple(float(block[name]) for name in PARAMETERS[method])
    if not np.isfinite(values).all() or (method == "temperature" and values[0] <= 0):
        raise ValueError(f"calibration {method!r} has the impossible values {values}")
    return Calibration(method, values, str(block.get("fitted_on", "")))


def fit(method: str, logits: ArrayLike, truth: ArrayLike, fitted_on: str = "") -> Calibration:
    """Fit a calibration by maximum likelihood.

    Args:
        method: one of `METHODS`.
        logits: (N, K), or (N,) of the second of two labels.
        truth: (N,) numbers of the true labels.
        fitted_on: the data, in words, for the card.

    Raises:
        InputError: if there is no such method, or the data can't fit it.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(truth, dtype=np.int64)
    if z.ndim == 1:
        z = np.stack([np.zeros_like(z), z], 1)
    _check(method, z, y)
    if method == "none":
        return Calibration(fitted_on=fitted_on)
    if method == "temperature":
        return Calibration(method, (_temperature(z, y),), fitted_on)
    margin = z[:, 1] - z[:, 0]
    if method == "platt":
        slope, offset = logistic(margin[:, None], y)
        return Calibration(method, (float(slope), float(offset)), fitted_on)
    return Calibration(method, _beta(margin, y), fitted_on)


def logistic(columns: Floats, truth: ArrayLike, ridge: float = 1e-3) -> Floats:
    """Fit a logistic regression by Newton's method.

    Args:
        columns: (N, K) inputs.
        truth: (N,) 0 or 1.
        ridge: strength of the pull towards 0, so that separable data have an answer.

    Returns:
        (K + 1,) weights, the constant last.
    """
    y = np.asarray(truth, dtype=np.float64)
    design = np.concatenate([columns.astype(np.float64), np.ones((len(columns), 1))], 1)
    weights = np.zeros(design.shape[1])
    for _ in range(200):
        chances = _sigmoid(design @ weights)
        gradient = design.T @ (chances - y) + ridge * weights
        curvature = (design * (chances * (1 - chances))[:, None]).T @ design
        step = np.linalg.solve(curvature + ridge * np.eye(len(weights)), gradient)
        weights = weights - step.clip(-2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _check(method: str, z: Floats, y: NDArray[np.int64]) -> None:
    if method not in METHODS:
        raise InputError(f"Unknown calibration {method!r}: choose one of {', '.join(METHODS)}.")
    if z.ndim != 2 or len(z) != len(y) or not np.isfinite(z).all():
        raise InputError("Calibration needs one row of finite logits for each true label.")
    if method in ("platt", "beta") and z.shape[1] != 2:
        raise InputError(f"Calibration {method!r} is for two labels: use temperature.")
    if method != "none" and len(np.unique(y)) < 2:
        raise InputError("Calibration needs films of at least two labels: give more data.")


def _beta(margin: Floats, y: NDArray[np.int64]) -> tuple[float, float, float]:
    """Fit beta calibration; a negative weight is left out and the rest fitted anew (as published)."""
    both = np.stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin)], 1)
    a, b, c = logistic(both, y)
    if a < 0:
        b, c = logistic(both[:, 1:], y)
        a = 0.0
    elif b < 0:
        a, c = logistic(both[:, :1], y)
        b = 0.0
    return float(a), float(max(b, 0.0)), float(c)


def _temperature(z: Floats, y: NDArray[np.int64]) -> float:
    """Return the temperature of least loss by golden section over its logarithm."""
    rows = np.arange(len(y))

    def loss(log_t: float) -> float:
        scaled = z / np.exp(log_t)
        top = scaled.max(1)
        norm = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float((norm - scaled[rows, y]).mean())

    low, high, ratio = np.log(0.02), np.log(50.0), (5**0.5 - 1) / 2
    for _ in range(80):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _sigmoid(z: Floats) -> Floats:
    out: Floats = 1 / (1 + np.exp(-z.clip(-_MOST, _MOST)))
    return out


def _softmax(z: Floats) -> Floats:
    shifted = np.exp(z - z.max(1, keepdims=True))
    out: Floats = shifted / shifted.sum(1, keepdims=True)
    return out
