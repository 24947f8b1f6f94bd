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

from assistant.models import _hinge
from assistant.models._generic import is_generic
from assistant.records import drug_names
from assistant.types import Evidence
from retrieval import aspects, sentences, words
from retrieval.librarian import FALLBACK, Found, Librarian
from retrieval.subjects import Mention

MAX_QUOTES = 6
# How much each sign that a sentence answers the question counts.
WEIGHTS = {
    "relevance": 1.2,
    "subject": 0.5,
    "aspect": 0.8,
    "near_aspect": 0.1,
    "overview": 0.8,
    "population": 1.0,
    "together": 0.8,
    "specifics": 1.0,
    "first": 0.1,
}
MIN_RELEVANCE = 0.12
_WELL_COVERED = 0.8
_NEAR_DUPLICATE = 0.72
_NEAR_BEST = 0.7
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


@dataclass(slots=True)
class _Candidate:
    text: str
    evidence: Evidence
    aspect: str
    passage_rank: int
    position: int
    stems: set[str]
    relevance: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class _Need:
    """What the question hinges on.

    Attributes:
        aspects: asked aspects without the populations.
        populations: children, pregnancy, older_adults, where asked.
        subjects: names of documents in the question.
        specifics: stems of the words that are neither subject, aspect nor generic, with weights.
        about: stems of the names and definitions of the subjects' documents.
        overview: whether the subject as a whole is asked about.
    """

    aspects: tuple[str, ...]
    populations: tuple[str, ...]
    subjects: tuple[Mention, ...]
    specifics: dict[str, float]
    about: frozenset[str]
    overview: bool


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


def _need(found: Found, librarian: Librarian) -> _Need:
    spans = [(m.start, m.end) for m in found.mentions]
    of_aspect = aspects.words_of_aspects(found.question)
    specifics: dict[str, float] = {}
    total = len(librarian.searcher.index.passages)
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
        frequency = len(librarian.searcher.index.lexical.search(lower, total))
        specifics[word.stem] = math.log(1 + total / (1 + frequency))
    overview = set(found.aspects) <= {"definition"} and not specifics
    return _Need(
        aspects=tuple(a for a in found.aspects if a not in aspects.POPULATIONS and not overview),
        populations=tuple(a for a in found.aspects if a in aspects.POPULATIONS),
        subjects=_distinct(found.mentions),
        specifics=specifics,
        about=_about(found.mentions, librarian),
        overview=overview,
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


def _candidates(found: Found, evidence: Sequence[Evidence]) -> list[_Candidate]:
    out = []
    for rank, (hit, item) in enumerate(zip(found.hits, evidence, strict=True)):
        for position, sentence in enumerate(sentences.split(item.text)):
            stems = set(words.stems(sentence.text))
            out.append(_Candidate(sentence.text, item, hit.passage.aspect, rank, position, stems))
    return out


def _names(mention: Mention, librarian: Librarian) -> list[set[str]]:
    """Return the stems of each name of a mention's documents."""
    subjects = librarian.subjects
    names = {mention.name}
    for document in mention.documents:
        names.update(subjects.names_of[document])
        names.update(drug_names.classes(subjects.names_of[document]))
    return [set(words.stems(name)) for name in names]


def _missing_relation(
    need: _Need, found: Found, candidates: Sequence[_Candidate], librarian: Librarian
) -> str:
    """Say what is missing where a question relates subjects that no passage brings together."""
    subjects = [
        mention
        for mention in need.subjects
        if any(librarian.kind(document) != "symptom" for document in mention.documents)
    ]
    if len(subjects) < 2 or _COMPARISON.search(found.question):
        return ""
    names = [_names(mention, librarian) for mention in subjects]
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
    question: str, need: _Need, candidates: Sequence[_Candidate], librarian: Librarian
) -> None:
    scorer = librarian.scorer
    if scorer is not None:
        pairs = [
            (question, f"{c.evidence.title}: {c.evidence.section}. {c.text}") for c in candidates
        ]
        for candidate, value in zip(candidates, scorer.score(pairs).tolist(), strict=True):
            candidate.relevance = value
    names = [_names(mention, librarian) for mention in need.subjects]
    for candidate in candidates:
        features = _features(need, names, candidate)
        candidate.total = sum(WEIGHTS[name] * value for name, value in features.items())


def _on_subject(
    need: _Need, candidates: Sequence[_Candidate], librarian: Librarian
) -> Sequence[_Candidate]:
    """Leave out sentences that are beside the subject.

    With subjects, those that neither stand in a subject's document nor name one; without, those of
    documents that hold less of the question's specific words than the best one.
    """
    if not need.subjects:
        held: dict[str, float] = {}
        for c in candidates:
            share = coverage(need.specifics, c.stems)
            held[c.evidence.document] = max(held.get(c.evidence.document, 0.0), share)
        least = _NEAR_BEST * max(held.values())
        return [c for c in candidates if held[c.evidence.document] >= least]
    owned = {d for mention in need.subjects for d in mention.documents}
    forms = [
        set(words.stems(name)) for d in owned for name in librarian.subjects.names_of.get(d, ())
    ]
    kept = [
        c
        for c in candidates
        if c.evidence.document in owned or any(form <= c.stems for form in forms)
    ]
    return kept or candidates


