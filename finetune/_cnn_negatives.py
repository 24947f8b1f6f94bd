"""Pictures that are no upright frontal chest film, for training and measuring the input gate.

Some are drawn (noise, shapes, text, phantoms), some are made from films (turned, inverted, cut up),
some are read from files. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from assistant.vision.network import FILM_SIDE as SIDE


def smooth_noise(generator: np.random.Generator, octaves: int = 5) -> np.ndarray:
    """Return a fractal noise picture, (SIDE, SIDE) uint8."""
    total = np.zeros((SIDE, SIDE))
    for octave in range(octaves):
        cells = 2 ** (octave + 1) + 1
        grid = generator.random((cells, cells)).astype(np.float32)
        layer = Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * generator.uniform(0.3, 1.0) / 1.6**octave
    return _stretch(total)


def white_noise(generator: np.random.Generator) -> np.ndarray:
    """Return noise of some grain size."""
    cells = int(generator.integers(20, SIDE))
    grid = generator.random((cells, cells)).astype(np.float32)
    return _stretch(
        np.asarray(Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    )


def gradient(generator: np.random.Generator) -> np.ndarray:
    """Return a linear or radial ramp, sometimes striped."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    a, b = generator.normal(size=2)
    ramp = a * rows + b * columns
    if generator.random() < 0.4:
        ramp = np.hypot(rows - a / 3, columns - b / 3)
    if generator.random() < 0.4:
        ramp = np.sin(ramp * generator.uniform(3, 40))
    return _stretch(ramp)


def shapes(generator: np.random.Generator) -> np.ndarray:
    """Return rectangles, ellipses and lines on a ground."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(256)))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(2, 25))):
        box = np.sort(generator.integers(0, SIDE, (2, 2)), axis=0).flatten().tolist()
        shade = int(generator.integers(256))
        kind = generator.integers(3)
        if kind == 0:
            draw.rectangle(box, fill=shade)
        elif kind == 1:
            draw.ellipse(box, fill=shade)
        else:
            draw.line(box, fill=shade, width=int(generator.integers(1, 9)))
    return _soften(picture, generator)


def page(generator: np.random.Generator) -> np.ndarray:
    """Return a page of text-like marks, dark on light or light on dark."""
    ground = int(generator.integers(200, 256))
    picture = Image.new("L", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(picture)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz ABC 0123456789  .,"))
    step = int(generator.integers(9, 20))
    for top in range(int(generator.integers(4, 20)), SIDE - 10, step):
        if generator.random() < 0.85:
            words = "".join(generator.choice(letters, int(generator.integers(10, 40))))
            draw.text(
                (int(generator.integers(4, 30)), top), words, fill=int(generator.integers(90))
            )
    pixels = _soften(picture, generator)
    return 255 - pixels if generator.random() < 0.3 else pixels


def slice_phantom(generator: np.random.Generator) -> np.ndarray:
    """Return nested ellipses on black, as a tomographic slice shows them (Shepp & Logan 1974)."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(0, 25)))
    draw = ImageDraw.Draw(picture)
    middle = SIDE / 2 + generator.normal(size=2) * 8
    reach = generator.uniform(0.3, 0.49, 2) * SIDE

    def ellipse(centre: np.ndarray, half: np.ndarray, shade: float) -> None:
        draw.ellipse([*(centre - half), *(centre + half)], fill=int(np.clip(shade, 0, 255)))

    rim, inside = generator.uniform(40, 255, 2)
    ellipse(middle, reach, rim)
    ellipse(middle, reach * generator.uniform(0.8, 0.97), inside)
    for _ in range(int(generator.integers(2, 14))):
        centre = middle + generator.normal(size=2) * reach * 0.35
        half = generator.uniform(0.03, 0.35, 2) * reach
        ellipse(centre, half, inside + generator.normal() * 60)
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 3))))
    texture = smooth_noise(generator, 6).astype(np.float64) / 255 - 0.5
    lit = pixels > 30
    return (pixels + lit * texture * generator.uniform(10, 90)).clip(0, 255).astype(np.uint8)


