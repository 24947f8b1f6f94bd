"""Vectors made in this process, by the encoder that serves queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder
from retrieval.engines import Progress


@dataclass(frozen=True, eq=False)
class LocalEngine:
    """The encoder itself.

    Attributes:
        encoder: makes the vectors; shared with whoever else uses it.
    """

    encoder: Encoder

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return unit vectors, float32 (len(texts), width), in the order of `texts`."""
        return self.encoder.embed(texts, progress=progress)

    def close(self) -> None:
        """Do nothing: the encoder stays."""


def build(encoder: Encoder, address: str | None = None) -> LocalEngine:
    """Return the engine; there is no `address` to connect to."""
    return LocalEngine(encoder)
