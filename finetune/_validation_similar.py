"""Finds texts that are the same, or nearly so, without keeping them.

The same: equal after case, accents' form, punctuation and spaces are evened out. Nearly: the
Jaccard index of the sets of five-word shingles is at least `NEAR`; candidates come from MinHash
signatures in bands (Broder 1997; Leskovec, Rajaraman & Ullman, "Mining of Massive Datasets", ch. 3)
and are then compared exactly. Keeps hashes only. Knows nothing of rows or files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
NEAR = 0.8
# 20 bands of 4 rows catch a pair of Jaccard 0.8 with probability 1 - (1 - 0.8**4)**20 = 0.99997.
BANDS, ROWS = 20, 4
# Texts in a bucket that a newcomer is compared with: boilerplate would make it quadratic.
COMPARED = 8
_PRIME = (1 << 31) - 1
_WORD = re.compile(r"\w+")


def normal(text: str) -> list[str]:
    """Return the words of a text in the form in which two texts are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def digest(words: list[str]) -> bytes:
    """Return a digest of words, 16 bytes."""
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()


def shingles(words: list[str]) -> NDArray[np.uint32]:
    """Return the sorted hashes of a text's distinct shingles, below 2**31 - 1, (shingles,)."""
    size = min(SHINGLE, max(len(words), 1))
    made = {
        zlib.crc32(" ".join(words[at : at + size]).encode()) % _PRIME
        for at in range(max(len(words) - size + 1, 1))
    }
    return np.array(sorted(made), dtype=np.uint32)


def jaccard(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float:
    """Return the size of the intersection over that of the union, in [0, 1]."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)


@dataclass
class Similar:
    """Texts met so far, each under a number.

    Attributes:
        near: whether texts that are nearly the same are looked for.
    """

    near: bool = True
    _same: dict[bytes, int] = field(default_factory=dict)
    _sets: dict[int, NDArray[np.uint32]] = field(default_factory=dict)
    _buckets: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self._a = rng.integers(1, _PRIME, size=(BANDS * ROWS, 1), dtype=np.uint64)
        self._b = rng.integers(0, _PRIME, size=(BANDS * ROWS, 1), dtype=np.uint64)

    def same(self, number: int, text: str) -> int | None:
        """Take in a text; return the number of the first that is the same, None if it is new."""
        first = self._same.setdefault(digest(normal(text)), number)
        return None if first == number else first

    def alike(self, number: int, text: str) -> int | None:
        """Take in a text; return the number of an earlier one that is nearly the same."""
        words = normal(text)
        if not self.near or len(words) < 2 * SHINGLE:
            return None
        made = shingles(words)
        keys = self._keys(made)
        candidates = {n for key in keys for n in self._buckets[key][:COMPARED]}
        for candidate in sorted(candidates):
            if jaccard(made, self._sets[candidate]) >= NEAR:
                return candidate
        self._sets[number] = made
        for key in keys:
            self._buckets[key].append(number)
        return None

    def _keys(self, made: NDArray[np.uint32]) -> list[bytes]:
        """Return one key a band of the MinHash signature."""
        hashed = (self._a * made.astype(np.uint64)[None, :] + self._b) % np.uint64(_PRIME)
        signature = hashed.min(axis=1).astype(np.uint32).reshape(BANDS, ROWS)
        return [bytes([band]) + signature[band].tobytes() for band in range(BANDS)]
