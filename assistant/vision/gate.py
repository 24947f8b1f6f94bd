"""The input gate: may this image be judged as a frontal chest film? If not, says why in words.

First what the file says of itself (modality, body part, view), then what is plainly measurable
(colour, size, blank, noise), then a small network that was trained to tell chest films from other
pictures and to see when they are turned or inverted. Knows nothing of diseases. An adult's chest
film is a chest film: the patient's age is the judge's to note, not a reason to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.errors import ModelError
from assistant.vision.classifier import squash, to_batch
from assistant.vision.decode import RadiographImage
from assistant.vision.weights import load

CAN = "The image tool judges frontal chest radiographs only."
RADIOGRAPHY = {"CR", "DX", "RG", "DR", "RF", "SC", "OT", ""}
CHEST = ("CHEST", "THORAX", "LUNG", "TORAX", "RIBS")
SIDEWAYS = {"LL", "RL", "LATERAL", "LAT", "LLD", "RLD", "LLO", "RLO", "XTABLE"}
MODALITY_WORDS = {
    "CT": "a CT slice", "MR": "an MRI slice", "US": "an ultrasound picture",
    "NM": "a nuclear medicine picture", "PT": "a PET picture", "MG": "a mammogram",
    "XA": "an angiogram", "SEG": "a segmentation", "RTDOSE": "a dose map",
}  # fmt: skip
MIN_SIDE = 96
MAX_ASPECT = 3.5
MAX_COLOUR = 0.04
# Grey levels of standard deviation under which a picture shows nothing.
MIN_DEVIATION = 6.0
# Correlation of neighbouring pixels under which a picture is noise; films have 0.95 and more.
MIN_SMOOTHNESS = 0.7
# What the network tells apart, in the order of its outputs.
KINDS = ("film", "other", "turned", "inverted")
_SEEN = {
    "other": "it does not look like a frontal chest radiograph",
    "turned": "it looks like a chest radiograph that is upside down or on its side; turn it upright",
    "inverted": "its grey scale looks inverted (dense parts dark); export it as MONOCHROME2",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an image may be judged, and if not, why, as a sentence."""

    passed: bool
    reason: str


class Gate:
    """The gate with its verified network.

    Args:
        folder: where its `model.safetensors` and `card.json` are.

    Raises:
        ModelError: if they are missing, damaged, or not what the card says.
    """

    def __init__(self, folder: Path) -> None:
        import torch

        from assistant.vision.network import FilmNet

        weights = load(folder)
        try:
            shape = weights.card["architecture"]
            self.network = FilmNet(int(shape["width"]), int(shape["side"]), outputs=len(KINDS))
            self.network.load_state_dict(weights.tensors)
            self.threshold = float(weights.card["operating_points"][0]["threshold"])
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise ModelError(
                f"The card in {folder} doesn't fit its weights or lacks a part ({error}): "
                "train or install the gate again."
            ) from error
        self.network.eval().to(memory_format=torch.channels_last)

    def check(self, image: RadiographImage) -> Verdict:
        """Decide on one image."""
        return self.check_many([image])[0]

    def check_many(self, images: list[RadiographImage]) -> list[Verdict]:
        """Decide on several images; those that need the network share one pass."""
        found = [_stated(image) or _measured(image) for image in images]
        open_ = [row for row, reason in enumerate(found) if reason is None]
        if open_:
            shares = self.shares(np.stack([squash(images[row].pixels) for row in open_]))
            for row, share in zip(open_, shares, strict=True):
                if share[0] < self.threshold:
                    kind = KINDS[1 + int(share[1:].argmax())]
                    found[row] = f"This picture can't be judged: {_SEEN[kind]}. {CAN}"
        return [Verdict(reason is None, reason or "") for reason in found]

    def shares(self, films: np.ndarray) -> np.ndarray:
        """Return the network's softmax over `KINDS`, (N, 4), of (N, 224, 224) uint8 films."""
        import torch

        with torch.inference_mode():
            return torch.softmax(self.network(to_batch(films)).float(), 1).numpy()


def _stated(image: RadiographImage) -> str | None:
    """Return why the file's own description rules it out, or None."""
    if image.modality not in RADIOGRAPHY:
        what = MODALITY_WORDS.get(image.modality, f"of modality {image.modality}")
        return f"This file says that it is {what}. {CAN}"
    if image.body_part and not any(part in image.body_part for part in CHEST):
        return f"This file says that it shows the body part {image.body_part}. {CAN}"
    if image.view in SIDEWAYS:
        return f"This file says that it is a lateral view ({image.view}). {CAN}"
    return None


def _measured(image: RadiographImage) -> str | None:
    """Return why the pixels rule it out without a network, or None."""
    height, width = image.pixels.shape
    if min(height, width) < MIN_SIDE:
        return (
            f"This picture is too small to be judged ({width} by {height} pixels; "
            f"each side needs {MIN_SIDE}). {CAN}"
        )
    if max(height, width) > MAX_ASPECT * min(height, width):
        return f"This picture is too narrow for a chest film ({width} by {height} pixels). {CAN}"
    if image.colour > MAX_COLOUR:
        return f"This is a colour picture, not a radiograph. {CAN}"
    small = squash(image.pixels).astype(np.float64)
    if small.std() < MIN_DEVIATION:
        return f"This picture is blank: it has next to no contrast. {CAN}"
    if _smoothness(small) < MIN_SMOOTHNESS:
        return f"This picture is noise or a fine pattern: neighbouring pixels don't agree. {CAN}"
    return None


def _smoothness(film: np.ndarray) -> float:
    """Return the correlation of pixels with their right and lower neighbours, the lower of both."""
    centred = film - film.mean()
    power = (centred * centred).mean()
    right = (centred[:, 1:] * centred[:, :-1]).mean()
    down = (centred[1:] * centred[:-1]).mean()
    return float(min(right, down) / max(power, 1e-9))
