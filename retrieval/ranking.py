"""What moves a found passage up or down beside its relevance, and what is left out as said twice.

Every term is small against a clear difference in relevance, and each is named, so that the terms of a
hit sum up to its score. Knows nothing of indexes or encoders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval import sentences, words
from retrieval.index import analysis
from retrieval.queries import Pico
from retrieval.types import Passage

# The terms of a hit's score, in the order in which they are added.
TERMS = ("fused", "reranked", "recent", "evidence", "status", "question", "named")
# The judges' own scores, which the terms are made of.
JUDGES = ("dense", "lexical", "rerank")
RECENT_WEIGHT = 0.08
RECENT_HALF_LIFE_YEARS = 5.0
EVIDENCE_WEIGHT = 0.1
# How far up the pyramid of evidence a level stands, in [0, 1] (Murad et al. 2016, "New evidence
# pyramid"); guidelines, which build on all of it, on top.
LEVELS = {
    "guideline": 1.0, "systematic_review": 1.0, "trial": 0.7, "cohort": 0.4, "review": 0.3,
    "case_report": 0.1,
}  # fmt: skip
STATUS_PENALTY = {"retracted": 0.25, "concern": 0.1}
QUESTION_WEIGHT = 0.2
_NEAR_COSINE = 0.97
_SAME_WORDS = 0.85
_SENTENCES_READ = 3


class Facts(NamedTuple):
    """What an index tells of a row without reading it.

    Attributes:
        document: equal for the rows of one document of that index.
        year: of publication, 0 where unknown.
        evidence: one of `retrieval.types.EVIDENCE`, or "".
        status: one of `retrieval.types.STATUSES`, or "".
    """

    document: int
    year: int = 0
    evidence: str = ""
    status: str = ""


_UNKNOWN = Facts(0)


@dataclass(slots=True)
class Candidate:
    """A row that may be shown, while it is being ranked.

    Attributes:
        at: position of its index among those searched.
        row: its row there.
        judges: the scores of `JUDGES`, as given.
        terms: the terms of its score, each of `TERMS`.
        facts: what the index tells of the row.
        passage: once read.
    """

    at: int
    row: int
    judges: dict[str, float]
    terms: dict[str, float]
    facts: Facts = _UNKNOWN
    passage: Passage | None = None

    @property
    def score(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())

    @property
    def document(self) -> tuple[int, int]:
        """What names the candidate's document among all indexes searched."""
        return self.at, self.facts.document


def add_terms(pool: Iterable[Candidate], prefer: str, scale: float = 1.0) -> None:
    """Add what status, year and evidence say to the candidates' terms.

    Args:
        pool: candidates with their facts.
        prefer: "recent", "evidence" or "".
        scale: what a difference of 1 is on the scale of the scores.
    """
    pool = list(pool)
    newest = max((candidate.facts.year for candidate in pool), default=0)
    for candidate in pool:
        facts = candidate.facts
        if facts.status in STATUS_PENALTY:
            candidate.terms["status"] = -STATUS_PENALTY[facts.status] * scale
        if prefer == "recent" and facts.year:
            share = 0.5 ** ((newest - facts.year) / RECENT_HALF_LIFE_YEARS)
            candidate.terms["recent"] = RECENT_WEIGHT * scale * share
        if prefer == "evidence" and facts.evidence:
            candidate.terms["evidence"] = EVIDENCE_WEIGHT * scale * LEVELS[facts.evidence]


def covered(pico: Pico, passage: Passage) -> float:
    """Return how far the parts of a comparing question stand in a passage, in [0, 1].

    Every said part counts the same: the share of its words, as stems, that the title or the passage
    holds.
    """
    held = set(words.stems(f"{passage.title} {passage.section} {passage.text}"))
    shares = []
    for part in pico.parts().values():
        asked = words.content(part)
        if asked:
            shares.append(len(asked & held) / len(asked))
    return sum(shares) / len(shares) if shares else 0.0


def distinct(
    ranked: Sequence[Candidate],
    vectors: NDArray[np.float32],
    read: Callable[[Candidate], Passage],
) -> list[Candidate]:
    """Return candidates without those that say what a better one says, nearly word for word.

    Args:
        ranked: best first.
        vectors: their unit vectors, (n, width).
        read: gives a candidate's passage; called only for those whose vectors lie close.
    """
    near = vectors @ vectors.T >= _NEAR_COSINE
    kept: list[int] = []
    for at, candidate in enumerate(ranked):
        close = [other for other in kept if near[at, other]]
        if not any(_same(read(candidate), read(ranked[other])) for other in close):
            kept.append(at)
    return [ranked[at] for at in kept]


def _same(one: Passage, other: Passage) -> bool:
    a, b = (set(analysis.analyse(p.text).split()) for p in (one, other))
    return len(a & b) >= _SAME_WORDS * max(1, len(a | b))


def spread(ranked: Sequence[Candidate], most: int) -> list[Candidate]:
    """Return candidates with at most `most` of one document, the others of it behind all."""
    seen: dict[tuple[int, int], int] = {}
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for candidate in ranked:
        seen[candidate.document] = seen.get(candidate.document, 0) + 1
        (first if seen[candidate.document] <= most else rest).append(candidate)
    return first + rest


def likely_sentences(query: str, text: str) -> list[tuple[float, sentences.Sentence]]:
    """Return the few sentences of a passage that hold most of a query's words, best first.

    Returns:
        (share of the query's words, sentence), at most three.
    """
    asked = {words.stem(word) for word in analysis.terms(query).split()}
    scored = []
    for sentence in sentences.split(text):
        held = set(words.stems(analysis.analyse(sentence.text)))
        scored.append((len(asked & held) / max(1, len(asked)), sentence))
    scored.sort(key=lambda item: -item[0])
    return scored[:_SENTENCES_READ]
