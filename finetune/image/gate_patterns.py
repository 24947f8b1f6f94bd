"""Drawn pictures that come from no scanner: noise, patterns, blanks, pages, screens, scenes.

For training and measuring the input gate. Each function takes a generator and returns one
(SIDE, SIDE) uint8 picture. Knows nothing of networks.
"""

from __future__ import annotations

import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from assistant.vision.network import FILM_SIDE

SIDE = FILM_SIDE
Draw = Callable[[np.random.Generator], np.ndarray]
_LETTERS = np.array(list(string.ascii_lowercase + string.ascii_uppercase + "0123456789   .,:-"))


def stretch(values: np.ndarray) -> np.ndarray:
    """Return values brought to 0 to 255 of their own range, uint8."""
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def resize(pixels: np.ndarray, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Return (H, W) uint8 pixels at another size."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def soften(picture: Image.Image, generator: np.random.Generator) -> np.ndarray:
    """Return a picture's pixels, every second time a little blurred."""
    if generator.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 2.5)))
    return np.array(picture)


def smooth_noise(generator: np.random.Generator, octaves: int = 5) -> np.ndarray:
    """Return fractal value noise (Perlin 1985)."""
    total = np.zeros((SIDE, SIDE))
    for octave in range(octaves):
        cells = 2 ** (octave + 1) + 1
        grid = generator.random((cells, cells)).astype(np.float32)
        layer = Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * generator.uniform(0.3, 1.0) / 1.6**octave
    return stretch(total)


def spectral_noise(generator: np.random.Generator) -> np.ndarray:
    """Return noise with a power law spectrum: white, pink, brown and smoother."""
    power = generator.uniform(0, 2.4)
    rows, columns = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij")
    reach = np.hypot(rows, columns * generator.uniform(0.5, 2))
    reach[0, 0] = 1
    waves = np.fft.rfft2(generator.standard_normal((SIDE, SIDE))) / reach**power
    return _contrast(stretch(np.fft.irfft2(waves, (SIDE, SIDE))), generator)


def grainy_noise(generator: np.random.Generator) -> np.ndarray:
    """Return noise of some grain size, grey, two-valued or sparse."""
    cells = int(generator.integers(12, SIDE))
    grid: np.ndarray = generator.random((cells, cells))
    kind = generator.integers(3)
    if kind == 0:
        grid = (grid > generator.uniform(0.2, 0.8)) * 1.0
    elif kind == 1:
        grid = grid ** generator.uniform(2, 20)
    resample = Image.Resampling.NEAREST if kind == 0 else Image.Resampling.BICUBIC
    layer = Image.fromarray(grid.astype(np.float32)).resize((SIDE, SIDE), resample)
    return stretch(np.asarray(layer))


def gradient(generator: np.random.Generator) -> np.ndarray:
    """Return a linear or radial ramp, every second time striped."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    a, b = generator.normal(size=2)
    ramp = a * rows + b * columns
    if generator.random() < 0.4:
        ramp = np.hypot(rows - a / 3, columns - b / 3)
    if generator.random() < 0.5:
        ramp = np.sin(ramp * generator.uniform(3, 60))
        if generator.random() < 0.4:
            ramp = np.sign(ramp)
    if generator.random() < 0.4:
        ramp = ramp + generator.normal(size=ramp.shape) * generator.uniform(0, 0.3)
    return _contrast(stretch(ramp), generator)


def checkers(generator: np.random.Generator) -> np.ndarray:
    """Return a checkerboard, bricks, a grid or dots."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    size = generator.uniform(4, 60)
    stretch_x = generator.uniform(0.5, 2.5)
    angle = generator.choice([0, 0, generator.uniform(0, np.pi)])
    along = (columns * np.cos(angle) + rows * np.sin(angle)) / size / stretch_x
    down = (rows * np.cos(angle) - columns * np.sin(angle)) / size
    kind = generator.integers(4)
    if kind == 0:
        board = (np.floor(along) + np.floor(down)) % 2
    elif kind == 1:
        along = along + 0.5 * (np.floor(down) % 2)
        board = (along % 1 > 0.08) & (down % 1 > 0.14)
        board = board * (0.6 + 0.4 * np.sin(np.floor(along) * 12.9 + np.floor(down) * 78.2))
    elif kind == 2:
        board = (along % 1 < 0.1) | (down % 1 < 0.1)
    else:
        board = np.hypot(along % 1 - 0.5, down % 1 - 0.5) < generator.uniform(0.15, 0.45)
    pixels = stretch(board.astype(np.float64))
    return _contrast(soften(Image.fromarray(pixels), generator), generator)


