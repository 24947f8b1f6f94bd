"""An encoder that needs no weights: words hashed into a vector, for tests of what lies around it.

A child process that has to be killed a hundred times starts with it in half a second.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


class HashedWords:
    """Unit vectors of hashed words (Weinberger et al. 2009, "Feature hashing")."""

    identity = "hashed-words"
    width = 32

    def embed(
        self,
        texts: Sequence[str],
        max_tokens: int = 512,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        vectors = np.full((len(texts), self.width), 1e-6, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split()[:max_tokens]:
                value = zlib.crc32(word.encode())
                vectors[row, value % self.width] += 1 if value & 256 else -1
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_queries(self, queries: Sequence[str], max_tokens: int = 512) -> NDArray[np.float32]:
        return self.embed(queries, max_tokens)
