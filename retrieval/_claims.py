"""What a classifier of pairs is shown: the sentences of a text that matter, and plain cues.

A small encoder can't find the one sentence of an abstract that decides: the sentences nearest to the
claim by shared stems, with a bonus for late ones and for words of outcome, are chosen first and
kept in their order. Cues are shares and signs read by regular expressions: negation, direction,
significance, numbers. Training and serving use the same functions. Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval import sentences, words

CUES = 16
LATE = 0.3
SECTION = 0.3
OUTCOME = 0.2
_LABEL = re.compile(r"(?:^|\n)\s*([A-Z][A-Z ,/&'-]{3,50}):\s")
_WEAK_SECTIONS = re.compile(
    r"BACKGROUND|INTRODUCTION|OBJECTIVE|AIM|PURPOSE|METHOD|DESIGN|SETTING|PATIENTS|PARTICIPANTS|"
    r"SUBJECTS|MATERIAL|MEASURE|INTERVENTION|CONTEXT|HYPOTHESIS|QUESTION|LIMITATION"
)
_STRONG_SECTIONS = re.compile(r"RESULT|FINDING|CONCLUSION|DISCUSSION|INTERPRETATION|SUMMARY$")
_NEGATION = re.compile(
    r"\b(?:no|not|neither|nor|never|without|cannot|lacks?|lacking|fail(?:s|ed)?|absence|unable|"
    r"unlikely|insufficient|unchanged|non-?significant(?:ly)?|insignificant)\b|n't\b",
    re.IGNORECASE,
)
_FLAT = re.compile(
    r"\b(?:no(?: \w+){0,3} (?:differen\w+|correlat\w+|associat\w+|relation\w*|effects?|changes?|"
    r"influence|impact|increase|improvement|evidence|benefits?|advantages?)|"
    r"not(?: \w+){0,2} (?:significant\w*|differ\w*|associated|correlat\w+|related|affect\w*|"
    r"influence\w*|improve\w*|increase\w*|reduce\w*|predict\w*|change\w*)|did not|similar\w*|"
    r"comparable|unchanged|equivalent|non-?significant\w*|insignificant\w*|neither|fail(?:s|ed))\b|"
    r"\bp ?[=>] ?0?\.[1-9]|\bp ?= ?0?\.0[6-9]|\bNS\b",
    re.IGNORECASE,
)
_SIGNIFICANT = re.compile(
    r"\b(?:significant(?:ly)?|associated|correlated|higher|lower|increas\w+|decreas\w+|improv\w+|"
    r"reduc\w+|better|greater|worse|predict\w+|effective\w*|superior|inhibit\w*|induc\w+|"
    r"promot\w+|enhanc\w+)\b|\bp ?[=<] ?0?\.0[0-5]",
    re.IGNORECASE,
)
_UP = re.compile(
    r"\b(?:increas\w+|high(?:er|est)?|more|greater|elevat\w+|rais\w+|improv\w+|enhanc\w+|promot\w+|"
    r"induc\w+|activat\w+|upregulat\w+|gain\w*|better|superior|stimulat\w+|accelerat\w+|long(?:er)?|"
    r"positiv\w+|strong\w*|facilitat\w+|necessary|required?s?)\b",
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"\b(?:decreas\w+|low(?:er|est)?|less|fewer|smaller|reduc\w+|declin\w+|impair\w+|inhibit\w*|"
    r"suppress\w+|downregulat\w+|loss|los[et]s?|worse\w*|inferior|prevent\w*|block\w*|attenuat\w+|"
    r"short(?:er)?|negativ\w+|weak\w*|deficien\w+|diminish\w+|protect\w*|dispensable)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_HEDGE = re.compile(
    r"\b(?:may|might|could|suggest\w*|however|although|further|limited|unclear|inconclusive|"
    r"possibl[ey]|trend|partial\w*|only|some)\b",
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
            + OUTCOME * bool(_FLAT.search(piece.text) or _SIGNIFICANT.search(piece.text))
            + SECTION * piece.section
            for place, piece in enumerate(found)
        ]
        kept = sorted(np.argsort(-np.array(rank), kind="stable")[:count].tolist())
        found = [found[place] for place in kept]
    return " ".join(piece.text for piece in found)


def is_flat(text: str) -> bool:
    """Whether a text says that something made or showed no difference."""
    return bool(_FLAT.search(text))


def is_significant(text: str) -> bool:
    """Whether a text names a difference, an effect or an association."""
    return bool(_SIGNIFICANT.search(text))


def is_negated(text: str) -> bool:
    """Whether a text denies something."""
    return bool(_NEGATION.search(text))


def cues(claim: str, text: str) -> NDArray[np.float32]:
    """Return plain signs of agreement between a claim or question and its chosen text.

    Returns:
        float32 (CUES,), each in [-1, 1].
    """
    wanted = stems(claim)
    parts = [s.text for s in sentences.split(text)] or [""]
    shared = np.array([len(wanted & stems(p)) / max(len(wanted), 1) for p in parts])
    flat = np.array([bool(_FLAT.search(p)) for p in parts])
    sure = np.array([bool(_SIGNIFICANT.search(p)) for p in parts]) & ~flat
    weight = shared / max(float(shared.sum()), 1e-6)
    best = parts[int(shared.argmax())]
    denied, answered = bool(_NEGATION.search(claim)), bool(_NEGATION.search(best))
    here, there = _direction(claim), _direction(best)
    numbers, known = _NUMBER.findall(claim), set(_NUMBER.findall(text))
    met = sum(n in known for n in numbers) / len(numbers) if numbers else 0.0
    return np.array(
        [
            len(wanted & stems(text)) / max(len(wanted), 1),
            shared.max(),
            denied,
            answered,
            denied != answered,
            (weight * flat).sum(),
            (weight * sure).sum(),
            flat[-1],
            sure[-1],
            flat.mean(),
            here,
            there,
            here * there,
            met - (1.0 - met) * bool(numbers),
            min(len(_HEDGE.findall(text)), 4) / 4,
            claim.rstrip().endswith("?"),
        ],
        dtype=np.float32,
    )


def _direction(text: str) -> float:
    up, down = len(_UP.findall(text)), len(_DOWN.findall(text))
    return (up - down) / max(up + down, 1)


def labelled(sections: Iterable[Sequence[str]]) -> str:
    """Return (label, text) sections as one text that `pieces` reads."""
    return "\n".join(f"{label.upper()}: {text}" for label, text in sections)
