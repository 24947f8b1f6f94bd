"""What speaks for a sentence as part of an answer: named signs, each with a weight.

Knows nothing of where sentences come from or how many are quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.records import drug_names
from assistant.types import Evidence
from retrieval import words
from retrieval.librarian import FALLBACK, Librarian
from retrieval.subjects import Mention

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
    "finding": 0.6,
}


@dataclass(slots=True)
class Candidate:
    text: str
    evidence: Evidence
    aspect: str
    passage_rank: int
    position: int
    stems: set[str]
    # A study's sentence: how much it reads like a finding, and the share of the question's subjects
    # that its passage and title name.
    study: bool = False
    finding: float = 0.0
    cover: float = 0.0
    relevance: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """What the question hinges on.

    Attributes:
        aspects: asked aspects without the populations.
        populations: children, pregnancy, older_adults, where asked.
        subjects: names of documents in the question.
        specifics: stems of the words that are neither subject, aspect nor generic, with weights.
        about: stems of the names and definitions of the subjects' documents.
        overview: whether the subject as a whole is asked about.
        compares: whether a study's finding is asked for: does this do that, is this better.
    """

    aspects: tuple[str, ...]
    populations: tuple[str, ...]
    subjects: tuple[Mention, ...]
    specifics: dict[str, float]
    about: frozenset[str]
    overview: bool
    compares: bool


def features(need: Need, names: list[list[set[str]]], candidate: Candidate) -> dict[str, float]:
    own = [candidate.evidence.document in mention.documents for mention in need.subjects]
    mine = any(own)
    others = [forms for forms, is_own in zip(names, own, strict=True) if not is_own]
    exact = candidate.aspect in need.aspects
    near = any(candidate.aspect in FALLBACK.get(a, ()) for a in need.aspects)
    overview = mine and need.overview and candidate.position == 0
    return {
        "relevance": candidate.relevance,
        "subject": max(float(mine), candidate.cover),
        "aspect": exact * (1.0 if mine else 0.0 if need.subjects else 0.25),
        "near_aspect": float(near and not exact and mine),
        "overview": _OVERVIEW.get(candidate.aspect, 0.0) if overview else 0.0,
        "population": _population(need, candidate),
        "together": float(
            mine and any(name <= candidate.stems for forms in others for name in forms)
        ),
        "specifics": _specifics(need, candidate),
        "first": float(candidate.position == 0 and not candidate.study),
        "finding": candidate.finding,
    }


def _specifics(need: Need, candidate: Candidate) -> float:
    """Return the share of the specific words held; a study's title speaks for its sentences too."""
    own = coverage(need.specifics, candidate.stems)
    if not candidate.study:
        return own
    return (own + coverage(need.specifics, passage_stems(candidate))) / 2


# What an overview adds to a definition: the first sentence of these sections.
_OVERVIEW = {"definition": 1.0, "symptoms": 0.75, "causes": 0.65, "diagnosis": 0.65,
             "treatment": 0.75, "uses": 0.75, "results": 0.65, "dose": 0.4}  # fmt: skip

POPULATION_STEMS = {
    "children": {words.stem(w) for w in ["child", "children", "infant", "infants", "neonate", "newborn", "adolescents", "paediatric", "pediatric", "babies", "boys", "girls"]},
    "pregnancy": {words.stem(w) for w in ["pregnancy", "pregnant", "trimester", "breastfeeding", "lactation", "fetal", "foetal", "fetus", "teratogenic"]},
    "older_adults": {words.stem(w) for w in ["older", "elderly", "frail", "aged", "geriatric"]},
}  # fmt: skip


def _population(need: Need, candidate: Candidate) -> float:
    value = 0.0
    for population in need.populations:
        if candidate.aspect == population:
            value += 0.9
        elif POPULATION_STEMS[population] & (
            passage_stems(candidate) if candidate.study else candidate.stems
        ):
            value += 0.6
        elif not POPULATION_STEMS[population] & need.about:
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


def cover(names: list[list[set[str]]], candidates: Sequence[Candidate]) -> None:
    """Note for each study's sentence what share of the subjects its passage and title name."""
    shares: dict[int, float] = {}
    for candidate in candidates:
        if not candidate.study or not names:
            continue
        if candidate.passage_rank not in shares:
            held = passage_stems(candidate) | set(words.stems(candidate.evidence.text))
            named = sum(any(form <= held for form in forms) for forms in names)
            shares[candidate.passage_rank] = named / len(names)
        candidate.cover = shares[candidate.passage_rank]


def names_of(mention: Mention, librarian: Librarian) -> list[set[str]]:
    """Return the stems of each name of a mention's documents."""
    subjects = librarian.subjects
    names = {mention.name}
    for document in mention.documents:
        names.update(subjects.names_of[document])
        names.update(drug_names.classes(subjects.names_of[document]))
    return [set(words.stems(name)) for name in names]


def passage_stems(candidate: Candidate) -> set[str]:
    return candidate.stems | set(words.stems(candidate.evidence.title))