def _features(need: _Need, names: list[list[set[str]]], candidate: _Candidate) -> dict[str, float]:
    own = [candidate.evidence.document in mention.documents for mention in need.subjects]
    mine = any(own)
    others = [forms for forms, is_own in zip(names, own, strict=True) if not is_own]
    exact = candidate.aspect in need.aspects
    near = any(candidate.aspect in FALLBACK.get(a, ()) for a in need.aspects)
    overview = mine and need.overview and candidate.position == 0
    return {
        "relevance": candidate.relevance,
        "subject": float(mine),
        "aspect": exact * (1.0 if mine else 0.0 if need.subjects else 0.25),
        "near_aspect": float(near and not exact and mine),
        "overview": _OVERVIEW.get(candidate.aspect, 0.0) if overview else 0.0,
        "population": _population(need, candidate),
        "together": float(
            mine and any(name <= candidate.stems for forms in others for name in forms)
        ),
        "specifics": coverage(need.specifics, candidate.stems),
        "first": float(candidate.position == 0),
    }


# What an overview adds to a definition: the first sentence of these sections.
_OVERVIEW = {"definition": 1.0, "symptoms": 0.75, "causes": 0.65, "diagnosis": 0.65,
             "treatment": 0.75, "uses": 0.75, "results": 0.65, "dose": 0.4}  # fmt: skip

_POPULATION_STEMS = {
    "children": {words.stem(w) for w in ["child", "children", "infant", "infants", "neonate", "newborn", "adolescents", "paediatric", "pediatric", "babies", "boys", "girls"]},
    "pregnancy": {words.stem(w) for w in ["pregnancy", "pregnant", "trimester", "breastfeeding", "lactation", "fetal", "foetal", "fetus", "teratogenic"]},
    "older_adults": {words.stem(w) for w in ["older", "elderly", "frail", "aged", "geriatric"]},
}  # fmt: skip


def _population(need: _Need, candidate: _Candidate) -> float:
    value = 0.0
    for population in need.populations:
        if candidate.aspect == population:
            value += 0.9
        elif _POPULATION_STEMS[population] & candidate.stems:
            value += 0.6
        elif not _POPULATION_STEMS[population] & need.about:
            value -= 0.6
    return value


def coverage(specifics: dict[str, float], stems: set[str]) -> float:
    """Return the weighted share of the question's specific words that a sentence holds."""
    total = sum(specifics.values())
    if not total:
        return 0.0
    return sum(w for s, w in specifics.items() if _holds(stems, s)) / total


def _holds(stems: set[str], wanted: str) -> bool:
    """Whether a stem is there, also as the end of a longer word ("autoantibody")."""
    if wanted in stems:
        return True
    return len(wanted) > 7 and any(len(s) > 5 and wanted.endswith(s) for s in stems)


def _too_weak(need: _Need, candidates: Sequence[_Candidate]) -> str:
    best = max(c.relevance for c in candidates)
    owned = {d for mention in need.subjects for d in mention.documents}
    for population in need.populations:
        if _POPULATION_STEMS[population] & need.about:
            continue
        fits = any(
            (c.aspect == population or _POPULATION_STEMS[population] & c.stems)
            and (not owned or c.evidence.document in owned)
            for c in candidates
        )
        if not fits:
            return f"The library holds nothing on this question {_IN_WORDS[population]}."
    covered = max(coverage(need.specifics, _passage_stems(c)) for c in candidates)
    foreign = [s for s in need.specifics if s in _MUST_STAND]
    if foreign and not any(s in _passage_stems(c) for s in foreign for c in candidates):
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


def _passage_stems(candidate: _Candidate) -> set[str]:
    return candidate.stems | set(words.stems(candidate.evidence.title))


def _pick(need: _Need, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    ranked = sorted(candidates, key=lambda c: -c.total)
    best = ranked[0].total
    opening = ranked[0]
    chosen: list[_Candidate] = []
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


def _ordered(chosen: Sequence[_Candidate]) -> list[_Candidate]:
    """Order by passage, the best passage first, and by place within it; definitions open."""
    best: dict[int, float] = {}
    for candidate in chosen:
        best[candidate.passage_rank] = max(best.get(candidate.passage_rank, -9.0), candidate.total)
    return sorted(chosen, key=lambda c: (-best[c.passage_rank], c.passage_rank, c.position))


def _same(a: _Candidate, b: _Candidate) -> bool:
    return len(a.stems & b.stems) / max(1, len(a.stems | b.stems)) > _NEAR_DUPLICATE


def _quoted(found: Sequence[str]) -> str:
    return " or ".join(f"“{word}”" for word in found)
