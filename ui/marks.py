"""Numbers the sources of an answer and cuts its text where the marks go.

Terminal and page show the same numbers because both take them from here. Knows nothing of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.types import Answer, Citation, Claim

# Citation keys as the answer's text carries them: [S1], [R2], [I1], or several: [S1, S2].
_MARK = re.compile(r"[ \t]*\[[SRI]\d+(?:\s*[,;]\s*[SRI]\d+)*\]")


@dataclass(frozen=True, slots=True)
class Source:
    """A numbered source: one passage of a document, one record or one image.

    Attributes:
        number: from 1, in the order in which the answer first cites it.
        citation: its first citation, for title, publisher and address.
        quotes: every citation of it, in order of appearance, without repetitions.
    """

    number: int
    citation: Citation
    quotes: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the answer's text.

    Attributes:
        text: the words, without marks.
        claim: the claim that they are, or None for words between claims.
        marks: (number, citation) pairs to show behind the text.
    """

    text: str
    claim: Claim | None = None
    marks: tuple[tuple[int, Citation], ...] = ()


def sources(answer: Answer) -> tuple[Source, ...]:
    """Return the sources of an answer's claims, numbered from 1."""
    found: dict[tuple[str, str], list[Citation]] = {}
    for claim in answer.claims:
        for citation in claim.citations:
            quotes = found.setdefault(_identity(citation), [])
            if citation not in quotes:
                quotes.append(citation)
    return tuple(
        Source(number, quotes[0], tuple(quotes))
        for number, quotes in enumerate(found.values(), start=1)
    )


def pieces(answer: Answer) -> tuple[Piece, ...]:
    """Cut the answer's text into claims with their marks, and what stands between them.

    Claims that the text does not hold follow at its end, so that none is ever lost.
    """
    numbers = {_identity(source.citation): source.number for source in sources(answer)}
    return tuple(_cut(_MARK.sub("", answer.answer), answer.claims, numbers))


def _identity(citation: Citation) -> tuple[str, str]:
    """Return what a number stands for: a record as a whole, of literature the single passage."""
    kind = citation.key[:1]
    return kind, citation.document if kind == "R" else citation.key


def plain(text: str) -> str:
    """Return an answer's text without marks, as it streams in."""
    return _MARK.sub("", text)


def _cut(
    text: str, claims: tuple[Claim, ...], numbers: dict[tuple[str, str], int]
) -> Iterator[Piece]:
    at = 0
    for claim in claims:
        start = text.find(claim.text, at)
        if start < 0:
            # Not where it should be: show it all the same, behind what came before.
            yield Piece(" ") if at else Piece("")
        else:
            if start > at:
                yield Piece(text[at:start])
            at = start + len(claim.text)
        marks = tuple((numbers[_identity(c)], c) for c in claim.citations)
        yield Piece(claim.text, claim, marks)
    if text[at:].strip():
        yield Piece(text[at:])
