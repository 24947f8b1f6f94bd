"""Tokens into entity spans: spelling features and the constrained decoding of BIO tags.

Tags are numbered O = 0, then B and I of each label in turn. The decoder (Viterbi 1967) admits an I
only after a B or I of its label, and no border inside a word. What one place of a text says of a name
counts for its other places. Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder, Tokens

_IMPOSSIBLE = -1e9


def features(
    encoder: Encoder, text: str, item: Tokens
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return, for each token without [CLS] and [SEP], its word's shape and whether it goes on it.

    Returns:
        shapes int64 (tokens,) in [0, 8), and inside bool (tokens,): true where the token continues
        the word of the token before.
    """
    ids, offsets = item.ids[1:-1], item.offsets[1:-1]
    inside = np.array(
        [(encoder.tokenizer.id_to_token(i) or "").startswith("##") for i in ids], dtype=np.bool_
    )
    shapes = np.zeros(len(ids), dtype=np.int64)
    at = 0
    while at < len(ids):
        end = at + 1
        while end < len(ids) and inside[end]:
            end += 1
        shapes[at:end] = shape(text[offsets[at][0] : offsets[end - 1][1]])
        at = end
    return shapes, inside


def shape(word: str) -> int:
    """Return the class of a word's spelling, 0 to 7.

    0 no letter or digit, 1 lower case, 2 capitalised, 3 all capitals, 4 one capital, 5 mixed case,
    6 digits, 7 letters and digits.
    """
    letters = [c for c in word if c.isalpha()]
    digits = any(c.isdigit() for c in word)
    if not letters:
        return 6 if digits else 0
    if digits:
        return 7
    upper = [c.isupper() for c in letters]
    if not any(upper):
        return 1
    if all(upper):
        return 4 if len(letters) == 1 else 3
    return 2 if upper[0] and not any(upper[1:]) else 5


