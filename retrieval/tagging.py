"""Tokens into entity spans: spelling features and the constrained decoding of BIO tags.

Tags are numbered O = 0, then B and I of each label in turn. The decoder (Viterbi 1967) admits an I
only after a B or I of its label, and no border inside a word. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence

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
