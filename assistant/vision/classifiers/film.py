"""Film kind: a network trained here, as a folder of safetensors weights and their card.

Promises that a probability, its thresholds and its map come from one verified card and one pass: the
trunk runs once without gradients, and only the last stage is differentiated for the map. Batch norm
is folded into the convolutions at load. Single precision: a film gives one probability whatever it is
batched with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assistant.errors import ModelError
from assistant.settings import Settings
from assistant.vision import explain, networks, weights
from assistant.vision.classifiers import Card, Reading, _card
from assistant.vision.inputs import BATCH, seen, squash, to_batch


def build(argument: str, settings: Settings) -> Any:
    """Return the classifier of a shipped name or folder; one whose card names members is an ensemble.

    Raises:
        ModelError: if there is no such folder, or it is damaged.
    """
    folder = locate(argument)
    if "members" in weights.read_card(folder):
        from assistant.vision.classifiers import ensemble

        return ensemble.build(argument, settings)
    return FilmClassifier(folder)


def locate(argument: str) -> Path:
    """Return the folder of a shipped name or of a path.

    Raises:
        ModelError: if there is neither.
    """
    for folder in (weights.SHIPPED / argument, Path(argument).expanduser()):
        if argument and (folder / weights.CARD_FILE).is_file():
            return folder
    shipped = sorted(path.parent.name for path in weights.SHIPPED.glob("*/card.json"))
    raise ModelError(
        f"There is no image classifier {argument!r}: name a folder with a card.json and weights, or "
        f"one that is shipped ({', '.join(shipped)})."
    )


class FilmClassifier:
    """One verified network with its calibration and operating points.

    Args:
        folder: where `model.safetensors` and `card.json` are.

    Raises:
        ModelError: if they are missing, damaged, or not what the card says.
    """

    def __init__(self, folder: Path) -> None:
        loaded = weights.load(folder)
        self.card: Card = _card.parse(loaded.card, folder)
        self.files = (folder / weights.MODEL_FILE,)
        try:
            network = networks.build(loaded.card["architecture"])
            network.load_state_dict(loaded.tensors)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            line = str(error).strip().splitlines()[0]
            raise ModelError(
                f"The card in {folder} doesn't fit its weights or lacks a part ({line}): "
                "train or install the model again."
            ) from error
        outputs = int(loaded.card["architecture"].get("outputs", 1))
        if max(outputs, 2) != len(self.card.labels):
            raise ModelError(
                f"The card in {folder} names {len(self.card.labels)} labels for {outputs} outputs: "
                "train or install the model again."
            )
        fold(network.eval().requires_grad_(False))
        self.network = network.to(memory_format=torch.channels_last)

    @property
    def name(self) -> str:
        """Name and version from the card."""
        return self.card.title

    @property
    def label(self) -> str:
        """The positive label, or the last."""
        return self.card.positive or self.card.labels[-1]

    def read(self, images: Sequence[NDArray[np.uint8]]) -> list[Reading]:
        """Return a reading for each (H, W) uint8 image; see `Classifier`."""
        found: list[Reading] = []
        for start in range(0, len(images), BATCH):
            batch = self._batch(images[start : start + BATCH])
            with torch.inference_mode():
                logits = self.network(seen(batch, self.card.views))
            found += self._readings(logits, len(batch))
        return found

    def logits(
        self, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Return the mean logits, (N, K)."""
        found = [reading.logits for reading in self.read(list(images))]
        return np.stack(found) if found else np.zeros((0, len(self.card.labels)))

    def probabilities(
        self, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Return the calibrated probability of the positive label, (N,)."""
        place = self.card.labels.index(self.label)
        return np.array([reading.probabilities[place] for reading in self.read(list(images))])

    def attention(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return where an image speaks for the label; see `together`."""
        return self.together(image)[1]

    def together(self, image: NDArray[np.uint8]) -> tuple[Reading, NDArray[np.float32] | None]:
        """Return the reading of an image and where it speaks for the label, (56, 56) in [0, 1].

        The map is of the film as it is, not of its mirror image; see `assistant.vision.explain`.
        """
        found = explain.cam(
            self.network, seen(self._batch([image]), self.card.views), self._place, mapped=1
        )
        return self._readings(found.logits, 1)[0], found.heat[0].numpy()

    def _place(self, logits: Tensor) -> int:
        """Return the label that is explained: the one that is reported."""
        if self.card.positive is not None:
            return self.card.labels.index(self.card.positive)
        return self.card.place(self._readings(logits, 1)[0].probabilities)

    def _batch(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        batch = to_batch(np.stack([squash(image, self.card.side) for image in images]))
        low, high = self.card.value_range
        return batch if (low, high) == (0.0, 1.0) else batch * (high - low) + low

    def _readings(self, logits: Tensor, count: int) -> list[Reading]:
        """Return readings of the logits of all views, (V * N,) or (V * N, K)."""
        values = logits.float().numpy().astype(np.float64)
        if values.ndim == 1:
            values = np.stack([np.zeros_like(values), values], 1)
        views = values.reshape(-1, count, values.shape[1])
        return readings(views, self.card)


def readings(logits: NDArray[np.float64], card: Card) -> list[Reading]:
    """Return readings of the logits (V, N, K) of several views or members, calibrated by a card."""
    means = logits.mean(0)
    chances = card.calibration(means)
    each = np.stack([card.calibration(view) for view in logits])
    found = []
    for row, (mean, chance) in enumerate(zip(means, chances, strict=True)):
        place = card.place(chance)
        spread = float(each[:, row, place].std()) if len(logits) > 1 else None
        found.append(Reading(mean, chance, spread))
    return found


def fold(network: nn.Module) -> None:
    """Fold each batch norm into the convolution that is registered right before it, in place.

    In the networks of this project that is the order in which they run. The outputs differ by
    rounding only; the small layers in between no longer cost anything.
    """
    before: tuple[str, nn.Conv2d] | None = None
    for name, part in list(network.named_children()):
        if isinstance(part, nn.BatchNorm2d) and before is not None:
            fused = nn.utils.fusion.fuse_conv_bn_eval(before[1], part)
            setattr(network, before[0], fused)
            setattr(network, name, nn.Identity())
            before = None
            continue
        before = (name, part) if isinstance(part, nn.Conv2d) else None
        fold(part)
