"""Queries into ranked passages: dense + lexical candidates, fused, then reranked by an adapter.

Fusion is the cosine plus a weighted share of the best lexical score, over the union of both
candidate lists. Knows nothing of chat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder
from retrieval.index.store import Index, embedded_text
from retrieval.types import Hit

if TYPE_CHECKING:
    from collections.abc import Sequence

Mode = Literal["full", "fused", "dense", "lexical"]
LEXICAL_WEIGHT = 0.35
RERANK_DEPTH = 30
RERANK_WEIGHT = 0.25


class PairScores(Protocol):
    """Scores pairs of question and text, in [0, 1]."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return float32 (len(pairs),)."""
        ...


@dataclass(frozen=True, eq=False)
class Searcher:
    """Searches one index; immutable, shared by threads.

    Attributes:
        index: what is searched.
        encoder: the encoder that made it.
        reranker: reorders the first hits in mode "full"; None leaves the fused order.
    """

    index: Index
    encoder: Encoder
    reranker: PairScores | None = None

    def search(self, query: str, k: int = 10, mode: Mode = "full") -> list[Hit]:
        """Return up to `k` passages, best first.

        Args:
            query: words or a question; cut at the encoder's 256 tokens.
            k: passages wanted.
            mode: "dense" by cosine alone, "lexical" by BM25 alone, "fused" by their sum, "full"
                by the fused score and the reranker.
        """
        if not query.strip() or k < 1:
            return []
        depth = max(100, 2 * k)
        if mode == "lexical":
            return [self._hit(r, s, lexical=s) for r, s in self.index.lexical.search(query, k)]
        vector = self.encoder.embed([query])[0]
        if mode == "dense":
            return [self._hit(r, s, dense=s) for r, s in self.index.dense(vector, k)]
        hits = self._fuse(query, vector, depth)
        if mode == "full" and self.reranker is not None:
            hits = self._rerank(query, hits)
        return hits[:k]

    def _fuse(self, query: str, vector: NDArray[np.float32], depth: int) -> list[Hit]:
        lexical = dict(self.index.lexical.search(query, depth))
        rows = sorted({row for row, _ in self.index.dense(vector, depth)} | lexical.keys())
        cosines = self.index.vectors[rows] @ vector
        best = max(lexical.values(), default=1.0) or 1.0
        hits = []
        for row, cosine in zip(rows, cosines.tolist(), strict=True):
            words = lexical.get(row, 0.0)
            score = cosine + LEXICAL_WEIGHT * words / best
            hits.append(self._hit(row, score, dense=cosine, lexical=words, fused=score))
        return sorted(hits, key=lambda hit: -hit.score)

    def _rerank(self, query: str, hits: list[Hit]) -> list[Hit]:
        assert self.reranker is not None
        head = hits[:RERANK_DEPTH]
        scores = self.reranker.score([(query, embedded_text(hit.passage)) for hit in head])
        ranked = [
            Hit(
                hit.passage,
                hit.score + RERANK_WEIGHT * float(score),
                (*hit.parts, ("rerank", float(score))),
            )
            for hit, score in zip(head, scores, strict=True)
        ]
        return sorted(ranked, key=lambda hit: -hit.score) + hits[RERANK_DEPTH:]

    def _hit(self, row: int, score: float, **parts: float) -> Hit:
        return Hit(self.index.passages[row], score, tuple(parts.items()))
