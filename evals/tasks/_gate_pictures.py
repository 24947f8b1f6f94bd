"""A small built-in set for the input gate: the shipped synthetic films, and drawn pictures.

Made when it is read; no patient's picture is in it. It shows that the gate works, not how well: for
that, give pictures of your own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

SIDE = 240


def drawn(seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield name, kind and (H, W) uint8 pixels of pictures that are no chest film."""
    generator = np.random.default_rng(seed)
    noise = generator.random((SIDE, SIDE))
    coarse = Image.fromarray(generator.random((9, 9)).astype(np.float32) * 255)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    yield "white noise", "noise", (noise * 255).astype(np.uint8)
    yield (
        "smooth noise",
        "noise",
        np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        .clip(0, 255)
        .astype(np.uint8),
    )
    yield "ramp", "noise", ((rows + columns) * 127).astype(np.uint8)
    yield "stripes", "noise", (127 + 120 * np.sin(columns * 60)).astype(np.uint8)
    yield (
        "checkerboard",
        "noise",
        ((np.floor(rows * 8) + np.floor(columns * 8)) % 2 * 255).astype(np.uint8),
    )
    yield "black", "blank", np.zeros((SIDE, SIDE), np.uint8)
    yield "grey", "blank", (120 + noise * 4).astype(np.uint8)
    yield "text", "document", _page(generator)
    yield (
        "cells",
        "document",
        (np.kron(noise[:30, :30] > 0.5, np.ones((8, 8))) * 255).astype(np.uint8),
    )
    yield "head slice", "mr", _slice(rows, columns, noise)
    yield "long bone", "radiograph", _bone(rows, columns, noise)


def _page(generator: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (SIDE, 320), 250)
    draw = ImageDraw.Draw(picture)
    letters = np.array(list("etaoinshrdlu  "))
    for top in range(16, 300, 15):
        draw.text((14, top), "".join(generator.choice(letters, 34)), fill=20, font_size=11.0)
    return np.array(picture)


def _slice(rows: np.ndarray, columns: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Nested ellipses, as in the phantom of Shepp and Logan (1974)."""
    level = np.hypot((rows - 0.5) / 0.44, (columns - 0.5) / 0.34)
    pixels = np.where(level < 1, 200, 0)
    pixels = np.where(level < 0.93, 25, pixels)
    pixels = np.where(level < 0.87, 110 + noise * 20, pixels)
    for side in (-1, 1):
        inside = np.hypot((rows - 0.46) / 0.11, (columns - 0.5 - side * 0.05) / 0.03) < 1
        pixels = np.where(inside, 30, pixels)
    return pixels.astype(np.uint8)


def _bone(rows: np.ndarray, columns: np.ndarray, noise: np.ndarray) -> np.ndarray:
    off = np.abs(columns - 0.5 - 0.05 * (rows - 0.5))
    pixels = np.where(off < 0.24, 70 * np.sqrt(np.clip(1 - (off / 0.24) ** 2, 0, 1)), 0)
    pixels = pixels + np.where(off < 0.07, 90 + 60 * (off / 0.07) ** 4, 0)
    return (pixels + noise * 8).clip(0, 255).astype(np.uint8)