def blank(generator: np.random.Generator) -> np.ndarray:
    """Return one shade with faint unevenness, every second time with a marker on it."""
    shade = generator.uniform(0, 255)
    faint = smooth_noise(generator, 2).astype(np.float64) / 255 - 0.5
    field = shade + faint * generator.uniform(0, 30)
    field += generator.normal(size=field.shape) * generator.uniform(0, 4)
    picture = Image.fromarray(field.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(0, 3))):
        at = generator.integers(5, SIDE - 40, 2).tolist()
        ink = 255 if shade < 128 else 0
        if generator.random() < 0.7:
            words = str(generator.choice(["R", "L", "AP", "PA", "R 10:22", "PORTABLE", "ERECT"]))
            draw.text(at, words, fill=ink, font_size=float(generator.integers(9, 40)))
        else:
            draw.rectangle([*at, at[0] + int(generator.integers(8, 40)), at[1] + 12], fill=ink)
    if generator.random() < 0.3:
        _frame(draw, generator)
    return np.array(picture)


def page(generator: np.random.Generator) -> np.ndarray:
    """Return a page of text, as print or as lines of strokes."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(195, 256)))
    draw = ImageDraw.Draw(picture)
    size = float(generator.uniform(4, 24))
    top = generator.uniform(4, 30)
    left = generator.uniform(3, 40)
    while top < SIDE - 6:
        if generator.random() < 0.85:
            words = "".join(generator.choice(_LETTERS, int(generator.integers(4, 60))))
            draw.text((left, top), words, fill=int(generator.integers(110)), font_size=size)
        top += size * generator.uniform(1.1, 2.2)
        if generator.random() < 0.06:
            size = float(generator.uniform(4, 40))
    if generator.random() < 0.3:
        _frame(draw, generator)
    return _dark(soften(picture, generator), generator)


def handwriting(generator: np.random.Generator) -> np.ndarray:
    """Return curved pen strokes, formulas and sketches on paper."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(130, 256)))
    draw = ImageDraw.Draw(picture)
    width = int(generator.integers(1, 6))
    for _ in range(int(generator.integers(2, 40))):
        start = generator.uniform(0, SIDE, 2)
        steps = generator.normal(size=(int(generator.integers(3, 14)), 2)) * generator.uniform(
            3, 22
        )
        points = [tuple(point) for point in start + steps.cumsum(0)]
        draw.line(points, fill=int(generator.integers(90)), width=width, joint="curve")
    return _dark(soften(picture, generator), generator)


