"""Queries into ranked passages: dense + lexical candidates, fused, then reranked by an adapter.

One ranking over any number of indexes, none of which is touched unless it was given. Filters hold
before anything is ranked. What is not shown is not read. Knows nothing of chat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval import fusion, queries, ranking
from retrieval.encoder import Encoder
from retrieval.errors import InputError
from retrieval.index import analysis
from retrieval.index.store import Index, embedded_text
from retrieval.queries import Query
from retrieval.ranking import Candidate, Facts
from retrieval.types import EVIDENCE, STATUSES, Filters, Hit, Passage

if TYPE_CHECKING:
    from retrieval.index.vector_store import DenseSearch

Mode = Literal["full", "fused", "dense", "lexical"]
MODES: tuple[Mode, ...] = ("full", "fused", "dense", "lexical")
PER_DOCUMENT = 3
# Weight of the words that a query's abbreviations stand for.
EXPANSION_WEIGHT = 0.2
_DEPTH = 100
_POOL = 60
_MARKED = 5
# How much the reranker's word counts against the share of the query's words in a sentence.
_SENTENCE_RERANK = 2.0


class PairScores(Protocol):
    """Scores pairs of question and text, in [0, 1]."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return float32 (len(pairs),)."""
        ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a ranking is to be made.

    Attributes:
        mode: "dense" by cosine alone, "lexical" by BM25 alone, "fused" by both, "full" by the
            fused score and the reranker.
        filters: which passages may be found; None for all.
        prefer: "recent" or "evidence" for a small bonus, "" for none.
        diverse: most passages of one document before those of others; passages that repeat a
            better one are left out. 0 for neither.
    """

    mode: Mode = "full"
    filters: Filters | None = None
    prefer: str = ""
    diverse: int = PER_DOCUMENT


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search and how it came about.

    Attributes:
        query: how the query was understood.
        hits: best first; the `TERMS` among a hit's parts sum up to its score.
        notes: one sentence for each thing that bore on the ranking.
    """

    query: Query
    hits: tuple[Hit, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Searcher:
    """Searches indexes that one encoder made; immutable, shared by threads.

    Attributes:
        indexes: what is searched; a single index may be given as it is.
        encoder: the encoder that made them.
        reranker: reorders the first hits in mode "full"; None leaves the fused order.
        dense: who searches the vectors of an index; None for the index itself.
    """

    indexes: Sequence[Index]
    encoder: Encoder
    reranker: PairScores | None = None
    dense: Callable[[Index], DenseSearch] | None = None

    def __post_init__(self) -> None:
        given = (self.indexes,) if isinstance(self.indexes, Index) else tuple(self.indexes)
        object.__setattr__(self, "indexes", given)

    @property
    def index(self) -> Index:
        """The first index: the common library."""
        return self.indexes[0]

    def search(
        self,
        query: str,
        k: int = 10,
        mode: Mode = "full",
        filters: Filters | None = None,
        prefer: str = "",
        diverse: int = PER_DOCUMENT,
        history: Sequence[str] = (),
    ) -> list[Hit]:
        """Return up to `k` passages, best first, the first few with the sentence that answers.

        Args:
            query: words or a question; its vector is cut at the encoder's 256 tokens.
            k: passages wanted.
            mode: as in `Wishes`.
            filters: as in `Wishes`.
            prefer: as in `Wishes`; "" lets the query itself ask for the newest.
            diverse: as in `Wishes`.
            history: the questions before it in the same conversation, oldest first.

        Raises:
            InputError: if the mode or the preference is unknown.
        """
        wishes = Wishes(mode, filters, prefer, diverse)
        return list(self.explain(query, k, wishes, history).hits)

    def explain(
        self, query: str, k: int = 10, wishes: Wishes | None = None, history: Sequence[str] = ()
    ) -> Explanation:
        """Search, and tell how the query was understood and what bore on the ranking.

        Raises:
            InputError: if the mode or the preference is unknown.
        """
        wishes = wishes or Wishes()
        _check(wishes)
        understood = queries.understand(query, history)
        hits = self.mark(understood.text, self.rank(understood, k, wishes), wishes.mode)
        notes = list(understood.notes)
        if wishes.prefer:
            notes.append(f"Passages get a small bonus by preference: {wishes.prefer}.")
        if any(hit.passage.status in ranking.STATUS_PENALTY for hit in hits):
            notes.append("Retracted and doubted documents are ranked down.")
        return Explanation(understood, tuple(hits), tuple(notes))

    def rank(self, query: Query, k: int, wishes: Wishes) -> list[Hit]:
        """Return up to `k` passages for a query that is understood already, without sentences."""
        if not query.text.strip() or k < 1 or not self.indexes:
            return []
        pool = self._candidates(query, max(_DEPTH, 2 * k), wishes)
        pool = sorted(pool, key=_order)[: max(_POOL, 3 * k)]
        self._add_facts(pool)
        scale = 1.0
        if wishes.mode == "lexical":
            scale = max((c.score for c in pool), default=1.0)
        ranking.add_terms(pool, wishes.prefer or query.prefer, scale)
        pool.sort(key=_order)
        if wishes.mode == "full":
            pool = self._judged(query, pool)
        if wishes.diverse:
            pool = ranking.spread(self._distinct(pool, k), wishes.diverse)
        return [self._hit(candidate) for candidate in pool[:k]]

    def mark(self, query: str, hits: Sequence[Hit], mode: Mode = "full") -> list[Hit]:
        """Return hits, the first few with the sentence that answers best.

        Of each passage the sentences with most of the query's words are read by the reranker too,
        where there is one and the mode is "full".
        """
        likely = [ranking.likely_sentences(query, hit.passage.text) for hit in hits[:_MARKED]]
        flat = [
            (query, f"{hit.passage.title}. {sentence.text}")
            for hit, found in zip(hits, likely, strict=False)
            for _, sentence in found
        ]
        judged = np.zeros(len(flat), dtype=np.float32)
        if mode == "full" and self.reranker is not None and flat:
            judged = self.reranker.score(flat)
        out, at = list(hits), 0
        for number, found in enumerate(likely):
            scores = [
                share + _SENTENCE_RERANK * float(score)
                for (share, _), score in zip(found, judged[at : at + len(found)], strict=True)
            ]
            at += len(found)
            if scores and max(scores) > 0:
                best = found[int(np.argmax(scores))][1]
                out[number] = replace(hits[number], sentence=(best.start, best.end))
        return out

    def _candidates(self, query: Query, depth: int, wishes: Wishes) -> list[Candidate]:
        vector = None
        if wishes.mode != "lexical" and (wishes.mode == "dense" or fusion.needs_dense(query.text)):
            vector = self._vector(query)
        pool: list[Candidate] = []
        scales = self._scales(query.text)
        for at, index in enumerate(self.indexes):
            allowed = index.allowed(wishes.filters)
            if allowed is not None and not allowed.any():
                continue
            extra = ((query.added, EXPANSION_WEIGHT),) if query.added else ()
            lexical: dict[int, float] = {}
            if wishes.mode != "dense":
                found = index.lexical.search(query.text, depth, allowed, extra)
                lexical = {row: score * scales[at] for row, score in found}
            dense = self._cosines(index, vector, depth, allowed, lexical)
            for row in sorted(dense.keys() | lexical.keys()):
                judges = {"dense": dense[row]} if row in dense else {}
                if wishes.mode != "dense":
                    judges["lexical"] = lexical.get(row, 0.0)
                pool.append(Candidate(at, row, judges, {}))
        return _fused(query.text, pool, wishes.mode)

    def _vector(self, query: Query) -> NDArray[np.float32]:
        """Return a query's unit vector, (width,): midway to that of its abbreviations written out.

        What an encoder makes of an abbreviation is often nothing; what it makes of the words alone
        can be the wrong sense.
        """
        texts = [query.text, *([f"{query.text} {query.added}"] if query.added else [])]
        total: NDArray[np.float32] = self.encoder.embed_queries(texts).sum(axis=0)
        return total / max(float(np.linalg.norm(total)), 1e-12) if query.added else total

    def _cosines(
        self,
        index: Index,
        vector: NDArray[np.float32] | None,
        depth: int,
        allowed: NDArray[np.bool_] | None,
        lexical: dict[int, float],
    ) -> dict[int, float]:
        """Return the cosines of the nearest rows and of those that the words found."""
        if vector is None:
            return {}
        searched = index if self.dense is None else self.dense(index)
        dense = dict(searched.dense(vector, depth, allowed))
        missing = [row for row in lexical if row not in dense]
        if missing:
            found = index.vectors[missing] @ vector
            dense.update(zip(missing, found.tolist(), strict=True))
        return dense

    def _scales(self, text: str) -> list[float]:
        """Return what makes the indexes' BM25 scores comparable.

        A word is rarer, and counts more, in one collection than in another. Scores are brought to
        what the query's words weigh in all collections together.
        """
        if len(self.indexes) == 1:
            return [1.0]
        sizes = [len(index.lexical) for index in self.indexes]
        own, union = [0.0] * len(sizes), [0.0] * len(sizes)
        for word in set(analysis.terms(text).split()):
            held = [index.lexical.frequency(word) for index in self.indexes]
            together = _idf(sum(sizes), sum(held))
            for at, frequency in enumerate(held):
                if frequency:
                    own[at] += _idf(sizes[at], frequency)
                    union[at] += together
        return [u / o if o else 1.0 for o, u in zip(own, union, strict=True)]

    def _add_facts(self, pool: Sequence[Candidate]) -> None:
        for at, index in enumerate(self.indexes):
            mine = [candidate for candidate in pool if candidate.at == at]
            rows, columns = [candidate.row for candidate in mine], index.columns
            facts = (columns.document, columns.year, columns.evidence, columns.status)
            for candidate, *codes in zip(mine, *(f[rows].tolist() for f in facts), strict=True):
                number, year, evidence, status = codes
                level = EVIDENCE[evidence - 1] if evidence else ""
                became = STATUSES[status - 1] if status else ""
                candidate.facts = Facts(number, year, level, became)

    def _judged(self, query: Query, pool: list[Candidate]) -> list[Candidate]:
        """Return the pool with its first candidates reordered by what reading them tells."""
        head, rest = pool[: fusion.RERANK_DEPTH], pool[fusion.RERANK_DEPTH :]
        if query.pico is not None:
            for candidate in head:
                share = ranking.covered(query.pico, self._read(candidate))
                candidate.terms["question"] = ranking.QUESTION_WEIGHT * share
        if self.reranker is not None and head and fusion.needs_rerank(query.text):
            fused = np.array([c.terms["fused"] for c in head], dtype=np.float32)
            pairs = [(query.text, embedded_text(self._read(candidate))) for candidate in head]
            scores = self.reranker.score(pairs)
            final = fusion.with_rerank(query.text, fused, scores)
            for candidate, score, gain in zip(head, scores, final - fused, strict=True):
                candidate.judges["rerank"] = float(score)
                candidate.terms["reranked"] = float(gain)
        return sorted(head, key=_order) + rest

    def _distinct(self, pool: list[Candidate], k: int) -> list[Candidate]:
        """Return the pool without repetitions among the candidates that may be shown."""
        head = pool[: max(_POOL, k)]
        vectors = np.zeros((len(head), self.encoder.width), dtype=np.float32)
        for at, index in enumerate(self.indexes):
            mine = [number for number, candidate in enumerate(head) if candidate.at == at]
            if mine:
                vectors[mine] = index.vectors[[head[number].row for number in mine]]
        return ranking.distinct(head, vectors, self._read) + pool[len(head) :]

    def _read(self, candidate: Candidate) -> Passage:
        if candidate.passage is None:
            candidate.passage = self.indexes[candidate.at].passages[candidate.row]
        return candidate.passage

    def _hit(self, candidate: Candidate) -> Hit:
        parts = (*candidate.judges.items(), *candidate.terms.items())
        return Hit(self._read(candidate), candidate.score, parts)


def _fused(text: str, pool: list[Candidate], mode: Mode) -> list[Candidate]:
    """Give every candidate its first term: one judge's score, or the fused one."""
    if mode in ("dense", "lexical"):
        for candidate in pool:
            candidate.terms["fused"] = candidate.judges[mode]
        return pool
    dense, lexical = (
        np.array([c.judges.get(judge, 0.0) for c in pool], dtype=np.float32)
        for judge in ("dense", "lexical")
    )
    for candidate, score in zip(pool, fusion.fuse(text, dense, lexical).tolist(), strict=True):
        candidate.terms["fused"] = score
    return pool


def _order(candidate: Candidate) -> tuple[float, int, int]:
    return -candidate.score, candidate.at, candidate.row


def _idf(size: int, held: int) -> float:
    """Return the weight of a word that `held` of `size` passages hold, as BM25 has it."""
    return math.log(1 + (size - held + 0.5) / (held + 0.5))


def _check(wishes: Wishes) -> None:
    if wishes.mode not in MODES:
        raise InputError(f"There is no search mode {wishes.mode!r}: use one of {', '.join(MODES)}.")
    if wishes.prefer not in ("", *queries.PREFERENCES):
        raise InputError(
            f"There is no preference {wishes.prefer!r}: use {' or '.join(queries.PREFERENCES)}."
        )
