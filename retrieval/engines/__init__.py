"""Engines that turn many texts into vectors, one file each; `build(encoder, ...)` makes one.

Every engine returns what the encoder itself returns, in the order of the texts; they differ in where
the work is done. Knows nothing of documents or indexes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int], None]


class Engine(Protocol):
    """Makes vectors in bulk."""

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return unit vectors, float32 (len(texts), width), in the order of `texts`.

        `progress` is called with (done, total).
        """
        ...

    def close(self) -> None:
        """Give back what the engine holds: processes, connections."""
        ...
