"""The published corruptions: eight changes that leave the diagnosis alone, each at three strengths.

Exposure, contrast, blur, noise, crop and JPEG after Hendrycks & Dietterich 2019, with strengths of our
own that a film meets on its way through other machines, exports and cameras. They act on the film as the
networks see it, squashed to 224 by 224 pixels with values in [0, 1], and end as 8 bits, so that anyone
can make the same set from the table below. Numpy and Pillow only; knows nothing of networks, and
nothing here is used in training.

| name | change | strength 1 | 2 | 3 |
|---|---|---|---|---|
| brighter | x ** g | 0.7 | 0.5 | 0.35 |
| darker | x ** g | 1.4 | 2.0 | 2.8 |
| low contrast | (x - 0.5) * c + 0.5 | 0.6 | 0.4 | 0.25 |
| high contrast | the same, clipped to [0, 1] | 1.4 | 1.8 | 2.4 |
| blur | Gaussian, sigma in pixels, edges repeated | 1 | 2 | 3 |
| noise | plus normal noise of deviation s, clipped | 0.03 | 0.06 | 0.1 |
| crop | the middle share of both sides, enlarged bilinearly | 0.92 | 0.85 | 0.75 |
| JPEG | quality (libjpeg scale) | 40 | 20 | 10 |
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Film = NDArray[np.uint8]
Values = NDArray[np.float64]
# Side of the squashed film, in pixels.
SIDE = 224
# Of the noise; each film's own pixels are drawn in too, so that no two films get the same.
SEED = 5


@dataclass(frozen=True, slots=True)
class Corruption:
    """One change at one strength.

    Attributes:
        name: of the change, as in the table.
        strength: 1 to 3.
        value: its parameter.
    """

    name: str
    strength: int
    value: float

    @property
    def title(self) -> str:
        """Name and strength, such as "blur 2"."""
        return f"{self.name} {self.strength}"

    def __call__(self, film: Film) -> Film:
        """Return the changed film.

        Args:
            film: (224, 224) uint8, see `squash`.
        """
        values = _CHANGES[self.name](film.astype(np.float64) / 255, self.value)
        changed: Film = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
        return changed


def squash(pixels: Film) -> Film:
    """Return (H, W) uint8 pixels squashed to (224, 224)."""
    if pixels.shape == (SIDE, SIDE):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _exposed(film: Values, gamma: float) -> Values:
    return film**gamma


def _contrast(film: Values, gain: float) -> Values:
    return (film - 0.5) * gain + 0.5


def _blurred(film: Values, sigma: float) -> Values:
    reach = math.ceil(2.5 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (reach, reach)
        wide = np.pad(film, padding, mode="edge")
        size = film.shape[axis]
        parts = (np.take(wide, range(at, at + size), axis) * k for at, k in enumerate(kernel))
        film = np.sum(list(parts), axis=0)
    return film


def _noisy(film: Values, deviation: float) -> Values:
    own = int(np.rint(film * 255).astype(np.int64).sum())
    generator = np.random.default_rng([SEED, own, round(deviation * 1000)])
    return film + generator.standard_normal(film.shape) * deviation


def _cropped(film: Values, share: float) -> Values:
    for axis in (0, 1):
        size = film.shape[axis]
        at = ((np.arange(size) + 0.5) / size - 0.5) * share * size + size / 2 - 0.5
        low = np.floor(at).astype(np.int64).clip(0, size - 2)
        part = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        film = np.take(film, low, axis) * (1 - part) + np.take(film, low + 1, axis) * part
    return film


def _packed(film: Values, quality: float) -> Values:
    stream = io.BytesIO()
    Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(stream, "JPEG", quality=int(quality))
    with Image.open(stream) as picture:
        return np.asarray(picture, dtype=np.float64) / 255


_CHANGES: dict[str, Callable[[Values, float], Values]] = {
    "brighter": _exposed,
    "darker": _exposed,
    "low contrast": _contrast,
    "high contrast": _contrast,
    "blur": _blurred,
    "noise": _noisy,
    "crop": _cropped,
    "JPEG": _packed,
}
_VALUES: dict[str, tuple[float, float, float]] = {
    "brighter": (0.7, 0.5, 0.35),
    "darker": (1.4, 2.0, 2.8),
    "low contrast": (0.6, 0.4, 0.25),
    "high contrast": (1.4, 1.8, 2.4),
    "blur": (1, 2, 3),
    "noise": (0.03, 0.06, 0.1),
    "crop": (0.92, 0.85, 0.75),
    "JPEG": (40, 20, 10),
}
NAMES = tuple(_VALUES)
# All 24, in the table's order.
SET = tuple(
    Corruption(name, strength, value)
    for name, values in _VALUES.items()
    for strength, value in enumerate(values, 1)
)
