"""What drawn radiology is painted with: ellipses and bones with soft edges, markers, collimation.

Knows nothing of kinds of pictures or of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.image.gate_patterns import SIDE, smooth_noise

ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float64)
# A row and a column, or two half axes.
Pair: TypeAlias = Sequence[float] | np.ndarray
_ALL = (slice(None), slice(None))


class Sheet:
    """Ellipses and bones with soft edges, painted on floats."""

    def __init__(self, ground: float) -> None:
        self.pixels = np.full((SIDE, SIDE), float(ground))

    def ellipse(self, centre: Pair, reach: Pair, shade: float,
                angle: float = 0.0, rim: float = 0.0) -> None:  # fmt: skip
        """Fill an ellipse (row, column; half axes in pixels), or its rim of `rim` pixels only."""
        window = _window(centre, max(*reach) + 1)
        level = level_of(centre, reach, angle, window)
        inside = level < 1
        if rim:
            inside &= level > 1 - rim / max(min(reach), 1)
        self.pixels[window][inside] = shade

    def bone(self, start: np.ndarray, end: np.ndarray, wide: float, shade: float) -> None:
        """Add a long bone: a shaft with a dense rim and flared ends."""
        along = end - start
        length = max(float(np.hypot(*along)), 1.0)
        down, across = along / length, np.array([-along[1], along[0]]) / length
        window = _window((start + end) / 2, length / 2 + wide)
        rows, columns = ROWS[window] - start[0], COLUMNS[window] - start[1]
        place = (rows * down[0] + columns * down[1]) / length
        off = np.abs(rows * across[0] + columns * across[1])
        flare = 1 + 0.9 * np.exp(-place / 0.12) + 0.9 * np.exp(-(1 - place) / 0.12)
        half = wide / 2 * np.clip(flare, 1, 1.9)
        inside = (place > -0.02) & (place < 1.02) & (off < half)
        profile = 0.55 + 0.45 * (off / half) ** 4
        self.pixels[window][inside] += (shade * profile)[inside]

    def finish(self, generator: np.random.Generator, blur: float, grain: float) -> np.ndarray:
        """Return the sheet blurred and grained, uint8."""
        picture = Image.fromarray(self.pixels.clip(0, 255).astype(np.uint8))
        if blur > 0.2:
            picture = picture.filter(ImageFilter.GaussianBlur(blur))
        texture = smooth_noise(generator, 6).astype(np.float64) / 255 - 0.5
        fine = generator.normal(size=texture.shape)
        lit = np.asarray(picture, np.float64)
        return (lit + (texture * 3 + fine * 0.4) * grain * (lit > 12)).clip(0, 255).astype(np.uint8)


def _window(centre: Pair, reach: float) -> tuple[slice, slice]:
    """Return the part of the sheet within `reach` of `centre`: most shapes are small."""
    row, column = centre
    low, high = int(max(row - reach, 0)), int(max(row + reach + 2, 0))
    left, right = int(max(column - reach, 0)), int(max(column + reach + 2, 0))
    return slice(low, high), slice(left, right)


def level_of(centre: Pair, reach: Pair, angle: float,
             window: tuple[slice, slice] = _ALL) -> np.ndarray:  # fmt: skip
    """Return how far each pixel lies from an ellipse's centre, 1 on its rim.

    Args:
        centre: row and column.
        reach: half axes down and across, in pixels.
        angle: in radians.
        window: the part of the sheet.
    """
    (row, column), (tall, wide) = centre, reach
    rows, columns = ROWS[window] - row, COLUMNS[window] - column
    turned = rows * np.cos(angle) + columns * np.sin(angle)
    across = columns * np.cos(angle) - rows * np.sin(angle)
    level: np.ndarray = np.hypot(turned / max(tall, 0.5), across / max(wide, 0.5))
    return level


def moved(at: np.ndarray, down: float, right: float) -> np.ndarray:
    """Return a place (row, column) moved by some pixels."""
    return at + np.array([down, right])


def marked(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Every second time, put a side marker on a film."""
    if generator.random() < 0.5:
        return pixels
    picture = Image.fromarray(pixels)
    at = generator.integers(4, SIDE - 34, 2).tolist()
    size = float(generator.integers(10, 30))
    ImageDraw.Draw(picture).text(at, str(generator.choice(["R", "L"])), fill=255, font_size=size)
    return np.array(picture)


def lettered(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return pixels with some lines of capitals and digits, as scanners write them."""
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(1, 8))):
        at = generator.integers(0, SIDE - 40, 2).tolist()
        words = "".join(generator.choice(list("ABCDEFGHKLMR 0123456789:."), 8))
        draw.text(at, words, fill=230, font_size=float(generator.integers(7, 14)))
    return np.array(picture)


def collimated(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Every third time, blacken or whiten what lies outside a rectangle."""
    if generator.random() > 0.33:
        return pixels
    low = generator.integers(0, 50, 2)
    high = SIDE - generator.integers(0, 50, 2)
    framed = np.full_like(pixels, int(generator.choice([0, 0, 255])))
    framed[low[0] : high[0], low[1] : high[1]] = pixels[low[0] : high[0], low[1] : high[1]]
    return framed
