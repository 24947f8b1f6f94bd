"""Metrics and their bootstrap intervals. Pure numpy; knows nothing of tasks, files or models.

Intervals are percentile bootstrap (Efron & Tibshirani 1993) over the independent unit: a query, a
patient, a document. Samples of one unit are drawn together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.types import Figure, Interval

ROUNDS = 1000
PAIRED_ROUNDS = 10_000
ECE_BINS = 10
Floats = NDArray[np.float64]


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    """Return nDCG@k in [0, 1] with linear gains, as trec_eval (Järvelin & Kekäläinen 2002).

    Args:
        ranked: document ids, best first, without repetition.
        relevant: gain of each relevant document.
        k: cut-off.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gains = np.array([relevant.get(d, 0.0) for d in ranked[:k]])
    ideal = np.sort(np.array([g for g in relevant.values() if g > 0]))[::-1][:k]
    best = float((ideal * discount[: len(ideal)]).sum())
    return float((gains * discount[: len(gains)]).sum()) / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of the relevant documents among the first k."""
    return len(set(ranked[:k]) & set(relevant)) / len(relevant) if relevant else 0.0


def mrr(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return 1 / rank of the first relevant document among the first k, or 0."""
    return next((1.0 / n for n, d in enumerate(ranked[:k], 1) if d in relevant), 0.0)


