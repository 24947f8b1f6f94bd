"""The support check: does the cited evidence say what a sentence claims?

A sentence that stands verbatim in its evidence has support 1. Any other is compared with the
nearest one or two sentences of the evidence it cites: shared content words and cosine, with numbers
and polarity as vetoes. Keys that were not given out in this turn are removed. The check holds for
any chat model. Knows nothing of how the sentence was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.safety import _vetoes
from assistant.types import Citation, Claim, Evidence
from retrieval import sentences, words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
# (claim, quote) -> the probability that the quote contradicts the claim, in [0, 1].
Contradicts = Callable[[str, str], float]

KEY = re.compile(r"\[((?:[A-Z]\d+)(?:\s*[,;]\s*[A-Z]\d+)*)\]")
_BEHIND = re.compile(r"([.!?])((?:\s*\[[A-Z]\d+(?:\s*[,;]\s*[A-Z]\d+)*\])+)")
_NEGATION = re.compile(
    r"\b(no|not|never|without|neither|nor|cannot|can't|don't|doesn't|isn't|aren't|shouldn't|"
    r"avoid(?:ed|s)?|contraindicated|absence|lacks?|unlikely|denies|negative)\b",
    re.IGNORECASE,
)
_POLARITY_FACTOR = 0.4
# Probability of a contradiction from which the learned reading counts.
SURE = 0.8
# A sentence with less support than this is withheld in any case.
_WORTH_READING = 0.3
_WINDOW = 2


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence as a chat model wrote it: its words and the keys that it cites."""

    text: str
    keys: tuple[str, ...]


def parse(text: str) -> list[Written]:
    """Split a model's text into sentences and the keys in brackets that follow them."""
    out: list[Written] = []
    for sentence in sentences.split(joined(text)):
        keys = [k.strip() for m in KEY.finditer(sentence.text) for k in re.split(r"[,;]", m[1])]
        plain = re.sub(r"\s+([.!?,;])", r"\1", re.sub(r"\s+", " ", KEY.sub("", sentence.text)))
        if any(c.isalnum() for c in plain):
            out.append(Written(plain.strip(), tuple(dict.fromkeys(keys))))
        elif keys and out:
            out[-1] = Written(out[-1].text, tuple(dict.fromkeys((*out[-1].keys, *keys))))
    return out


def joined(text: str) -> str:
    """Return a text of equal length in which keys behind a full stop stand before it.

    A key may be written on either side; before it, it stays with its sentence.
    """
    return _BEHIND.sub(r"\2\1", text)


def check(
    written: Written,
    evidence: Mapping[str, Evidence],
    embed: Embed,
    contradicts: Contradicts | None = None,
) -> Claim:
    """Return the sentence with its support and the citations that carry it.

    Keys that are not in `evidence` are dropped. Without a valid key the support is 0.

    Args:
        written: the sentence and its keys.
        evidence: what may be cited, by key.
        embed: unit vectors of texts.
        contradicts: a learned reading of the nearest quote of a sentence that is not verbatim;
            where it is sure of a contradiction, the support falls.
    """
    best: list[tuple[float, Citation]] = []
    for key in written.keys:
        item = evidence.get(key)
        if item is not None:
            best.append(_against(written.text, item, embed, contradicts))
    if not best:
        return Claim(written.text, 0.0, ())
    top = max(score for score, _ in best)
    kept = tuple(citation for score, citation in best if score >= 0.75 * top)
    return Claim(written.text, top, kept)


def whole(item: Evidence) -> Citation:
    """Return a citation of all of a piece of evidence."""
    return _citation(item, 0, len(item.text))


def _against(
    text: str, item: Evidence, embed: Embed, contradicts: Contradicts | None
) -> tuple[float, Citation]:
    place = _verbatim(text, item.text)
    if place is not None:
        return 1.0, _citation(item, *place)
    spans = sentences.split(item.text)
    if not spans:
        return 0.0, _citation(item, 0, len(item.text))
    windows = [
        (spans[i].start, spans[min(i + size, len(spans)) - 1].end)
        for size in range(1, _WINDOW + 1)
        for i in range(len(spans) - size + 1)
    ]
    vectors = embed([text, *(item.text[a:b] for a, b in windows)])
    cosines = vectors[1:] @ vectors[0]
    scored = [
        (support(text, item.text[a:b], float(cosine), item.title), -(b - a), a, b)
        for (a, b), cosine in zip(windows, cosines, strict=True)
    ]
    score, _, start, end = max(scored)
    if contradicts is not None and score >= _WORTH_READING:
        score *= 1.0 if contradicts(text, item.text[start:end]) < SURE else _POLARITY_FACTOR
    return score, _citation(item, start, end)


def _verbatim(text: str, source: str) -> tuple[int, int] | None:
    """Return where a text stands in a source, up to white space and a final full stop."""
    pieces = [re.escape(piece) for piece in text.split()]
    match = re.search(r"\s+".join(pieces), source)
    if match is None and text.endswith("."):
        pieces[-1] = re.escape(text.split()[-1][:-1])
        match = re.search(r"\s+".join(pieces), source)
    return None if match is None else match.span()


def support(claim: str, quote: str, cosine: float, about: str = "") -> float:
    """Return how far a quote supports a claim, in [0, 1].

    The mean of the share of the claim's content words that the quote holds and their cosine; 0
    where the claim says another number, unit, name or opposite than the quote or `about`, its
    title; and less where one negates and the other doesn't.
    """
    wanted = words.content(claim)
    if not wanted:
        return 0.0
    if _vetoes.turned(claim, quote, about):
        return 0.0
    shared = len(wanted & words.content(quote)) / len(wanted)
    score = 0.5 * shared + 0.5 * max(0.0, cosine)
    one_sided = bool(_NEGATION.search(claim)) != bool(_NEGATION.search(quote))
    if one_sided or _vetoes.flipped(claim, quote):
        score *= _POLARITY_FACTOR
    return min(score, 0.99)


def _citation(item: Evidence, start: int, end: int) -> Citation:
    return Citation(
        key=item.key,
        passage=item.passage or item.document,
        document=item.document,
        title=item.title,
        source=item.source,
        url=item.url,
        start=item.start + start,
        end=item.start + end,
        quote=item.text[start:end],
    )
