"""A picture of what differs between two films that were laid over each other. Knows no findings."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assistant.vision._register import SIDE, Floats, ranks, squashed, warp

_SHORT_SIDE = 512
_LONG_SIDE = 1600
# Denser on the later film, less dense: orange and blue, which colour-blind readers tell apart.
_DENSER = np.array([255.0, 140.0, 0.0])
_LIGHTER = np.array([40.0, 130.0, 255.0])
_ALPHA = 0.65
# Smoothing before the films are subtracted, in pixels of 224: finer than that they never fit.
_BLUR = 2.5
# Differences in rank below this are the grain of any two films, whatever their own spread is.
_LEAST_SPREAD = 0.05
_FROM, _FULL = 1.5, 4.0
# Width of the border that isn't compared, as a share of the side: collimation and markers.
_BORDER = 0.03


def picture(newer: NDArray[np.uint8], older: NDArray[np.uint8], matrix: Floats) -> bytes:
    """Return the later film in grey with what is denser in orange and what is less dense in blue.

    Args:
        newer: (H, W) uint8, dense bright.
        older: (h, w) uint8, dense bright.
        matrix: lays `older` on `newer`, as `Registration.matrix`.

    Returns:
        PNG bytes without metadata; the later film's aspect ratio, short side about 512 px.
    """
    change = differences(newer, older, matrix)
    height, width = newer.shape
    factor = min(_SHORT_SIDE / min(height, width), _LONG_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    film = Image.fromarray(np.ascontiguousarray(newer)).resize(
        size, Image.Resampling.LANCZOS, reducing_gap=3.0
    )
    grey = np.asarray(film, dtype=np.float64)[..., None]
    wide = Image.fromarray(change.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    strength = np.asarray(wide, dtype=np.float64)[..., None].clip(-1, 1)
    alpha = _ALPHA * np.abs(strength)
    mixed = grey * (1 - alpha) + np.where(strength > 0, _DENSER, _LIGHTER) * alpha
    stream = io.BytesIO()
    Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8)).save(
        stream, "PNG", compress_level=1
    )
    return stream.getvalue()


def differences(newer: NDArray[np.uint8], older: NDArray[np.uint8], matrix: Floats) -> Floats:
    """Return how much denser the later film is, (224, 224) in [-1, 1]; 0 within the films' spread.

    Each film is replaced by its ranks in what both show, so that exposure doesn't count; a
    difference is measured in the spread (1.4826 times the median deviation) of all of them.
    """
    from scipy.ndimage import gaussian_filter

    laid, inside = warp(older, matrix, SIDE)
    border = round(SIDE * _BORDER)
    framed = np.zeros_like(inside)
    framed[border:-border, border:-border] = inside[border:-border, border:-border]
    first, second = squashed(newer, SIDE), laid
    # What isn't shared takes the film's own median, so that it doesn't shift the ranks.
    parts = []
    for film in (first, second):
        filled = np.where(framed, film, np.median(film[framed]) if framed.any() else 0.0)
        parts.append(gaussian_filter(ranks(filled), _BLUR))
    change = parts[0] - parts[1]
    if not framed.any():
        return np.zeros_like(change)
    change = change - np.median(change[framed])
    spread = max(1.4826 * float(np.median(np.abs(change[framed]))), _LEAST_SPREAD)
    over = (np.abs(change) / spread - _FROM) / (_FULL - _FROM)
    return np.asarray(np.sign(change) * over.clip(0, 1) * framed)