def limb_phantom(generator: np.random.Generator) -> np.ndarray:
    """Return soft tissue with a few long bones in it, on black or on white."""
    picture = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(picture)
    slant = generator.normal() * 30
    across = generator.uniform(0.3, 0.7) * SIDE
    wide = generator.uniform(30, 80)
    ends = [(across - slant, -20.0), (across + slant, SIDE + 20.0)]
    draw.line(ends, fill=int(generator.integers(60, 130)), width=int(wide * 2))
    for _ in range(int(generator.integers(1, 6))):
        shift = generator.uniform(-0.6, 0.6) * wide
        bone = [(x + shift, y) for x, y in ends]
        draw.line(
            bone, fill=int(generator.integers(150, 255)), width=int(generator.integers(5, 26))
        )
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(generator.uniform(1, 4))))
    if generator.random() < 0.3:
        pixels = np.where(pixels < 20, 250, pixels)
    texture = smooth_noise(generator, 6).astype(np.float64) / 255 - 0.5
    return (pixels + texture * generator.uniform(0, 40)).clip(0, 255).astype(np.uint8)


def cut(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a film with its tiles in another order, a small part of it, or parts of it repeated."""
    kind = generator.integers(3)
    if kind == 0:
        tiles = int(generator.integers(2, 6))
        size = SIDE // tiles
        blocks = film[: size * tiles, : size * tiles].reshape(tiles, size, tiles, size)
        pieces = blocks.transpose(0, 2, 1, 3).reshape(-1, size, size)
        order = generator.permutation(len(pieces))
        if (order == np.arange(len(pieces))).all():
            order = order[::-1]
        mixed = pieces[order].reshape(tiles, tiles, size, size).transpose(0, 2, 1, 3)
        return _resize(mixed.reshape(size * tiles, size * tiles))
    if kind == 1:
        size = int(generator.uniform(0.15, 0.32) * SIDE)
        top, left = generator.integers(0, SIDE - size, 2)
        return _resize(film[top : top + size, left : left + size])
    count = int(generator.integers(2, 4))
    return _resize(np.tile(film, (count, count))[:: count // 2 or 1, :: count // 2 or 1])


def turned(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a film on its side or upside down, sometimes mirrored."""
    film = np.rot90(film, int(generator.integers(1, 4)))
    return np.ascontiguousarray(film[:, ::-1] if generator.random() < 0.5 else film)


def inverted(film: np.ndarray) -> np.ndarray:
    """Return a film with its grey scale turned over."""
    return 255 - film


DRAWN: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (
    smooth_noise, white_noise, gradient, shapes, page, slice_phantom, limb_phantom, slice_phantom,
)  # fmt: skip


def draw(generator: np.random.Generator) -> np.ndarray:
    """Return one drawn picture of a random kind, sometimes inverted, cut or of low contrast."""
    pixels = DRAWN[int(generator.integers(len(DRAWN)))](generator)
    if generator.random() < 0.15:
        pixels = 255 - pixels
    if generator.random() < 0.2:
        low, high = np.sort(generator.uniform(0, 255, 2))
        pixels = (low + pixels.astype(np.float64) / 255 * (high - low)).astype(np.uint8)
    return pixels


def from_files(paths: list[Path]) -> np.ndarray:
    """Return pictures as grey squares, (N, SIDE, SIDE) uint8."""
    found = []
    for path in paths:
        with Image.open(path) as picture:
            found.append(_resize(np.asarray(picture.convert("L"))))
    return np.stack(found) if found else np.zeros((0, SIDE, SIDE), np.uint8)


def _resize(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _stretch(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def _soften(picture: Image.Image, generator: np.random.Generator) -> np.ndarray:
    if generator.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 3)))
    return np.asarray(picture)
