"""Calibration, prediction sets and operating points, on drawn scores whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from assistant.errors import InputError
from assistant.vision import calibration, conformal, points
from assistant.vision.calibration import Calibration


def drawn(count: int, seed: int = 3, distort: float = 2.5) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are `distort` times too sure, less 1, and labels drawn by the true ones."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-true))).astype(int)
    return true * distort - 1.0, labels


def ece(chances: np.ndarray, labels: np.ndarray) -> float:
    places = np.minimum((chances * 10).astype(int), 9)
    return float(
        sum(abs((chances[places == b] - labels[places == b]).sum()) for b in range(10))
        / len(labels)
    )


@pytest.mark.parametrize("method", ["platt", "beta"])
def test_fitted_calibration_makes_probabilities_true(method: str) -> None:
    logits, labels = drawn(6000)
    raw = 1 / (1 + np.exp(-logits))
    fitted = calibration.fit(method, logits, labels, "drawn scores")
    held, truth = drawn(6000, seed=4)
    chances = fitted(np.stack([np.zeros_like(held), held], 1))
    assert chances.sum(1) == pytest.approx(np.ones(len(held)))
    assert ece(raw, labels) > 0.08
    assert ece(chances[:, 1], truth) < 0.03


def test_platt_finds_the_distortion() -> None:
    logits, labels = drawn(20_000)
    slope, offset = calibration.fit("platt", logits, labels).values
    assert slope == pytest.approx(1 / 2.5, rel=0.06)
    assert offset == pytest.approx(1 / 2.5, abs=0.06)


def test_beta_holds_platt_as_a_case_and_never_turns_scores_over() -> None:
    logits = np.linspace(-9, 9, 41)
    platt = Calibration("platt", (0.7, 0.2)).shift(logits)
    beta = Calibration("beta", (0.7, 0.7, 0.2)).shift(logits)
    assert beta == pytest.approx(platt)
    a, b, _ = calibration.fit("beta", *drawn(400, seed=8)).values
    assert a >= 0
    assert b >= 0
    wild = Calibration("beta", (a, b, 0.0)).shift(np.linspace(-800, 800, 9))
    assert np.isfinite(wild).all()
    assert (np.diff(wild) >= 0).all()


def test_temperature_of_several_labels() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, (8000, 4))
    chances = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > rng.random((8000, 1))).argmax(1)
    fitted = calibration.fit("temperature", true * 3, labels)
    assert fitted.values[0] == pytest.approx(3, rel=0.06)
    assert fitted(true * 3)[:5] == pytest.approx(chances[:5], abs=0.03)


def test_separable_scores_have_an_answer() -> None:
    slope, _ = calibration.fit("platt", np.array([-2.0, -1, 1, 2]), np.array([0, 0, 1, 1])).values
    assert 0 < slope < 50


@pytest.mark.parametrize("method", calibration.METHODS)
def test_a_calibration_survives_its_card(method: str) -> None:
    fitted = calibration.fit(method, *drawn(300), "drawn")
    again = calibration.from_card(json.loads(json.dumps(fitted.to_card())), 2)
    assert again == fitted


@pytest.mark.parametrize(
    ("block", "labels", "says"),
    [
        ({"method": "isotonic"}, 2, "isotonic"),
        ({"method": "beta", "a": 1, "b": 1, "c": 0}, 3, "two labels"),
        ({"method": "temperature", "temperature": 0}, 2, "impossible"),
        ({"method": "platt", "slope": float("nan"), "offset": 0}, 2, "impossible"),
    ],
)
def test_calibrations_that_cannot_be(block: dict, labels: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        calibration.from_card(block, labels)


def test_calibration_says_what_it_lacks() -> None:
    with pytest.raises(InputError, match="at least two labels"):
        calibration.fit("platt", np.zeros(3), np.ones(3))
    with pytest.raises(InputError, match="use temperature"):
        calibration.fit("beta", np.zeros((3, 3)), np.arange(3))


def test_sets_cover_each_label_on_new_images() -> None:
    def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
        logits, labels = drawn(4000, seed, distort=1.0)
        # One in three is ill: coverage must hold in the smaller class too.
        kept = (labels == 0) | (np.random.default_rng(seed).random(len(labels)) < 0.5)
        chance = 1 / (1 + np.exp(-logits[kept]))
        return np.stack([1 - chance, chance], 1), labels[kept]

    fitted = conformal.fit(*images(1), coverage=0.9, fitted_on="drawn")
    chances, labels = images(2)
    held = fitted.members(chances)[np.arange(len(labels)), labels]
    for label in (0, 1):
        assert held[labels == label].mean() == pytest.approx(0.9, abs=0.025)
    again = conformal.from_card(
        json.loads(json.dumps(fitted.to_card(("well", "ill")))), ("well", "ill")
    )
    assert again == fitted


def test_where_no_label_is_near_enough_all_are_kept() -> None:
    sure = conformal.Conformal(0.9, (0.1, 0.1))
    found = sure.members(np.array([[0.95, 0.05], [0.5, 0.5]]))
    assert found.tolist() == [[True, False], [True, True]]


def test_too_few_images_for_a_coverage() -> None:
    with pytest.raises(InputError, match=r"Label 1 has 3 images.*at least 9"):
        conformal.fit(np.full((23, 2), 0.5), np.array([0] * 20 + [1] * 3))


def test_points_keep_what_they_promise() -> None:
    logits, truth = drawn(4000, distort=1.0)
    chances = 1 / (1 + np.exp(-logits))
    balanced, out, within = points.choose(chances, truth)
    assert out.threshold <= balanced.threshold <= within.threshold
    assert out.sensitivity.low >= 0.95
    assert within.specificity.low >= 0.95
    # Not by calling everything, or nothing.
    assert out.specificity.value > 0.25
    assert within.sensitivity.value > 0.15
    card = json.loads(json.dumps(out.to_card("drawn scores")))
    again = points.measure("rule out", card["threshold"], chances, truth)
    assert round(again.sensitivity.value, 4) == card["sensitivity"]
    best = max(
        points.measure("", t, chances, truth).sensitivity.value
        + points.measure("", t, chances, truth).specificity.value
        for t in np.linspace(0.05, 0.95, 91)
    )
    both = balanced.sensitivity.value + balanced.specificity.value
    assert both >= best - 1e-9


def test_points_of_few_cases_go_by_the_share() -> None:
    truth = np.array([0] * 10 + [1] * 10)
    chances = np.concatenate([np.linspace(0.05, 0.5, 10), np.linspace(0.5, 0.95, 10)])
    balanced, out, within = points.choose(chances, truth)
    assert out.sensitivity.value >= 0.95
    assert within.specificity.value >= 0.95
    assert balanced.sensitivity.low < 0.95
    with pytest.raises(InputError, match="with and without"):
        points.choose(chances[:10], truth[:10])


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    rate = points.wilson(81, 263)
    assert (round(rate.low, 4), round(rate.high, 4)) == (0.2553, 0.3662)
    assert points.wilson(0, 0).high == 1.0
    assert points.wilson(20, 20).high == 1.0
