"""Which sentences of the passages found answer the question, and whether any does.

Rules first: the subject's own document, the asked section, the specific words of the question; a
learned pair scorer decides the rest. The named thing on which a question hinges must stand in the
evidence, or there is no answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.models import _hinge, _studies
from assistant.models._generic import is_generic
from assistant.models._weigh import (
    POPULATION_STEMS,
    WEIGHTS,
    Candidate,
    Need,
    cover,
    coverage,
    features,
    names_of,
    passage_stems,
)
from assistant.types import Evidence
from retrieval import aspects, sentences, words
from retrieval.librarian import Found, Librarian
from retrieval.subjects import Mention

MAX_QUOTES = 6
MIN_RELEVANCE = 0.12
_WELL_COVERED = 0.8
_NEAR_DUPLICATE = 0.72
_NEAR_BEST = 0.7
_ON_POINT = 0.6
_MARGIN = 0.65
_STEPS_MARGIN = 1.1
# Details that an answer has to name: without the word there is no answer.
_MUST_STAND = frozenset(
    words.stem(w)
    for w in (
        "virus", "bacteria", "bacterium", "parasite", "fungus", "colour", "color", "shape", "taste",
        "price", "cost", "discovered", "invented", "invention", "discovery", "founder", "history",
        "manufacturer", "company", "brand",
    )
)  # fmt: skip
_COMPARISON = re.compile(
    r"\b(differen(ce|t)|differ|versus|vs|compar\w+|distinguish|better than|rather than|or)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of the evidence and the key of where it stands."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The sentences that answer, in reading order, or the reason why there are none."""

    quotes: tuple[Quote, ...]
    reason: str = ""


def select(found: Found, evidence: Sequence[Evidence], librarian: Librarian) -> Selection:
    """Return the sentences of `evidence` that answer `found.question`."""
    unknown = _hinge.missing(found, librarian)
    if unknown:
        return Selection((), f"Nothing in the library mentions {_quoted(unknown)}.")
    need = _need(found, librarian)
    candidates = _candidates(found, evidence)
    if not candidates:
        return Selection((), "The library holds nothing on this question.")
    reason = _missing_relation(need, found, candidates, librarian)
    if reason:
        return Selection((), reason)
    _score(found.question, need, candidates, librarian)
    reason = _too_weak(need, candidates)
    if reason:
        return Selection((), reason)
    chosen = _pick(need, _on_subject(need, candidates, librarian))
    return Selection(tuple(Quote(c.text, c.evidence.key) for c in chosen))


def _need(found: Found, librarian: Librarian) -> Need:
    spans = [(m.start, m.end) for m in found.mentions]
    of_aspect = aspects.words_of_aspects(found.question)
    specifics: dict[str, float] = {}
    total = librarian.size
    for word in words.words(found.question):
        lower = word.text.lower()
        inside = any(a <= word.start < b for a, b in spans)
        if (
            inside
            or lower in words.STOPWORDS
            or is_generic(lower)
            or lower in of_aspect
            or lower.isdigit()
        ):
            continue
        frequency = librarian.frequency(lower)
        specifics[word.stem] = math.log(1 + total / (1 + frequency))
    overview = set(found.aspects) <= {"definition"} and not specifics
    return Need(
        aspects=tuple(a for a in found.aspects if a not in aspects.POPULATIONS and not overview),
        populations=tuple(a for a in found.aspects if a in aspects.POPULATIONS),
        subjects=_distinct(found.mentions),
        specifics=specifics,
        about=_about(found.mentions, librarian),
        overview=overview,
        compares=aspects.asks_effect(found.question),
    )


def _about(mentions: Sequence[Mention], librarian: Librarian) -> frozenset[str]:
    """Return the stems of names and definitions, to see whom a subject's document is about."""
    out: set[str] = set()
    for document in {d for mention in mentions for d in mention.documents}:
        for passage in librarian.passages(document):
            if passage.aspect == "definition":
                out.update(words.stems(" ".join((passage.title, *passage.synonyms, passage.text))))
    return frozenset(out)