def decode(
    scores: NDArray[np.float32],
    inside: NDArray[np.bool_],
    offsets: Sequence[tuple[int, int]],
    labels: Sequence[str],
) -> list[tuple[int, int, str, float]]:
    """Return (start, end, label, mean probability) of the entities on the best admissible path.

    Args:
        scores: a score for each token and tag, float32 (tokens, 2 * labels + 1).
        inside: whether a token goes on the word of the token before, (tokens,).
        offsets: each token's characters.
        labels: the names, in the order of the tags.
    """
    if not len(scores):
        return []
    log = scores.astype(np.float64)
    log -= log.max(1, keepdims=True)
    log -= np.log(np.exp(log).sum(1, keepdims=True))
    path = best_path(log, inside)
    out: list[tuple[int, int, str, float]] = []
    at = 0
    while at < len(path):
        tag = int(path[at])
        end = at + 1
        if tag % 2 == 1:
            while end < len(path) and path[end] == tag + 1:
                end += 1
            kept = np.exp([log[i, path[i]] for i in range(at, end)])
            label = labels[(tag - 1) // 2]
            out.append((offsets[at][0], offsets[end - 1][1], label, float(np.mean(kept))))
        at = end
    return out


Span = tuple[int, int, str, float]
_ABBREVIATION = re.compile(r"\s*\(([A-Za-z][A-Za-z0-9-]{0,8}[A-Z0-9][a-z]?)\)")
_SHORTEST = 3
# Chosen on validation documents (200 of BC5CDR and 40 of the NCBI corpus); flat around these values.
_LEAST = 0.6
_DOUBTED = 0.9
_USUAL = 0.67
_SPREADS = 0.75
# What an abbreviation stands for outweighs how often it was taken for something else.
_DEFINED = 10.0


def consistent(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return the spans as the whole text speaks for them, in order.

    Every name has one label in a text: that of the entity which it abbreviates, else the one with
    the highest sum of probabilities. A name that is marked in most of its places is marked in all,
    an abbreviation wherever it stands; one that is marked in few of them and with doubt is not
    marked there. Unlikely spans are dropped. Added spans carry the mean probability of the others.

    Args:
        text: what the spans refer to.
        spans: (start, end, label, probability) without overlaps, as `decode` returns them.

    Source: one sense per discourse (Gale, Church & Yarowsky 1992); Krishnan & Manning 2006.
    """
    kept = [span for span in spans if span[3] >= _LEAST]
    named: dict[str, list[Span]] = {}
    for span in kept:
        named.setdefault(_form(text[span[0] : span[1]]), []).append(span)
    defined = _abbreviations(text, kept)
    labels = {form: _label(found, defined.get(form)) for form, found in named.items()}
    labels |= {form: span[2] for form, span in defined.items()}
    out = []
    for form, found in named.items():
        share = 1.0 if form in defined else len(found) / max(1, len(_places(text, form)))
        out += [
            (start, end, labels[form], score)
            for start, end, _, score in found
            if share >= _USUAL or score >= _DOUBTED
        ]
    return sorted([*out, *_spread(text, out, named, defined, labels)])


def _spread(
    text: str,
    marked: Sequence[Span],
    named: Mapping[str, Sequence[Span]],
    defined: Mapping[str, Span],
    labels: Mapping[str, str],
) -> list[Span]:
    """Return spans for the places that names have outside the marked ones."""
    taken = bytearray(len(text) + 1)
    for start, end, _, _ in marked:
        taken[start:end] = b"\1" * (end - start)
    added: list[Span] = []
    for form in sorted(labels, key=lambda name: (-len(name), name)):
        found = named.get(form) or [defined[form]]
        score = sum(span[3] for span in found) / len(found)
        free = [place for place in _places(text, form) if 1 not in taken[slice(*place)]]
        if form not in defined:
            short = len(form) < _SHORTEST and form == form.lower()
            if short or score < _SPREADS or len(free) > len(found):
                continue
        for start, end in free:
            taken[start:end] = b"\1" * (end - start)
            added.append((start, end, labels[form], score))
    return added


def _abbreviations(text: str, spans: Sequence[Span]) -> dict[str, Span]:
    """Return the entity that each abbreviation in brackets right behind it stands for."""
    out = {}
    for span in spans:
        short = _ABBREVIATION.match(text, span[1])
        if short and sum(c.isupper() for c in short[1]) >= 2:
            out[short[1]] = span
    return out


def _label(found: Sequence[Span], definition: Span | None) -> str:
    votes: dict[str, float] = {} if definition is None else {definition[2]: _DEFINED}
    for _, _, label, score in found:
        votes[label] = votes.get(label, 0.0) + score
    return max(sorted(votes), key=lambda label: votes[label])


def _form(words: str) -> str:
    """Return a name as it is looked for: in lower case, unless it is an abbreviation."""
    return words.lower() if words[1:] == words[1:].lower() else words


def _places(text: str, form: str) -> list[tuple[int, int]]:
    flags = re.IGNORECASE if form == form.lower() else 0
    pattern = rf"(?<![\w-]){re.escape(form)}(?![\w-])"
    return [match.span() for match in re.finditer(pattern, text, flags)]


def best_path(log: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the admissible tags with the highest sum of log probabilities, int64 (tokens,)."""
    between, within = _transitions(log.shape[1])
    start = np.where(np.arange(log.shape[1]) % 2 == 0, _IMPOSSIBLE, 0.0)
    start[0] = 0.0
    best = log[0] + start
    back = np.zeros(log.shape, dtype=np.int64)
    for at in range(1, len(log)):
        total = best[:, None] + (within if inside[at] else between)
        back[at] = total.argmax(0)
        best = total.max(0) + log[at]
    path = np.zeros(len(log), dtype=np.int64)
    path[-1] = int(best.argmax())
    for at in range(len(log) - 1, 0, -1):
        path[at - 1] = back[at, path[at]]
    return path


def _transitions(tags: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return costs (from, to) between words and within a word: 0 or impossible."""
    between = np.zeros((tags, tags))
    within = np.full((tags, tags), _IMPOSSIBLE)
    within[0, 0] = 0.0
    for begin in range(1, tags, 2):
        inner = begin + 1
        between[:, inner] = _IMPOSSIBLE
        for before in (begin, inner):
            between[before, inner] = 0.0
            within[before, inner] = 0.0
    return between, within
