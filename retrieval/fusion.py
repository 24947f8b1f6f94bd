"""Scores of three judges into one: cosine, BM25 and the pair scorer.

Pure functions over the candidates of one query. Knows nothing of indexes, encoders or passages.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

# Share of the best BM25 score that is added to the cosine.
LEXICAL_WEIGHT = 0.35
# Candidates that the pair scorer reads, and the weight of its probability.
RERANK_DEPTH = 30
RERANK_WEIGHT = 0.25
# Above this share of letters that are neither Latin nor Greek, vectors say nothing of a query.
_FOREIGN_SHARE = 0.5


def needs_dense(query: str) -> bool:
    """Whether the vector of a query is worth making.

    The embedded encoder's vocabulary holds single signs at most of scripts other than Latin and
    Greek, and its training saw none: such a query is left to its words.
    """
    letters = [c for c in query if c.isalpha()]
    foreign = sum(not unicodedata.name(c, "").startswith(("LATIN", "GREEK")) for c in letters)
    return foreign <= _FOREIGN_SHARE * len(letters)


def fuse(
    query: str, dense: NDArray[np.float32], lexical: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the candidates' fused scores, float32 (n,); higher is better, within one query.

    Args:
        query: the words that were searched.
        dense: cosines in [-1, 1], (n,); ignored where `needs_dense` is false.
        lexical: BM25 scores, at least 0, (n,); 0 where the words did not find the candidate.
    """
    best = float(lexical.max(initial=0.0)) or 1.0
    words = np.asarray(lexical, dtype=np.float32) / np.float32(best)
    if not needs_dense(query):
        return words
    return np.asarray(dense, dtype=np.float32) + np.float32(LEXICAL_WEIGHT) * words


def with_rerank(
    query: str, fused: NDArray[np.float32], rerank: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the final scores of the candidates that the pair scorer read, float32 (n,).

    Args:
        query: the words that were searched.
        fused: what `fuse` returned for these candidates, (n,), n at most `RERANK_DEPTH`.
        rerank: the pair scorer's probabilities in [0, 1], (n,).
    """
    del query  # One weight serves every kind of query.
    return np.asarray(fused, dtype=np.float32) + np.float32(RERANK_WEIGHT) * np.asarray(
        rerank, dtype=np.float32
    )
