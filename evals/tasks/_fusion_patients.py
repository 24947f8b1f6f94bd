"""Simulated patients for the fusion task: film and signs drawn from published and measured shares.

Promises draws that depend on the seed alone. A latent severity, shared by film and signs of one
patient, makes them depend on each other given the disease (a Gaussian copula): that is what the
estimate denies and reality doesn't. No real patient is in it; knows nothing of how it is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.types import OperatingPoint
from assistant.vision._signs import PREVALENCE, SIGNS

GROUP = "child"
PATIENTS = 1000
# Chance that a sign of those that can be simulated is written down at all.
RECORDED = 0.7


@dataclass(frozen=True, slots=True)
class Scenario:
    """How patients are drawn.

    Attributes:
        name: for the figures.
        dependence: correlation of any two latent findings of one patient, in [0, 1).
        mixed: share of films whose reading is another patient's: a film that reads worse than it
            was measured.
    """

    name: str
    dependence: float
    mixed: float = 0.0


SCENARIOS = (
    Scenario("independent", 0.0),
    Scenario("dependent", 0.3),
    Scenario("strongly_dependent", 0.6),
    Scenario("weak_film", 0.3, 0.3),
)


def draw(
    points: Sequence[OperatingPoint], seed: int, patients: int = PATIENTS
) -> list[dict[str, Any]]:
    """Return the patients of all scenarios: scenario, patient, truth, decision and signs.

    Args:
        points: of the film classifier, with "rule out" and "rule in".
        seed: of the draws.
        patients: of each scenario.
    """
    out: list[dict[str, Any]] = []
    for place, scenario in enumerate(SCENARIOS):
        random = np.random.default_rng((seed, place))
        out += _patients(scenario, points, random, patients)
    return out


def _patients(
    scenario: Scenario, points: Sequence[OperatingPoint], random: np.random.Generator, count: int
) -> list[dict[str, Any]]:
    from scipy.stats import norm

    prevalence, _ = PREVALENCE[GROUP]
    ill = random.random(count) < prevalence
    severity = random.standard_normal(count)

    def places() -> np.ndarray:
        own = random.standard_normal(count)
        latent = np.sqrt(scenario.dependence) * severity + np.sqrt(1 - scenario.dependence) * own
        return np.asarray(norm.cdf(latent))

    films = _decisions(points, ill, places())
    swapped = random.random(count) < scenario.mixed
    others = random.permutation(count)
    films = [films[others[n]] if swapped[n] else films[n] for n in range(count)]
    signs: list[dict[str, bool]] = [{} for _ in range(count)]
    for sign in SIGNS[GROUP].values():
        if sign.rate is None or sign.present is None:
            continue
        share = np.where(ill, min(sign.present.value * sign.rate, 0.98), sign.rate)
        shown = places() > 1 - share
        recorded = random.random(count) < RECORDED
        for n in np.flatnonzero(recorded & (shown | (sign.absent is not None))):
            signs[n][sign.name] = bool(shown[n])
    return [
        {
            "scenario": scenario.name,
            "patient": f"{scenario.name} {n}",
            "truth": bool(ill[n]),
            "decision": films[n],
            "signs": signs[n],
        }
        for n in range(count)
    ]


def _decisions(points: Sequence[OperatingPoint], ill: np.ndarray, places: np.ndarray) -> list[str]:
    by = {point.name: point for point in points}
    out, into = by["rule out"], by["rule in"]
    below = np.where(ill, 1 - out.sensitivity, out.specificity)
    above = np.where(ill, into.sensitivity, 1 - into.specificity)
    return [
        "suspected" if place > 1 - high else "ruled out" if place < low else "uncertain"
        for place, low, high in zip(places, below, above, strict=True)
    ]
