"""What can plainly be measured in a picture: size, blankness, noise, colour, border, exposure.

Gives reasons why a picture can't be judged whatever it shows, and warnings about one that can.
Limits were set on chest films, plain and corrupted, so that few ordinary films are warned of; see
docs/image-gate.md. Knows nothing of networks or of files' words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from assistant.vision.decode import RadiographImage

# Pixels that each side needs, and under which detail is lost.
MIN_SIDE, SMALL_SIDE = 96, 180
MAX_ASPECT = 3.5
# See `tint.colourfulness`: tinted films have 0.012 at most, photographs 0.028 and more.
MAX_COLOUR = 0.025
# Grey levels of standard deviation under which a picture shows nothing.
MIN_DEVIATION = 4.0
# Correlation of neighbouring pixels under which a picture is noise; films have 0.95 and more.
MIN_SMOOTHNESS = 0.7
# Shares of the middle of a film that are wholly black or white.
CLIPPED = 0.2
# Mean grey of the middle, of 255.
DARK, BRIGHT = 45.0, 215.0
# Greys between the 5th and the 95th percentile of the middle.
FLAT = 45.0
# Share of a picture that is a black or white frame.
FRAMED = 0.35
# See `sharpness`: ordinary films have 0.7 and more; enlarged fourfold, 0.32 to 0.5.
BLURRED = 0.45
# Degrees.
TILTED = 12.0


class Fault(NamedTuple):
    """Why a picture can't be judged: a kind of `gate.KINDS` ("" where it tells none) and a sentence."""

    kind: str
    sentence: str


def fault(image: RadiographImage, small: np.ndarray) -> Fault | None:
    """Return why an image can't be judged whatever it shows, or None.

    Args:
        image: as decoded.
        small: (224, 224) uint8, squashed.
    """
    height, width = image.pixels.shape
    if min(height, width) < MIN_SIDE:
        return Fault("", f"This picture is too small to be judged ({width} by {height} pixels; "
                     f"each side needs {MIN_SIDE}).")  # fmt: skip
    if max(height, width) > MAX_ASPECT * min(height, width):
        return Fault("", f"This picture is too narrow to be judged ({width} by {height} pixels).")
    floats = small.astype(np.float32)
    if floats.std() < MIN_DEVIATION:
        return Fault("blank", "This picture is blank: it has next to no contrast.")
    if smoothness(floats) < MIN_SMOOTHNESS:
        return Fault("noise", "This picture is noise or a fine pattern: neighbouring pixels don't "
                     "agree.")  # fmt: skip
    return None


def smoothness(picture: np.ndarray) -> float:
    """Return the correlation of pixels with their right and lower neighbours, the lower of both."""
    centred = picture - picture.mean()
    power = (centred * centred).mean()
    right = (centred[:, 1:] * centred[:, :-1]).mean()
    down = (centred[1:] * centred[:-1]).mean()
    return float(min(right, down) / max(power, 1e-9))


def inner(pixels: np.ndarray) -> tuple[slice, slice] | None:
    """Return where a picture lies inside a border of white or near-white, or None without one.

    A screenshot or a scan on white. A black border is left as it is: collimation is black too, and
    part of many films.

    Args:
        pixels: (H, W) uint8.
    """
    if (
        pixels[0].min() < 235
        and pixels[-1].min() < 235
        and pixels[:, 0].min() < 235
        and (pixels[:, -1].min() < 235)
    ):
        return None
    rows = np.flatnonzero(pixels.min(1) < 235)
    columns = np.flatnonzero(pixels.min(0) < 235)
    if not len(rows) or not len(columns):
        return None
    found = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    least = min(found[0].stop - found[0].start, found[1].stop - found[1].start)
    return found if least >= MIN_SIDE else None


def warnings(pixels: np.ndarray, small: np.ndarray) -> list[str]:
    """Return sentences on the quality of a film.

    Args:
        pixels: (H, W) uint8, dense bright.
        small: (224, 224) uint8, squashed.
    """
    found = []
    height, width = pixels.shape
    if min(height, width) < SMALL_SIDE:
        found.append(f"The film is small ({width} by {height} pixels): fine detail is lost.")
    elif sharpness(pixels) < BLURRED:
        found.append("The film is blurred or was enlarged from a smaller one: fine detail is lost.")
    if (share := framed(small)) > FRAMED:
        found.append(
            f"{share:.0%} of the picture is an empty frame: the film is small in it, or collimated."
        )
    return found + _exposure(small)


def _exposure(small: np.ndarray) -> list[str]:
    middle = core(small)
    black, white = float((middle <= 3).mean()), float((middle >= 252).mean())
    if white > CLIPPED:
        return [f"{white:.0%} of the film's middle is pure white (clipped): detail is lost there."]
    if black > CLIPPED:
        return [f"{black:.0%} of the film's middle is pure black (clipped): detail is lost there."]
    mean = float(middle.mean())
    if mean < DARK:
        return ["The film is very dark (exposure or display window)."]
    if mean > BRIGHT:
        return ["The film is very bright (exposure or display window)."]
    low, high = np.percentile(middle, (5, 95))
    if high - low < FLAT:
        return [f"The film has little contrast ({high - low:.0f} of 255 grey levels)."]
    return []


def core(small: np.ndarray) -> np.ndarray:
    """Return the middle of a squashed film, where the lungs and the heart are."""
    side = len(small)
    return small[side // 6 : -side // 6, side // 6 : -side // 6]


def framed(small: np.ndarray) -> float:
    """Return the share of a squashed picture that lies in rows or columns of one black or white."""
    bare = (small <= 12) | (small >= 250)
    rows, columns = ~bare.all(1), ~bare.all(0)
    return 1 - float(rows.mean() * columns.mean())


def sharpness(pixels: np.ndarray) -> float:
    """Return how much of the change between neighbours is of the finest scale, about 0.3 to 1.5.

    The mean change of the change, over the mean change, of the middle of a picture brought to a
    short side of 512 to 1,023 pixels; smooth enlargement and blur leave little.
    """
    if (factor := min(pixels.shape) // 512) > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(factor))
    height, width = pixels.shape
    top, left = max(0, height // 2 - 192), max(0, width // 2 - 192)
    part = pixels[top : top + 384, left : left + 384].astype(np.float32)
    first = np.diff(part, axis=1)
    second = np.diff(first, axis=1)
    return float(np.abs(second).mean() / max(float(np.abs(first).mean()), 1e-3))
