"""Films as they reach a reader in practice, and films made into what is no film any more.

Turned, inverted, tilted, photographed on a light box, in a viewer's window, on white: still films.
Cut up, tiled, small on a page: not. Works on (SIDE, SIDE) uint8; knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from assistant.vision._gate_network import TILT_UNIT as TILT
from finetune.image.gate_patterns import SIDE, resize, smooth_noise


@dataclass(frozen=True, slots=True)
class View:
    """A film as it is shown.

    Attributes:
        pixels: (SIDE, SIDE) uint8.
        turn: quarter turns anticlockwise that it was given, 0 to 3.
        inverted: whether dense is dark.
        tilt: degrees anticlockwise that it was given beyond the quarter turns.
    """

    pixels: np.ndarray
    turn: int
    inverted: bool
    tilt: float


def view(film: np.ndarray, sheet: np.ndarray, generator: np.random.Generator) -> View:
    """Return a film in a random setting, tilt, quarter turn and grey scale.

    Args:
        film: (SIDE, SIDE) uint8, upright, dense bright.
        sheet: likewise, a page or a screen that may lie around it.
        generator: of every random number.
    """
    tilt = 0.0
    if generator.random() < 0.45:
        tilt = float(generator.uniform(-TILT, TILT))
        film = tilted(film, tilt, generator)
    chance = generator.random()
    if chance < 0.1:
        film = lightbox(film, generator)
    elif chance < 0.2:
        film = windowed(film, sheet, generator)
    elif chance < 0.27:
        film = bordered(film, generator)
    turn = int(generator.integers(1, 4)) if generator.random() < 0.35 else 0
    inverted = bool(generator.random() < 0.25)
    pixels = np.rot90(film, turn)
    return View(np.ascontiguousarray(255 - pixels if inverted else pixels), turn, inverted, tilt)


def tilted(film: np.ndarray, degrees: float, generator: np.random.Generator) -> np.ndarray:
    """Return a film turned by some degrees anticlockwise, its corners black, grey or repeated."""
    if generator.random() < 0.5:
        wide = np.pad(film, SIDE // 4, mode="reflect" if generator.random() < 0.5 else "edge")
        picture = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
        edge = SIDE // 4
        return np.array(picture)[edge : edge + SIDE, edge : edge + SIDE]
    shade = int(generator.choice([0, 0, 0, 255, int(generator.integers(256))]))
    picture = Image.fromarray(film).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=shade)
    return np.array(picture)


def lightbox(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a film as a camera sees it on a light box: askew, unevenly lit, with a bright rim."""
    rim = int(generator.uniform(0.01, 0.14) * SIDE)
    ground = generator.uniform(190, 255)
    corners = generator.uniform(0, 0.07, (4, 2)) * SIDE
    quad = np.array([[0, 0], [0, SIDE], [SIDE, SIDE], [SIDE, 0]]) + corners * [
        [-1, -1], [-1, 1], [1, 1], [1, -1]
    ]  # fmt: skip
    sheet = Image.new("L", (SIDE, SIDE), int(ground))
    inner = SIDE - 2 * rim
    sheet.paste(Image.fromarray(resize(film, inner, inner)), (rim, rim))
    picture = sheet.transform(
        (SIDE, SIDE), Image.Transform.QUAD, tuple(quad.ravel()),
        Image.Resampling.BILINEAR, fillcolor=int(ground),
    )  # fmt: skip
    light = smooth_noise(generator, 2).astype(np.float64) / 255 - 0.5
    pixels = np.asarray(picture, np.float64) * (1 + light * generator.uniform(0.1, 0.6))
    if generator.random() < 0.4:
        rows, columns = np.mgrid[:SIDE, :SIDE]
        at, reach = generator.uniform(0, SIDE, 2), generator.uniform(8, 34)
        glare = np.exp(-(((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / reach**2))
        pixels += glare * generator.uniform(40, 160)
    if generator.random() < 0.4:
        rows, columns = np.mgrid[:SIDE, :SIDE]
        period = generator.uniform(2.5, 9)
        pixels += np.sin((rows * generator.normal() + columns) / period) * generator.uniform(2, 14)
    return pixels.clip(0, 255).astype(np.uint8)


def windowed(film: np.ndarray, sheet: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a film in a viewer's window: bars with text and buttons, the film over half of it."""
    window = Image.fromarray(sheet)
    if generator.random() < 0.5:
        window = Image.new("L", (SIDE, SIDE), int(generator.choice([0, 20, 45, 230, 245])))
    draw = ImageDraw.Draw(window)
    edges = (generator.uniform(0, 0.16, 4) * (generator.random(4) < 0.6) * SIDE).astype(int)
    top, bottom, left, right = (int(edge) for edge in edges)
    for _ in range(int(generator.integers(3, 14))):
        at = (float(generator.uniform(0, SIDE)), float(generator.choice([2, SIDE - 12])))
        if generator.random() < 0.4:
            at = (float(generator.choice([2, SIDE - 30])), at[0])
        draw.text(at, "Series 1 Im 2 W 400 100%"[: int(generator.integers(3, 24))],
                  fill=int(generator.integers(60, 256)), font_size=9.0)  # fmt: skip
    inner = resize(film, SIDE - left - right, SIDE - top - bottom)
    window.paste(Image.fromarray(inner), (left, top))
    if generator.random() < 0.5:
        for at in ((left + 3, top + 2), (left + 3, SIDE - bottom - 12)):
            draw.text(at, "PA 12 Jan 10:41", fill=int(generator.integers(150, 256)), font_size=9.0)
    return np.array(window)


def bordered(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a film on a wider ground of one shade, white or black as a rule."""
    shade = int(generator.choice([0, 255, 255, int(generator.integers(256))]))
    edges = generator.integers(0, SIDE // 6, 4)
    inner = resize(film, SIDE - int(edges[2] + edges[3]), SIDE - int(edges[0] + edges[1]))
    sheet = np.full((SIDE, SIDE), shade, np.uint8)
    sheet[edges[0] : SIDE - edges[1], edges[2] : SIDE - edges[3]] = inner
    return sheet


def pasted(film: np.ndarray, sheet: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a page or a screen with a film, or a row of films, small on it."""
    whole = Image.fromarray(sheet)
    size = generator.uniform(0.22, 0.55) * SIDE
    wide, tall = int(size * generator.uniform(0.8, 1.25)), int(size)
    picture = Image.fromarray(resize(film, wide, tall))
    left, top = (int(generator.integers(0, SIDE - side)) for side in (wide, tall))
    whole.paste(picture, (left, top))
    if generator.random() < 0.35:
        whole.paste(picture, ((left + wide + 6) % (SIDE - wide), top))
    return np.array(whole)


def ruined(film: np.ndarray, other: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return what a film is no more: tiles in another order, a small part, several, or a mere blur.

    Args:
        film: (SIDE, SIDE) uint8.
        other: another film, put beside it at times.
        generator: of every random number.
    """
    kind = generator.integers(4)
    if kind == 0:
        return _shuffled(film, generator)
    if kind == 1:
        size = int(generator.uniform(0.12, 0.3) * SIDE)
        top, left = generator.integers(0, SIDE - size, 2)
        return resize(film[top : top + size, left : left + size])
    if kind == 2:
        halves = [film, other]
        if generator.random() < 0.5:
            return resize(np.concatenate(halves, int(generator.integers(2))))
        rows = [np.concatenate(halves, 1), np.concatenate(halves[::-1], 1)]
        return resize(np.concatenate(rows))
    picture = Image.fromarray(film).filter(ImageFilter.GaussianBlur(generator.uniform(14, 40)))
    return np.array(picture)


def _shuffled(film: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    tiles = int(generator.integers(2, 6))
    size = SIDE // tiles
    blocks = film[: size * tiles, : size * tiles].reshape(tiles, size, tiles, size)
    pieces = blocks.transpose(0, 2, 1, 3).reshape(-1, size, size)
    order = generator.permutation(len(pieces))
    # A few tiles that stay in place still leave a film: none does.
    while (order == np.arange(len(pieces))).mean() > 0.3:
        order = generator.permutation(len(pieces))
    mixed = pieces[order].reshape(tiles, tiles, size, size).transpose(0, 2, 1, 3)
    return resize(mixed.reshape(size * tiles, size * tiles))