def auroc(truth: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the area under the ROC curve, ties counted half; None with one class only.

    Source: Hanley & McNeil 1982 (the Mann-Whitney statistic).
    """
    from scipy.stats import rankdata

    positive = np.asarray(truth, dtype=np.bool_)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return None
    ranks = rankdata(np.asarray(scores, dtype=np.float64))
    return float((ranks[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def accuracy(truth: ArrayLike, guess: ArrayLike) -> float | None:
    """Return the share of equal entries; None where there are none."""
    return _mean(np.asarray(truth) == np.asarray(guess))


def sensitivity(truth: ArrayLike, guess: ArrayLike) -> float | None:
    """Return the share of positives that were called; None without positives."""
    positive = np.asarray(truth, dtype=np.bool_)
    return _mean(np.asarray(guess, dtype=np.bool_)[positive])


def specificity(truth: ArrayLike, guess: ArrayLike) -> float | None:
    """Return the share of negatives that were not called; None without negatives."""
    positive = np.asarray(truth, dtype=np.bool_)
    return _mean(~np.asarray(guess, dtype=np.bool_)[~positive])


def balanced_accuracy(truth: ArrayLike, guess: ArrayLike) -> float | None:
    """Return the mean of sensitivity and specificity; None unless both can be told."""
    both = sensitivity(truth, guess), specificity(truth, guess)
    return None if None in both else float(np.mean(np.array(both, dtype=np.float64)))


def ece(truth: ArrayLike, probabilities: ArrayLike, bins: int = ECE_BINS) -> float | None:
    """Return the expected calibration error with bins of equal width (Naeini et al. 2015).

    Args:
        truth: whether the label holds.
        probabilities: of the label, in [0, 1].
        bins: how many.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not len(p):
        return None
    y = np.asarray(truth, dtype=np.float64)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=y - p, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def brier(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Return the mean squared error of probabilities (Brier 1950), lower is better; None of nothing.

    Args:
        truth: (N,) whether the label holds, or (N, K) one column a label.
        probabilities: of the same shape, in [0, 1]; over K labels the squares are summed.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not len(p):
        return None
    squares = (p - np.asarray(truth, dtype=np.float64)) ** 2
    return float(squares.mean() if p.ndim == 1 else squares.sum(1).mean())


def mean_recall(truth: ArrayLike, guess: ArrayLike, labels: Sequence[int]) -> float | None:
    """Return the mean share of each label's samples that were recognised (balanced accuracy).

    Labels that do not occur are left out; None where none does.
    """
    y, found = np.asarray(truth), np.asarray(guess)
    shares = [float((found[y == label] == label).mean()) for label in labels if (y == label).any()]
    return float(np.mean(shares)) if shares else None


def mean_auroc(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Return the mean area under the ROC curve of each label against the rest (Provost & Domingos).

    Args:
        truth: (N,) numbers of the labels.
        probabilities: (N, K).
    """
    y, p = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    areas = [auroc(y == label, p[:, label]) for label in range(p.shape[1])]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def f1(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return precision, recall and F1 from (hits, found, true) counts.

    Nothing found gives precision 0, nothing true recall 0, so an empty answer never scores.
    """
    hits, found, true = (float(c) for c in counts)
    precision = hits / found if found else 0.0
    share = hits / true if true else 0.0
    return precision, share, 2 * hits / (found + true) if found + true else 0.0


def span_counts(found: Collection[Hashable], true: Collection[Hashable]) -> tuple[int, int, int]:
    """Return (hits, found, true) where a hit is an exact match of start, end and type."""
    a, b = set(found), set(true)
    return len(a & b), len(a), len(b)


def rouge_l(candidate: str, reference: str) -> float:
    """Return ROUGE-L's F1 in [0, 1] on lower-case words (Lin 2004), without stemming."""
    a, b = (re.findall(r"\w+", text.lower()) for text in (candidate, reference))
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for at, other in enumerate(b, 1):
            above = row[at]
            row[at] = before + 1 if word == other else max(row[at], row[at - 1])
            before = above
    common = row[-1]
    return 2 * common / (len(a) + len(b))


def token_f1(candidate: str, reference: str) -> float:
    """Return the F1 of shared words in [0, 1], lower case, without articles and punctuation.

    Source: Rajpurkar et al. 2016, "SQuAD".
    """
    a, b = (
        [w for w in re.findall(r"\w+", text.lower()) if w not in {"a", "an", "the"}]
        for text in (candidate, reference)
    )
    shared = sum((Counter(a) & Counter(b)).values())
    return 2 * shared / (len(a) + len(b)) if shared else 0.0


def macro_f1(truth: ArrayLike, guess: ArrayLike, labels: Sequence[int]) -> float | None:
    """Return the mean F1 of the labels in [0, 1]; None without samples.

    A label that neither occurs nor was guessed counts 0, as a guess that is no label is a miss.
    """
    y, found = np.asarray(truth), np.asarray(guess)
    if not len(y):
        return None
    scores = []
    for label in labels:
        hits = int(((y == label) & (found == label)).sum())
        either = int((y == label).sum() + (found == label).sum())
        scores.append(2 * hits / either if either else 0.0)
    return float(np.mean(scores))


def ratio(pairs: Floats) -> Callable[[NDArray[np.int64]], float | None]:
    """Return a statistic: the sum of the first column by that of the second; None by nothing."""

    def figure(rows: NDArray[np.int64]) -> float | None:
        part, whole = pairs[rows].sum(0)
        return float(part / whole) if whole else None

    return figure


def mean_figure(values: Sequence[float], units: Sequence[Hashable] | None = None) -> Figure:
    """Return the mean of `values` as a figure; `units` groups them, by default each alone."""
    array = np.asarray(values, dtype=np.float64)
    return Figure(lambda rows: _mean(array[rows]), range(len(array)) if units is None else units)


def intervals(figures: Mapping[str, Figure], seed: int = 0) -> dict[str, Interval]:
    """Return each figure's value with its interval."""
    return {name: bootstrap(f.statistic, f.units, seed) for name, f in figures.items()}


def mean_interval(
    values: Sequence[float], units: Sequence[Hashable] | None = None, seed: int = 0
) -> Interval:
    """Return the mean of `values` with its interval; `units` groups them, by default each alone."""
    figure = mean_figure(values, units)
    return bootstrap(figure.statistic, figure.units, seed)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float | None],
    units: Sequence[Hashable],
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Interval:
    """Return a statistic with its 95% percentile interval.

    Args:
        statistic: from the rows of the samples drawn (with repetition) to a figure, or None where
            the draw can't give it; such rounds are left out.
        units: the independent unit of each sample; its samples are drawn together.
        seed: of the draws.
        rounds: draws.
    """
    value = statistic(np.arange(len(units)))
    if value is None or len(units) == 0:
        return Interval(None, None, None)
    drawn = [f for rows in _draws(units, seed, rounds) if (f := statistic(rows)) is not None]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn else (value, value)
    return Interval(float(value), float(low), float(high))


def paired(base: Figure, other: Figure, seed: int = 0, rounds: int = PAIRED_ROUNDS) -> Interval:
    """Return `other` - `base` on the same samples with its 95% percentile interval.

    Every draw of units is put to both, so that what makes a sample hard falls on both (paired
    bootstrap: Efron & Tibshirani 1993; for comparing systems: Koehn 2004, EMNLP).

    Args:
        base: of one set of predictions.
        other: of another, of the same samples in the same order.
        seed: of the draws.
        rounds: draws.

    Raises:
        ValueError: if the two are not of the same samples.
    """
    if list(base.units) != list(other.units):
        raise ValueError("the figures are not of the same samples")

    def difference(rows: NDArray[np.int64]) -> float | None:
        before, after = base.statistic(rows), other.statistic(rows)
        return None if before is None or after is None else after - before

    return bootstrap(difference, base.units, seed, rounds)


def _draws(units: Sequence[Hashable], seed: int, rounds: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of as many units as there are, drawn with repetition, `rounds` times."""
    members: dict[Hashable, list[int]] = {}
    for row, unit in enumerate(units):
        members.setdefault(unit, []).append(row)
    groups = [np.array(rows, dtype=np.int64) for rows in members.values()]
    alone = len(groups) == len(units)
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        picks = rng.integers(len(groups), size=len(groups))
        yield picks if alone else np.concatenate([groups[i] for i in picks])


def _mean(values: NDArray[np.bool_] | Floats) -> float | None:
    return float(np.mean(values)) if len(values) else None
