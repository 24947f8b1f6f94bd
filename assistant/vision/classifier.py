"""The pneumonia classifier: squashed films to calibrated probabilities and class activation maps.

Promises that a probability and its thresholds come from one verified card. Knows nothing of files,
of the gate, or of how a probability is put into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from assistant.errors import ModelError
from assistant.types import OperatingPoint
from assistant.vision.network import FILM_SIDE, FilmNet
from assistant.vision.weights import load

# Films a forward pass; more fit in memory, none are faster on a CPU.
BATCH = 32


@dataclass(frozen=True)
class Calibration:
    """Platt scaling (Platt 1999): probability = sigmoid(slope * logit + offset)."""

    slope: float
    offset: float

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities in (0, 1)."""
        return 1 / (1 + np.exp(-(self.slope * logits.astype(np.float64) + self.offset)))


def squash(pixels: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8 pixels squashed to the (224, 224) that the networks were trained on.

    The aspect ratio is given up on purpose: in the training data it tells the classes apart.
    """
    if pixels.shape == (FILM_SIDE, FILM_SIDE):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    # A fast pre-reduction keeps 64-megapixel films cheap; Lanczos does the last factor of 3.
    return np.asarray(
        picture.resize((FILM_SIDE, FILM_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    )


def to_batch(films: np.ndarray) -> Tensor:
    """Return (N, 224, 224) uint8 films as (N, 1, 224, 224) floats in [0, 1]."""
    return torch.from_numpy(np.array(films, dtype=np.float32) / 255).unsqueeze(1)


class Classifier:
    """One verified network with its calibration and operating points.

    Args:
        folder: where `model.safetensors` and `card.json` are.

    Raises:
        ModelError: if they are missing, damaged, or not what the card says.
    """

    def __init__(self, folder: Path) -> None:
        weights = load(folder)
        card = weights.card
        try:
            self.label = str(card["labels"][-1])
            self.name = f"{card['name']} {card['version']}"
            shape = card["architecture"]
            self.network = FilmNet(int(shape["width"]), int(shape["side"]))
            self.network.load_state_dict(weights.tensors)
            self.calibration = Calibration(
                float(card["calibration"]["slope"]), float(card["calibration"]["offset"])
            )
            self.points = {
                point["name"]: OperatingPoint(
                    point["name"],
                    float(point["threshold"]),
                    float(point["sensitivity"]),
                    float(point["specificity"]),
                    point["measured_on"],
                )
                for point in card["operating_points"]
            }
            self.population = str(card["population"]["words"])
            self.age_range = (
                float(card["population"]["age_from_years"]),
                float(card["population"]["age_to_years"]),
            )
            for name in ("balanced", "rule out", "rule in"):
                self.points[name]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"The card in {folder} doesn't fit its weights or lacks a part ({error}): "
                "train or install the model again."
            ) from error
        self.network.eval().to(memory_format=torch.channels_last)

    def probabilities(self, films: np.ndarray) -> np.ndarray:
        """Return the calibrated probability, (N,), of each of (N, 224, 224) uint8 films."""
        return self.calibration(self.logits(films))

    def logits(self, films: np.ndarray) -> np.ndarray:
        """Return the mean logit, (N,), of each film and its mirror image."""
        found: list[np.ndarray] = []
        with torch.inference_mode():
            for start in range(0, len(films), BATCH):
                batch = to_batch(films[start : start + BATCH])
                logits = (self.network(batch) + self.network(batch.flip(3))) / 2
                found.append(logits.float().numpy())
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def attention(self, film: np.ndarray) -> np.ndarray:
        """Return where a film speaks for the label: Grad-CAM, (224, 224) in [0, 1].

        Grad-CAM (Selvaraju et al. 2017) of the last two stages, multiplied: the last knows what,
        the one before it where. The mirror image counts in, as it does for the probability.
        """
        batch = to_batch(film[None])
        both = torch.cat([batch, batch.flip(3)])
        with torch.enable_grad():
            maps = self.network.early(both).detach().requires_grad_()
            late = self.network.late(maps)
            late.retain_grad()
            self.network.classify(late).sum().backward()
        coarse = _cam(late.detach(), late.grad)
        fine = _cam(maps.detach(), maps.grad)
        heat = (coarse * fine.clamp_min(1e-6)).sqrt()
        heat = (heat[:1] + heat[1:].flip(3)) / 2
        peak = heat.amax().clamp_min(1e-6)
        return (heat / peak).clamp(0, 1)[0, 0].numpy()


def _cam(maps: Tensor, gradients: Tensor | None) -> Tensor:
    """Return the ReLU of maps weighted by their mean gradients, (N, 1, 224, 224), peak 1."""
    if gradients is None:
        raise ModelError("No gradient reached the feature maps: the network was changed.")
    heat = functional.relu((maps * gradients.mean((2, 3), keepdim=True)).sum(1, keepdim=True))
    heat = functional.interpolate(heat, (FILM_SIDE, FILM_SIDE), mode="bicubic", align_corners=False)
    return heat.clamp_min(0) / heat.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
