"""A film with its class activation map laid over it, as PNG bytes. Knows nothing of networks."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Short and long side of the picture, in pixels.
SHORT_SIDE = 512
LONG_SIDE = 1600
# Anchors of the inferno colour map (van der Walt & Smith 2015), dark to bright: its lightness rises
# evenly, so that what looks stronger is stronger, also in grey and to colour-blind readers.
_INFERNO = np.array(
    [
        [0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103], [188, 55, 84],
        [221, 81, 58], [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164],
    ],
    dtype=np.float64,
)  # fmt: skip
# Strongest cover, and the heat below which the film stays as it is.
_ALPHA = 0.6
_FLOOR = 0.2


def overlay(pixels: np.ndarray, heat: np.ndarray) -> bytes:
    """Return a PNG of the film in grey with the heat over it.

    Args:
        pixels: (H, W) uint8, the film as decoded.
        heat: (h, w) in [0, 1], over the same field of view.

    Returns:
        PNG bytes without metadata, short side about 512 px, the film's own aspect ratio.
    """
    height, width = pixels.shape
    factor = min(SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    film = Image.fromarray(np.ascontiguousarray(pixels)).resize(
        size, Image.Resampling.LANCZOS, reducing_gap=3.0
    )
    grey = np.asarray(film, dtype=np.float64)[..., None]
    spread = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    strength = np.asarray(spread, dtype=np.float64).clip(0, 1)
    places = strength * (len(_INFERNO) - 1)
    lower = np.floor(places).astype(int).clip(0, len(_INFERNO) - 2)
    part = (places - lower)[..., None]
    colours = _INFERNO[lower] * (1 - part) + _INFERNO[lower + 1] * part
    alpha = (_ALPHA * ((strength - _FLOOR) / (1 - _FLOOR)).clip(0, 1))[..., None]
    mixed = grey * (1 - alpha) + colours * alpha
    stream = io.BytesIO()
    Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()
