"""Scores of three judges into one: cosine, BM25 and the pair scorer.

Pure functions over the candidates of one query. The constants were chosen on training queries of
SciFact and BioASQ: weights from 0.35 to 0.7, and scaling either score by its range, its spread or
not at all, change nDCG@10 by less than 0.005; recall@100 falls as the words' weight grows.
Knows nothing of indexes, encoders or passages.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

# Share of the best BM25 score that is added to the cosine.
LEXICAL_WEIGHT = 0.35
# Candidates that the pair scorer reads, and the weight of its probability. Twenty cost 0.002 of
# nDCG@10 on SciFact (0.793 and 0.795) and nothing on BioASQ.
RERANK_DEPTH = 30
RERANK_WEIGHT = 0.25
# A query of no more words that asks nothing names a subject; the pair scorer, which learnt from
# questions and statements, has nothing to go by.
KEY_WORDS = 3
# Of fewer words no query is a question: it is likelier a name with a question mark.
QUESTION_WORDS = 3
_ASKING = frozenset(
    ["what", "which", "who", "whom", "whose", "where", "when", "why", "how", "is", "are", "was", "were",
     "do", "does", "did", "can", "could", "should", "would", "will", "has", "have", "list", "describe"]
)  # fmt: skip
# Above this share of letters that are neither Latin nor Greek, vectors say nothing of a query.
_FOREIGN_SHARE = 0.5


def is_question(query: str) -> bool:
    """Whether a query asks, rather than states or only names: it ends or begins as questions do."""
    words = query.split()
    if len(words) < QUESTION_WORDS:
        return False
    return words[-1].endswith("?") or words[0].lower() in _ASKING


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


def needs_rerank(query: str) -> bool:
    """Whether the pair scorer has a say: up to `KEY_WORDS` words that ask nothing stay as fused.

    Measured as nDCG@10 on queries that the scorer never saw, without it and with it: SciFact claims
    0.781 and 0.795, BioASQ questions 0.842 and 0.868, but one to three key words 0.390 and 0.383.
    """
    return len(query.split()) > KEY_WORDS or is_question(query)


def with_rerank(
    query: str, fused: NDArray[np.float32], rerank: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the final scores of the candidates that the pair scorer read, float32 (n,).

    Args:
        query: the words that were searched; where `needs_rerank` is false, `fused` stays as it is.
        fused: what `fuse` returned for these candidates, (n,), n at most `RERANK_DEPTH`.
        rerank: the pair scorer's probabilities in [0, 1], (n,).
    """
    weight = np.float32(RERANK_WEIGHT if needs_rerank(query) else 0.0)
    return np.asarray(fused, dtype=np.float32) + weight * np.asarray(rerank, dtype=np.float32)
