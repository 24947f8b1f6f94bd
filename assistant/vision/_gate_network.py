"""The gate's network: kind, turn, inversion and tilt of a picture, and its distance from the films.

One pass of a small `FilmNet` gives all of them. Promises that what it says follows from one
verified folder. Knows nothing of files' words, of sentences or of what may be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from assistant.errors import ModelError
from assistant.vision.inputs import BATCH, to_batch
from assistant.vision.network import FilmNet
from assistant.vision.weights import load

# What the network tells apart, in the order of its first outputs.
SEEN = (
    "film", "lateral", "radiograph", "ct", "mr", "ultrasound", "photo", "document", "noise",
    "blank", "other",
)  # fmt: skip
# After the kinds: four quarter turns, inversion, tilt.
OUTPUTS = len(SEEN) + 6
# Degrees that a tilt output of 1 means.
TILT_UNIT = 24.0
MEAN, WHITEN, LADDER = "distance.mean", "distance.whiten", "distance.ladder"


@dataclass(frozen=True, eq=False, slots=True)
class Looks:
    """What the network says of N pictures.

    Attributes:
        shares: (N, 11) softmax over `SEEN`.
        turns: (N, 4) softmax over quarter turns anticlockwise that the picture was given.
        inverted: (N,) probability that dense is dark, if it is a film.
        tilt: (N,) degrees anticlockwise beyond the quarter turns, if it is a film.
        distance: (N,) share of held-out training-hospital films that lie nearer, in [0, 1].
        far: (N,) Mahalanobis distance over that of the 99.5th percentile of those films.
    """

    shares: np.ndarray
    turns: np.ndarray
    inverted: np.ndarray
    tilt: np.ndarray
    distance: np.ndarray
    far: np.ndarray


def parts(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Part (N, OUTPUTS) into kinds (N, 11), turns (N, 4), inversion (N,) and tilt (N,) in units."""
    kinds, turns, inverted, tilt = logits.split([len(SEEN), 4, 1, 1], 1)
    return kinds, turns, inverted.squeeze(1), tilt.squeeze(1)


class GateNetwork:
    """The verified network.

    Args:
        folder: where its `model.safetensors` and `card.json` are.

    Raises:
        ModelError: if they are missing, damaged, or not what the card says.
    """

    def __init__(self, folder: Path) -> None:
        weights = load(folder)
        self.card = weights.card
        tensors = dict(weights.tensors)
        try:
            self.mean, self.whiten, self.ladder = (
                tensors.pop(name) for name in (MEAN, WHITEN, LADDER)
            )
            self.network = FilmNet.from_card(self.card["architecture"])
            self.network.load_state_dict(tensors)
            if tuple(self.card["labels"]) != SEEN:
                raise ValueError("its labels are not this gate's")
            points = {point["name"]: point["threshold"] for point in self.card["operating_points"]}
            self.threshold = float(points["film"])
            self.farthest = float(points["distance"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"The card in {folder} doesn't fit its weights or lacks a part ({error}): "
                "train or install the gate again."
            ) from error
        self.network.eval().to(memory_format=torch.channels_last)

    def look(self, films: np.ndarray) -> Looks:
        """Return what the network says of (N, 224, 224) uint8 pictures."""
        found = [self._look(films[start : start + BATCH]) for start in range(0, len(films), BATCH)]
        names = Looks.__dataclass_fields__
        return Looks(*(np.concatenate([getattr(one, name) for one in found]) for name in names))

    def features(self, films: np.ndarray) -> Tensor:
        """Return the pooled features, (N, features), of (N, 224, 224) uint8 pictures."""
        with torch.inference_mode():
            maps = self.network.maps(to_batch(films))
            return maps.mean((2, 3)).float()

    def _look(self, films: np.ndarray) -> Looks:
        features = self.features(films)
        with torch.inference_mode():
            logits = self.network.head(features).float()
            kinds, turns, inverted, tilt = parts(logits)
            distances = mahalanobis(features, self.mean, self.whiten)
            return Looks(
                torch.softmax(kinds, 1).numpy(),
                torch.softmax(turns, 1).numpy(),
                torch.sigmoid(inverted).numpy(),
                tilt.numpy() * TILT_UNIT,
                place(distances, self.ladder).numpy(),
                (distances / _high(self.ladder)).numpy(),
            )


def mahalanobis(features: Tensor, mean: Tensor, whiten: Tensor) -> Tensor:
    """Return the Mahalanobis distance (Lee et al. 2018), (N,), of (N, F) features.

    Args:
        features: pooled features.
        mean: (F,) mean of the training films' features.
        whiten: (F, K) matrix whose square is the inverse of their shrunk covariance.
    """
    return ((features - mean) @ whiten).square().sum(1).sqrt()


def place(distances: Tensor, ladder: Tensor) -> Tensor:
    """Return each distance's place, in [0, 1], on an ascending ladder of quantiles."""
    return torch.bucketize(distances, ladder) / len(ladder)


def _high(ladder: Tensor) -> Tensor:
    return ladder[int(len(ladder) * 0.995)].clamp_min(1e-6)
