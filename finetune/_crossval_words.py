"""The baseline of the classifiers: logistic regression on TF-IDF of words and pairs of words.

Words of the first and of the second text count apart. Fitted by L-BFGS with an L2 penalty; scipy
alone. Knows nothing of folds.

Source: Salton & Buckley 1988 (TF-IDF, sublinear counts, unit length).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune._softmax import minimise

PENALTY = 1.0 / 3.0
LEAST = 2


@dataclass(frozen=True, eq=False)
class WordModel:
    """A fitted model.

    Attributes:
        places: the column of each term.
        rarity: each term's inverse document frequency (terms,).
        weights: (terms + 1, classes), the last row for the constant.
    """

    places: dict[str, int]
    rarity: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def fit(
        cls, pairs: Sequence[tuple[str, str]], truth: NDArray[np.int64], classes: int
    ) -> WordModel:
        """Fit on pairs of texts and their classes."""
        bags = [_terms(*pair) for pair in pairs]
        spread = Counter(term for bag in bags for term in bag)
        known = sorted(term for term, count in spread.items() if count >= LEAST)
        places = {term: place for place, term in enumerate(known)}
        counts = np.array([spread[term] for term in known], dtype=np.float64)
        rarity = np.log((1 + len(bags)) / (1 + counts)) + 1
        matrix = _matrix(bags, places, rarity)
        found = minimise(matrix, truth, classes, PENALTY, np.ones(len(bags)))
        return cls(places, rarity, found)

    def log_probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Return log-probabilities (pairs, classes)."""
        bags = [_terms(*pair) for pair in pairs]
        return _normal(_matrix(bags, self.places, self.rarity) @ self.weights)


def _terms(first: str, second: str) -> Counter[str]:
    out: Counter[str] = Counter()
    for mark, text in (("1", first), ("2", second)):
        words = re.findall(r"\w\w+", text.lower())
        out.update(f"{mark} {word}" for word in words)
        out.update(f"{mark} {a} {b}" for a, b in pairwise(words))
    return out


def _matrix(
    bags: Sequence[Counter[str]], places: dict[str, int], rarity: NDArray[np.float64]
) -> Any:
    from scipy.sparse import csr_matrix

    rows, columns, values = [], [], []
    for row, bag in enumerate(bags):
        own = [(places[t], 1 + np.log(n)) for t, n in bag.items() if t in places]
        weighed = np.array([value * rarity[place] for place, value in own])
        weighed /= max(float(np.linalg.norm(weighed)), 1e-12)
        rows += [row] * (len(own) + 1)
        columns += [place for place, _ in own] + [len(places)]
        values += [*weighed.tolist(), 1.0]
    return csr_matrix((values, (rows, columns)), shape=(len(bags), len(places) + 1))


def _normal(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    top = scores - scores.max(1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(1, keepdims=True)), dtype=np.float64)
