"""Metrics against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evals import metrics


def test_ndcg_by_hand() -> None:
    relevant = {"a": 1.0, "b": 1.0}
    best = 1 + 1 / math.log2(3)
    assert metrics.ndcg(["a", "b", "c"], relevant, 10) == pytest.approx(1.0)
    assert metrics.ndcg(["c", "a", "b"], relevant, 10) == pytest.approx(
        (1 / math.log2(3) + 1 / 2) / best
    )
    assert metrics.ndcg(["c", "a"], relevant, 1) == 0.0
    assert metrics.ndcg([], relevant, 10) == 0.0
    assert metrics.ndcg(["a"], {}, 10) == 0.0


def test_ndcg_uses_linear_gains_and_cuts_the_ideal_too() -> None:
    graded = {"a": 2.0, "b": 1.0}
    best = 2 + 1 / math.log2(3)
    assert metrics.ndcg(["b", "a"], graded, 10) == pytest.approx((1 + 2 / math.log2(3)) / best)
    many = {str(n): 1.0 for n in range(20)}
    assert metrics.ndcg([str(n) for n in range(10)], many, 10) == pytest.approx(1.0)


def test_recall_and_reciprocal_rank() -> None:
    assert metrics.recall(["x", "a", "y"], {"a", "b"}, 3) == 0.5
    assert metrics.recall(["x", "a"], {"a"}, 1) == 0.0
    assert metrics.mrr(["x", "a", "b"], {"a", "b"}, 10) == 0.5
    assert metrics.mrr(["x"] * 10 + ["a"], {"a"}, 10) == 0.0


def test_auroc_by_pairs() -> None:
    truth, scores = [1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]
    # of four pairs three are in order and one is a tie
    assert metrics.auroc(truth, scores) == pytest.approx(3.5 / 4)
    assert metrics.auroc([1, 1], [0.2, 0.3]) is None


def test_calls() -> None:
    truth, guess = [1, 1, 1, 0, 0], [1, 1, 0, 0, 1]
    assert metrics.accuracy(truth, guess) == pytest.approx(3 / 5)
    assert metrics.sensitivity(truth, guess) == pytest.approx(2 / 3)
    assert metrics.specificity(truth, guess) == pytest.approx(1 / 2)
    assert metrics.balanced_accuracy(truth, guess) == pytest.approx(7 / 12)
    assert metrics.balanced_accuracy([1], [1]) is None
    assert metrics.accuracy([], []) is None


def test_calibration_error_by_bins() -> None:
    # bin 0.9-1.0: mean probability 0.95, one of two true; bin 0.1-0.2: 0.15, none true
    value = metrics.ece([1, 0, 0, 0], [0.95, 0.95, 0.15, 0.15])
    assert value == pytest.approx((0.45 * 2 + 0.15 * 2) / 4)
    assert metrics.ece([1, 0], [1.0, 0.0]) == 0.0
    assert metrics.ece([], []) is None


def test_strict_spans() -> None:
    true = [(0, 4, "disease"), (10, 14, "chemical")]
    found = [(0, 4, "disease"), (10, 13, "chemical"), (0, 4, "chemical")]
    counts = np.array(metrics.span_counts(found, true))
    assert counts.tolist() == [1, 3, 2]
    assert metrics.f1(counts) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert metrics.f1(np.array([0, 0, 0])) == (0.0, 0.0, 0.0)


def test_rouge_l_counts_the_longest_common_subsequence() -> None:
    # "the cat on mat" is the longest common subsequence: 4 of 6 and of 5 words
    value = metrics.rouge_l("The cat sat on the mat", "the cat lay on mat")
    assert value == pytest.approx(2 * 4 / 11)
    assert metrics.rouge_l("", "x") == 0.0
    assert metrics.rouge_l("a b", "c d") == 0.0


def test_the_interval_of_a_mean_is_near_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(size=400).tolist()
    got = metrics.mean_interval(values, seed=1)
    assert got.value is not None
    assert got.low is not None
    assert got.high is not None
    assert got.value == pytest.approx(np.mean(values))
    half = 1.96 * np.std(values) / 20
    assert got.value - got.low == pytest.approx(half, rel=0.15)
    assert got.high - got.value == pytest.approx(half, rel=0.15)
    assert metrics.mean_interval(values, seed=1) == got
    assert metrics.mean_interval(values, seed=2) != got


def test_samples_of_one_unit_are_drawn_together() -> None:
    values = [0.0, 1.0] * 100
    paired = [n // 2 for n in range(200)]  # each unit holds a 0 and a 1
    together = metrics.mean_interval(values, units=paired)
    assert (together.low, together.high) == (0.5, 0.5)
    apart = metrics.mean_interval(values)
    assert apart.low is not None
    assert apart.low < 0.45


def test_an_interval_without_value_is_none() -> None:
    assert metrics.bootstrap(lambda rows: None, [1, 2]).to_json() == {
        "value": None, "low": None, "high": None,
    }  # fmt: skip
    assert metrics.mean_interval([]).value is None
