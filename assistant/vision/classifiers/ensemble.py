"""Ensemble kind: several film classifiers whose logits are averaged, under one card.

The card holds `members`, the names of folders in its own or shipped ones, and the calibration and
points of the mean. The spread of a finding is over members. Costs as many passes as it has members.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import ModelError
from assistant.settings import Settings
from assistant.vision import weights
from assistant.vision.classifiers import Card, Reading, _card
from assistant.vision.classifiers.film import FilmClassifier, locate, readings

_FEWEST = 2


def build(argument: str, settings: Settings) -> EnsembleClassifier:
    """Return the ensemble in a folder.

    Raises:
        ModelError: if a member or the card is missing, damaged, or of other labels.
    """
    del settings
    return EnsembleClassifier(locate(argument))


class EnsembleClassifier:
    """The mean of several networks; see `Classifier`.

    Args:
        folder: where the `card.json` that names the members is.
    """

    def __init__(self, folder: Path) -> None:
        raw = weights.read_card(folder)
        self.card: Card = _card.parse(raw, folder)
        names = raw.get("members")
        if not isinstance(names, list) or len(names) < _FEWEST:
            raise ModelError(
                f"The card in {folder} names no members: list two or more folders under 'members'."
            )
        self.members = [FilmClassifier(_member(folder, str(name))) for name in names]
        for member, name in zip(self.members, names, strict=True):
            if member.card.labels != self.card.labels:
                raise ModelError(
                    f"The member {name!r} of the ensemble in {folder} has the labels "
                    f"{', '.join(member.card.labels)}, not {', '.join(self.card.labels)}: "
                    "leave it out, or train it on the same labels."
                )
        self.files = tuple(path for member in self.members for path in member.files)

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Return a reading for each (H, W) uint8 image."""
        if not images:
            return []
        return readings(np.stack([member.logits(images) for member in self.members]), self.card)

    def attention(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the mean of the members' maps, (h, w) in [0, 1]."""
        return self.together(image)[1]

    def together(self, image: NDArray[np.uint8]) -> tuple[Reading, NDArray[np.float32] | None]:
        """Return reading and mean map from one pass of each member."""
        both = [member.together(image) for member in self.members]
        logits = np.stack([reading.logits[None] for reading, _ in both])
        maps = [heat for _, heat in both if heat is not None]
        mean = np.mean(maps, axis=0) if maps else None
        heat = None if mean is None else (mean / max(float(mean.max()), 1e-6)).astype(np.float32)
        return readings(logits, self.card)[0], heat


def _member(folder: Path, name: str) -> Path:
    inside = folder / name
    return inside if (inside / weights.CARD_FILE).is_file() else locate(name)