def _distinct(mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    out: dict[tuple[str, ...], Mention] = {}
    for mention in mentions:
        out.setdefault(mention.documents, mention)
    return tuple(out.values())


def _candidates(found: Found, evidence: Sequence[Evidence]) -> list[Candidate]:
    out = []
    for rank, (hit, item) in enumerate(zip(found.hits, evidence, strict=True)):
        for position, sentence in enumerate(sentences.split(item.text)):
            stems = set(words.stems(sentence.text))
            candidate = Candidate(sentence.text, item, hit.passage.aspect, rank, position, stems)
            candidate.study = hit.passage.kind in _studies.KINDS
            if candidate.study:
                candidate.finding = _studies.finding(hit.passage.section, sentence.text)
            out.append(candidate)
    return out


def _missing_relation(
    need: Need, found: Found, candidates: Sequence[Candidate], librarian: Librarian
) -> str:
    """Say what is missing where a question relates subjects that no passage brings together."""
    subjects = [
        mention
        for mention in need.subjects
        if any(librarian.kind(document) != "symptom" for document in mention.documents)
    ]
    if len(subjects) < 2 or _COMPARISON.search(found.question):
        return ""
    names = [names_of(mention, librarian) for mention in subjects]
    together: dict[int, set[str]] = {}
    for candidate in candidates:
        held = together.setdefault(
            candidate.passage_rank, set(words.stems(candidate.evidence.title))
        )
        held |= candidate.stems
    documents = {c.passage_rank: c.evidence.document for c in candidates}
    for rank, stems in together.items():
        covered = sum(
            documents[rank] in mention.documents or any(name <= stems for name in forms)
            for mention, forms in zip(subjects, names, strict=True)
        )
        if covered >= 2:
            return ""
    listed = " and ".join(mention.name for mention in subjects)
    return f"The library holds {listed}, but nothing that brings them together as asked."


def _score(
    question: str, need: Need, candidates: Sequence[Candidate], librarian: Librarian
) -> None:
    scorer = librarian.scorer
    if scorer is not None:
        pairs = [
            (question, f"{c.evidence.title}: {c.evidence.section}. {c.text}") for c in candidates
        ]
        for candidate, value in zip(candidates, scorer.score(pairs).tolist(), strict=True):
            candidate.relevance = value
    names = [names_of(mention, librarian) for mention in need.subjects]
    cover(names, candidates)
    for candidate in candidates:
        signs = features(need, names, candidate)
        candidate.total = sum(WEIGHTS[name] * value for name, value in signs.items())


def _on_subject(
    need: Need, candidates: Sequence[Candidate], librarian: Librarian
) -> Sequence[Candidate]:
    """Leave out sentences that are beside the subject.

    With subjects, those that neither stand in a subject's document nor name one; without, those of
    documents that hold less of the question's specific words than the best one.
    """
    if not need.subjects or (need.compares and _on_point(need, candidates)):
        candidates = _covering(need, candidates)
    if not need.subjects:
        return candidates
    owned = {d for mention in need.subjects for d in mention.documents}
    forms = [
        set(words.stems(name)) for d in owned for name in librarian.subjects.names_of.get(d, ())
    ]
    kept = [
        c
        for c in candidates
        if c.evidence.document in owned or c.cover or any(form <= c.stems for form in forms)
    ]
    return kept or candidates


def _on_point(need: Need, candidates: Sequence[Candidate]) -> bool:
    """Whether a study is there that names every subject and most of the specific words."""
    return any(
        c.study and c.cover == 1.0 and coverage(need.specifics, passage_stems(c)) >= _ON_POINT
        for c in candidates
    )


def _covering(need: Need, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out the documents that hold less of the specific words than the best one."""
    held: dict[str, float] = {}
    for c in candidates:
        share = coverage(need.specifics, passage_stems(c) if need.compares else c.stems)
        held[c.evidence.document] = max(held.get(c.evidence.document, 0.0), share)
    least = _NEAR_BEST * max(held.values())
    return [c for c in candidates if held[c.evidence.document] >= least]


def _too_weak(need: Need, candidates: Sequence[Candidate]) -> str:
    best = max(c.relevance for c in candidates)
    owned = {d for mention in need.subjects for d in mention.documents}
    for population in need.populations:
        if POPULATION_STEMS[population] & need.about:
            continue
        fits = any(
            (c.aspect == population or POPULATION_STEMS[population] & passage_stems(c))
            and (not owned or c.evidence.document in owned or c.cover)
            for c in candidates
        )
        if not fits:
            return f"The library holds nothing on this question {_IN_WORDS[population]}."
    covered = max(coverage(need.specifics, passage_stems(c)) for c in candidates)
    foreign = [s for s in need.specifics if s in _MUST_STAND]
    if foreign and not any(s in passage_stems(c) for s in foreign for c in candidates):
        return "The library has the subject, but not the detail that is asked for."
    if not need.subjects and covered < 0.5 and need.specifics:
        return "No passage in the library covers what the question names."
    if not need.subjects and best < MIN_RELEVANCE and covered < _WELL_COVERED:
        return "The passages found are too far from the question."
    return ""


_IN_WORDS = {
    "children": "in children",
    "pregnancy": "in pregnancy or breastfeeding",
    "older_adults": "in older adults",
}


def _pick(need: Need, candidates: Sequence[Candidate]) -> list[Candidate]:
    ranked = sorted(candidates, key=lambda c: -c.total)
    best = ranked[0].total
    opening = ranked[0]
    chosen: list[Candidate] = []
    for candidate in ranked:
        if len(chosen) >= MAX_QUOTES:
            break
        # The steps of a treatment belong together: its section is cut later than others.
        together = candidate.passage_rank == opening.passage_rank and opening.aspect == "treatment"
        if candidate.total < best - (_STEPS_MARGIN if together else _MARGIN) and len(chosen) >= 2:
            continue
        if not any(_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return _ordered(chosen)


def _ordered(chosen: Sequence[Candidate]) -> list[Candidate]:
    """Order by passage, the best passage first, and by place within it; definitions open."""
    best: dict[int, float] = {}
    for candidate in chosen:
        best[candidate.passage_rank] = max(best.get(candidate.passage_rank, -9.0), candidate.total)
    return sorted(chosen, key=lambda c: (-best[c.passage_rank], c.passage_rank, c.position))


def _same(a: Candidate, b: Candidate) -> bool:
    return len(a.stems & b.stems) / max(1, len(a.stems | b.stems)) > _NEAR_DUPLICATE


def _quoted(found: Sequence[str]) -> str:
    return " or ".join(f"“{word}”" for word in found)
