"""The paired bootstrap by hand, and two adapters on the same samples through the whole comparison."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.settings import Settings
from evals import compare, metrics
from evals.types import Arm, Figure
from retrieval.errors import ConfigError, InputError


def test_a_constant_gain_has_no_width() -> None:
    values = np.random.default_rng(0).uniform(size=30)
    found = metrics.paired(
        metrics.mean_figure(values), metrics.mean_figure(values + 0.1), rounds=200
    )
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_pairing_sees_what_two_intervals_can_not() -> None:
    rng = np.random.default_rng(1)
    hard = rng.uniform(size=200)
    base, other = hard, hard + 0.02 + rng.normal(0, 0.02, 200)
    apart = [metrics.mean_interval(v.tolist()) for v in (base, other)]
    assert apart[0].high > apart[1].low
    found = metrics.paired(metrics.mean_figure(base), metrics.mean_figure(other), rounds=1000)
    assert 0 < found.low < found.value < found.high < 0.03


def test_units_are_drawn_together_and_the_seed_decides() -> None:
    values = np.repeat([0.0, 1.0], 50)
    still = metrics.mean_figure(np.zeros(100), ["a"] * 50 + ["b"] * 50)
    moved = metrics.mean_figure(values, ["a"] * 50 + ["b"] * 50)
    found = metrics.paired(still, moved, seed=3, rounds=500)
    assert (found.low, found.high) == (0.0, 1.0)  # Two units: a quarter of the draws has one alone.
    assert metrics.paired(still, moved, seed=3, rounds=500) == found
    alone = metrics.paired(metrics.mean_figure(np.zeros(100)), metrics.mean_figure(values))
    assert 0.35 < alone.low < 0.5 < alone.high < 0.65


def test_what_is_not_of_the_same_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="same samples"):
        metrics.paired(metrics.mean_figure([1.0]), metrics.mean_figure([1.0, 2.0]))


def test_a_draw_that_gives_nothing_is_left_out() -> None:
    nothing = Figure(lambda rows: None, range(3))
    found = metrics.paired(nothing, metrics.mean_figure([1.0, 2.0, 3.0]), rounds=10)
    assert found.value is None


def test_coverage_of_the_interval() -> None:
    """Of 95% intervals for a true difference of 0.1, about 95% hold it."""
    held = 0
    for number in range(120):
        rng = np.random.default_rng(number)
        base = rng.uniform(size=60)
        other = base + rng.normal(0.1, 0.3, 60)
        found = metrics.paired(
            metrics.mean_figure(base), metrics.mean_figure(other), seed=number, rounds=200
        )
        held += found.low <= 0.1 <= found.high
    assert 105 <= held <= 120


def test_macro_f1_and_token_f1_by_hand() -> None:
    assert metrics.macro_f1([0, 0, 1], [0, 1, 1], range(2)) == pytest.approx(2 / 3)
    assert metrics.macro_f1([0, 0], [-1, 0], range(2)) == pytest.approx(1 / 3)
    assert metrics.macro_f1([], [], range(2)) is None
    assert metrics.token_f1("The urate falls.", "urate falls quickly") == pytest.approx(0.8)
    assert metrics.token_f1("a an the", "a an the") == 0.0
    assert metrics.token_f1("", "x") == 0.0


def test_an_adapter_against_itself_differs_nowhere(tmp_path) -> None:
    from retrieval import adapters

    same = str(adapters.WEIGHTS / "entities")
    asked = compare.Asked("ner", ("f1", "recall"), limit=6, rounds=100)
    found = compare.compare(
        asked, Arm({"entities": "entities"}), Arm({"entities": same}), Settings(state_dir=tmp_path)
    )
    assert [m.metric for m in found.metrics] == ["f1", "recall"]
    first = found.metrics[0]
    assert list(first.arms) == ["base", "adapter"]
    assert (first.difference.value, first.difference.low, first.difference.high) == (0, 0, 0)
    assert first.without is None
    assert "no choice" in found.note
    assert any(name.startswith("adapter: weights/entities") for name in found.digests)
    with pytest.raises(InputError, match="gives no 'nosuch'"):
        compare.compare(
            compare.Asked("ner", ("nosuch",), limit=2), Arm(), Arm(), Settings(state_dir=tmp_path)
        )
    with pytest.raises(ConfigError, match="nosuch"):
        compare.compare(compare.Asked("nosuch", ("f1",)), Arm(), Arm(), Settings())