def chart(generator: np.random.Generator) -> np.ndarray:
    """Return a table, a bar chart, a curve, or an electrocardiogram-like trace."""
    picture = Image.new("L", (SIDE, SIDE), 250)
    draw = ImageDraw.Draw(picture)
    kind = generator.integers(4)
    left, bottom = 24, SIDE - 22
    if kind == 0:
        rows, columns = generator.integers(3, 14, 2)
        for row in range(rows + 1):
            draw.line([(8, 8 + row * 205 // rows), (215, 8 + row * 205 // rows)], fill=60)
        for column in range(columns + 1):
            draw.line(
                [(8 + column * 205 // columns, 8), (8 + column * 205 // columns, 213)], fill=60
            )
        for _ in range(int(generator.integers(5, 60))):
            at = generator.integers(8, 205, 2).tolist()
            draw.text(at, f"{generator.uniform(0, 99):.1f}", fill=20, font_size=9.0)
        return _dark(soften(picture, generator), generator)
    draw.line([(left, 8), (left, bottom), (SIDE - 6, bottom)], fill=0, width=2)
    count = int(generator.integers(4, 60))
    steps = np.linspace(left + 4, SIDE - 10, count)
    heights = np.abs(
        generator.normal(size=count).cumsum() if kind == 1 else generator.random(count)
    )
    heights = bottom - heights / max(heights.max(), 1e-6) * generator.uniform(60, 185)
    if kind == 2:
        wide = (steps[1] - steps[0]) * 0.35
        for x, y in zip(steps, heights, strict=True):
            draw.rectangle([x - wide, y, x + wide, bottom], fill=int(generator.integers(30, 190)))
    else:
        points = list(zip(steps, heights, strict=True))
        draw.line(points, fill=30, width=int(generator.integers(1, 5)))
    draw.text((60, 4), "".join(generator.choice(_LETTERS, 14)), fill=0, font_size=12.0)
    return _dark(soften(picture, generator), generator)


def code(generator: np.random.Generator) -> np.ndarray:
    """Return a two-dimensional code with finder squares, or a bar code."""
    cells = int(generator.integers(21, 60))
    board = (generator.random((cells, cells)) > 0.5) * 255
    if generator.random() < 0.25:
        board = np.repeat(board[:1], cells, 0)
    else:
        finder = np.pad(np.pad(np.zeros((3, 3)), 1, constant_values=255), 1)
        for row, column in ((0, 0), (0, cells - 7), (cells - 7, 0)):
            board[row : row + 7, column : column + 7] = finder
    board = np.pad(board, int(generator.integers(1, 12)), constant_values=255)
    picture = Image.fromarray(board.astype(np.uint8))
    picture = picture.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return _dark(soften(picture, generator), generator)


def screen(generator: np.random.Generator) -> np.ndarray:
    """Return a screenshot: bars, panels, buttons, text, and at times a small picture."""
    dark = generator.random() < 0.5
    ground, ink = (int(generator.integers(10, 60)), 220) if dark else (235, 40)
    picture = Image.new("L", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(
        [0, 0, SIDE, int(generator.integers(8, 26))], fill=int(generator.integers(40, 200))
    )
    for _ in range(int(generator.integers(3, 16))):
        x, y = generator.integers(0, SIDE - 30, 2).tolist()
        w, h = generator.integers(14, 140), generator.integers(8, 90)
        draw.rectangle([x, y, x + w, y + h], fill=int(generator.integers(256)), outline=ink)
        words = "".join(generator.choice(_LETTERS, int(generator.integers(3, 18))))
        draw.text((x + 3, y + 2), words, fill=ink, font_size=float(generator.integers(7, 15)))
    if generator.random() < 0.3:
        _frame(draw, generator)
    return np.array(picture)


def test_card(generator: np.random.Generator) -> np.ndarray:
    """Return bars, wedges and circles as monitors and printers are tested with."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(60, 200)))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(2, 7))):
        x, y = generator.integers(0, SIDE - 60, 2).tolist()
        w, h = generator.integers(40, SIDE, 2).tolist()
        count = int(generator.integers(2, 16))
        wedge = generator.random() < 0.5
        for bar in range(count):
            shade = 255 * bar // (count - 1) if wedge else 255 * (bar % 2)
            draw.rectangle([x + w * bar // count, y, x + w * (bar + 1) // count, y + h], fill=shade)
    for _ in range(int(generator.integers(0, 4))):
        middle, reach = generator.integers(20, 200, 2), int(generator.integers(8, 110))
        box = [*(middle - reach).tolist(), *(middle + reach).tolist()]
        draw.ellipse(box, outline=int(generator.integers(256)), width=int(generator.integers(1, 8)))
    return np.array(picture)


def leaves(generator: np.random.Generator) -> np.ndarray:
    """Return occluding textured shapes of all sizes: the dead-leaves model of natural scenes.

    Lee, Mumford and Huang, "Occlusion models for natural images" (2001).
    """
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(256)))
    draw = ImageDraw.Draw(picture)
    small = generator.uniform(2, 12)
    for _ in range(int(generator.integers(25, 260))):
        reach = min(small / max(generator.random(), 0.02), 110)
        x, y = generator.uniform(-10, SIDE + 10, 2)
        shade = int(generator.integers(256))
        if generator.random() < 0.5:
            wide = reach * generator.uniform(0.3, 1.5)
            draw.ellipse([x - wide, y - reach, x + wide, y + reach], fill=shade)
        else:
            turns = np.sort(generator.uniform(0, 2 * np.pi, int(generator.integers(3, 7))))
            corners = [(x + reach * np.cos(t), y + reach * np.sin(t)) for t in turns]
            draw.polygon(corners, fill=shade)
    pixels = soften(picture, generator).astype(np.float64)
    light = smooth_noise(generator, 3).astype(np.float64) / 255
    fine = spectral_noise(generator).astype(np.float64) - 128
    pixels = pixels * (0.5 + light) + fine * generator.uniform(0, 0.4)
    return pixels.clip(0, 255).astype(np.uint8)


def scene(generator: np.random.Generator) -> np.ndarray:
    """Return a sky over textured ground with upright things on it."""
    rows = np.linspace(0, 1, SIDE)[:, None]
    horizon = generator.uniform(0.2, 0.8)
    sky = generator.uniform(60, 255) + generator.normal() * 60 * rows
    ground = generator.uniform(20, 180) + generator.normal() * 60 * rows
    texture = spectral_noise(generator).astype(np.float64) - 128
    below = rows > horizon + 0.05 * (smooth_noise(generator, 3)[:1].astype(np.float64) / 128 - 1)
    pixels = np.where(below, ground + texture * generator.uniform(0.1, 0.9), sky + texture * 0.1)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(0, 14))):
        x, wide = generator.uniform(0, SIDE), generator.uniform(1, 30)
        foot = (horizon + generator.uniform(0, 0.3)) * SIDE
        tall = generator.uniform(10, 170)
        shade = int(generator.integers(256))
        draw.rectangle([x - wide, foot - tall, x + wide, foot], fill=shade)
        if generator.random() < 0.5:
            crown = wide + generator.uniform(2, 30)
            draw.ellipse(
                [x - crown, foot - tall - crown, x + crown, foot - tall + crown], fill=shade
            )
    return soften(picture, generator)


def stars(generator: np.random.Generator) -> np.ndarray:
    """Return light points and smears on dark ground."""
    picture = Image.new("L", (SIDE, SIDE), int(generator.integers(0, 40)))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(generator.integers(10, 300))):
        x, y = generator.uniform(0, SIDE, 2)
        reach = generator.exponential(1.6)
        draw.ellipse(
            [x - reach, y - reach, x + reach, y + reach], fill=int(generator.integers(80, 256))
        )
    return soften(picture, generator)


def _contrast(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Every third time, squeeze the grey range."""
    if generator.random() > 0.33:
        return pixels
    low, high = np.sort(generator.uniform(0, 255, 2))
    return (low + pixels.astype(np.float64) / 255 * (high - low)).astype(np.uint8)


def _dark(pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return 255 - pixels if generator.random() < 0.25 else pixels


def _frame(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    edge = int(generator.integers(2, 14))
    box = [edge, edge, SIDE - edge, SIDE - edge]
    draw.rectangle(box, outline=int(generator.integers(256)), width=int(generator.integers(1, 8)))


# Functions of each kind; one of a kind is drawn at random.
DRAWN: dict[str, tuple[Draw, ...]] = {
    "photo": (leaves, leaves, scene, stars),
    "document": (page, page, handwriting, chart, code, screen, test_card),
    "noise": (smooth_noise, spectral_noise, spectral_noise, grainy_noise, gradient, checkers),
    "blank": (blank,),
}
