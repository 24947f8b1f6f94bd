"""What a classifier of pairs is shown: the sentences of a text that matter.

A small encoder can't find the one sentence of an abstract that decides: the sentences nearest to the
claim by shared stems, with a bonus for late ones, for words of outcome and for sections of results,
are chosen first and kept in their order. Training and serving use the same functions. Knows nothing
of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval import sentences, words

LATE = 0.3
SECTION = 0.3
OUTCOME = 0.2
_LABEL = re.compile(r"(?:^|\n)\s*([A-Z][A-Z ,/&'-]{3,50}):\s")
_WEAK_SECTIONS = re.compile(
    r"BACKGROUND|INTRODUCTION|OBJECTIVE|AIM|PURPOSE|METHOD|DESIGN|SETTING|PATIENTS|PARTICIPANTS|"
    r"SUBJECTS|MATERIAL|MEASURE|INTERVENTION|CONTEXT|HYPOTHESIS|QUESTION|LIMITATION"
)
_STRONG_SECTIONS = re.compile(r"RESULT|FINDING|CONCLUSION|DISCUSSION|INTERPRETATION|SUMMARY$")
NEGATION = re.compile(
    r"\b(?:no|not|neither|nor|never|without|cannot|lacks?|lacking|fail(?:s|ed)?|absence|unable|"
    r"unlikely|insufficient|unchanged|non-?significant(?:ly)?|insignificant)\b|n't\b",
    re.IGNORECASE,
)
FLAT = re.compile(
    r"\b(?:no(?: \w+){0,3} (?:differen\w+|correlat\w+|associat\w+|relation\w*|effects?|changes?|"
    r"influence|impact|increase|improvement|evidence|benefits?|advantages?)|"
    r"not(?: \w+){0,2} (?:significant\w*|differ\w*|associated|correlat\w+|related|affect\w*|"
    r"influence\w*|improve\w*|increase\w*|reduce\w*|predict\w*|change\w*)|did not|similar\w*|"
    r"comparable|unchanged|equivalent|non-?significant\w*|insignificant\w*|neither|fail(?:s|ed))\b|"
    r"\bp ?[=>] ?0?\.[1-9]|\bp ?= ?0?\.0[6-9]|\bNS\b",
    re.IGNORECASE,
)
SIGNIFICANT = re.compile(
    r"\b(?:significant(?:ly)?|associated|correlated|higher|lower|increas\w+|decreas\w+|improv\w+|"
    r"reduc\w+|better|greater|worse|predict\w+|effective\w*|superior|inhibit\w*|induc\w+|"
    r"promot\w+|enhanc\w+)\b|\bp ?[=<] ?0?\.0[0-5]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, whether its section speaks of results (1), of other things (-1), or is unknown."""

    text: str
    section: int


def pieces(text: str) -> list[Piece]:
    """Split a text, with section labels in capitals before a colon or without, into sentences."""
    out: list[Piece] = []
    marks = list(_LABEL.finditer(text))
    edges = [(0, marks[0].start() if marks else len(text), 0)]
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        edges.append((mark.end(), end, _section(mark[1])))
    for start, end, section in edges:
        out += [Piece(s.text, section) for s in sentences.split(text[start:end])]
    return out


def _section(label: str) -> int:
    if _STRONG_SECTIONS.search(label):
        return 1
    return -1 if _WEAK_SECTIONS.search(label) else 0


def stems(text: str) -> frozenset[str]:
    """Return the stems of a text's content words."""
    return frozenset(words.content(text))


def choose(claim: str, text: str, count: int) -> str:
    """Return the `count` sentences of a text that bear most on a claim, in their order.

    Args:
        claim: a sentence or a question.
        text: an abstract or a passage; sections may be marked as "RESULTS: ...".
        count: sentences to keep; a text with no more is returned whole, without its labels.
    """
    found = pieces(text)
    if len(found) > count:
        wanted = stems(claim)
        last = max(len(found) - 1, 1)
        rank = [
            len(wanted & stems(piece.text)) / max(len(wanted), 1)
            + LATE * place / last
            + OUTCOME * bool(FLAT.search(piece.text) or SIGNIFICANT.search(piece.text))
            + SECTION * piece.section
            for place, piece in enumerate(found)
        ]
        kept = sorted(np.argsort(-np.array(rank), kind="stable")[:count].tolist())
        found = [found[place] for place in kept]
    return " ".join(piece.text for piece in found)


def is_flat(text: str) -> bool:
    """Whether a text says that something made or showed no difference."""
    return bool(FLAT.search(text))


def is_significant(text: str) -> bool:
    """Whether a text names a difference, an effect or an association."""
    return bool(SIGNIFICANT.search(text))


def is_negated(text: str) -> bool:
    """Whether a text denies something."""
    return bool(NEGATION.search(text))


def labelled(sections: Iterable[Sequence[str]]) -> str:
    """Return (label, text) sections as one text that `pieces` reads."""
    return "\n".join(f"{label.upper()}: {text}" for label, text in sections)
