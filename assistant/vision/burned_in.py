"""Writing that is burned into a picture's pixels: found, never read.

Names and dates that a scanner or a screenshot wrote over the image survive any cleaning of headers
(PS3.15 E.3.1), so whoever shares the picture is warned. Writing is thin strokes of one grey with hard
edges, several of them of like height in a row; the method is classical: a top-hat by a small square
keeps what is thinner than it, and the connected parts are measured and chained into rows. One or two
large letters are a side marker and name nobody. It misses writing in soft or coloured type and may
take a row of clips for writing; what it finds is a warning, not proof. Imports numpy, and scipy where
there is something to measure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Strokes are thinner than this, in pixels of a picture at most `_SIDE` on its long side.
_STROKE = 16
_SIDE = 1400
# Least contrast of a stroke to what surrounds it, in greys.
_CONTRAST = 72
# Least step across two pixels at a stroke's edge.
_EDGE = 60
# Heights of a letter, in pixels and as a share of the picture's height.
_SMALLEST, _LARGEST = 6, 0.12
# Letters in a row that make it writing.
_LETTERS = 4
# More candidates than this are a texture, not writing.
_MOST = 2000

FLAGGED = "The file says that writing is burned into its pixels: it may name the patient."


class Region(NamedTuple):
    """A row of writing, or a marker.

    Attributes:
        top: first row, in pixels of the picture.
        left: first column.
        bottom: one past the last row.
        right: one past the last column.
        kind: "text", or "marker" for one to three large letters such as L or R.
        letters: how many parts it has.
    """

    top: int
    left: int
    bottom: int
    right: int
    kind: str
    letters: int


class _Part(NamedTuple):
    top: int
    left: int
    bottom: int
    right: int
    runs: float

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def text_regions(pixels: np.ndarray) -> list[Region]:
    """Find rows of burned-in writing and side markers.

    Args:
        pixels: (H, W) uint8.

    Returns:
        From top to bottom; empty for a picture without any.
    """
    step = -(-max(pixels.shape, default=0) // _SIDE)
    if min(pixels.shape, default=0) < 3 * _STROKE:
        return []
    small = pixels if step <= 1 else _thinned(pixels, step)
    found: list[Region] = []
    for image in (small, 255 - small) if _sharp(small) else ():
        rows = _rows(_parts(image))
        found += [region for row in rows if (region := _region(row, small.shape)) is not None]
    return sorted(
        Region(
            region.top * step,
            region.left * step,
            min(region.bottom * step, pixels.shape[0]),
            min(region.right * step, pixels.shape[1]),
            region.kind,
            region.letters,
        )
        for region in found
    )


def warnings(pixels: np.ndarray, flagged: bool = False) -> list[str]:
    """Return what a reader should know of writing in a picture, as sentences.

    Args:
        pixels: (H, W) uint8.
        flagged: whether the file itself says that it has burned-in annotation.
    """
    said = [FLAGGED] if flagged else []
    text = [region for region in text_regions(pixels) if region.kind == "text"]
    if text:
        where = _place(text[0], pixels.shape)
        rows = "a row" if len(text) == 1 else f"{len(text)} rows"
        said.append(
            f"Its pixels seem to carry {rows} of burned-in writing ({where}): it may name the "
            "patient, so cover it before the picture is shared."
        )
    return said


def _place(region: Region, shape: tuple[int, ...]) -> str:
    third = (3 * (region.top + region.bottom) // 2) // max(shape[0], 1)
    half = (region.left + region.right) // max(shape[1], 1)
    return f"{('top', 'middle', 'bottom')[min(third, 2)]} {('left', 'right')[min(half, 1)]}"


def _thinned(pixels: np.ndarray, step: int) -> np.ndarray:
    height, width = (side // step * step for side in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean((1, 3), dtype=np.float32).astype(np.uint8))


def _sharp(image: np.ndarray) -> bool:
    """Say whether there are edges as hard as a stroke's: most films have none, and end here."""
    left, right = image[:, :-2], image[:, 2:]
    steps = np.maximum(left, right) - np.minimum(left, right)
    return int(np.count_nonzero(steps >= _EDGE)) >= 4 * _SMALLEST


def _slid(image: np.ndarray, size: int, axis: int, least: bool) -> np.ndarray:
    """Return the running minimum or maximum over `size` (a power of two) values, by doubling."""
    pick = np.minimum if least else np.maximum
    out, span = image, 1
    while span < size:
        length = out.shape[axis] - span
        out = pick(_cut(out, axis, 0, length), _cut(out, axis, span, span + length))
        span *= 2
    return out


def _cut(image: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return image[start:stop] if axis == 0 else image[:, start:stop]


def _thin(image: np.ndarray) -> np.ndarray:
    """Return how much brighter each pixel is than what is left without thin parts (white top-hat)."""
    pad = _STROKE - 1
    padded = np.pad(image, pad, mode="edge")
    eroded = _slid(_slid(padded, _STROKE, 0, True), _STROKE, 1, True)
    opened = _slid(_slid(eroded, _STROKE, 0, False), _STROKE, 1, False)
    return image - np.minimum(opened[: image.shape[0], : image.shape[1]], image)


def _parts(image: np.ndarray) -> list[_Part]:
    """Return the connected thin bright parts that have the size and evenness of letters."""
    mask = _thin(image) >= _CONTRAST
    if np.count_nonzero(mask) < 4 * _SMALLEST:
        return []
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3), bool))
    if not 0 < count <= _MOST:
        return []
    tallest = max(24.0, _LARGEST * image.shape[0])
    parts = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not _SMALLEST <= height <= tallest or width > 30 * height:
            continue
        own = labels[place] == number
        if own.mean() < 0.12:
            continue
        greys = image[place][own]
        # Type is of one grey: the brighter half of a letter's pixels hardly differ.
        bright = np.quantile(greys, (0.5, 0.95))
        if bright[1] - bright[0] > 48:
            continue
        runs = float(
            np.count_nonzero(np.diff(own.astype(np.int8), axis=1, prepend=0) == 1) / height
        )
        parts.append(_Part(rows.start, columns.start, rows.stop, columns.stop, runs))
    return parts


def _rows(parts: list[_Part]) -> list[list[_Part]]:
    """Chain parts of like height that stand side by side."""
    rows: list[list[_Part]] = []
    for part in sorted(parts, key=lambda p: (p.left, p.top)):
        best = next((row for row in rows if _follows(row[-1], part)), None)
        if best is None:
            rows.append([part])
        else:
            best.append(part)
    return rows


def _follows(last: _Part, part: _Part) -> bool:
    tall, low = max(last.height, part.height), min(last.height, part.height)
    shared = min(last.bottom, part.bottom) - max(last.top, part.top)
    gap = part.left - last.right
    return shared >= 0.6 * low and tall <= 2.0 * low and -0.5 * low <= gap <= 1.6 * tall


def _region(row: list[_Part], shape: tuple[int, ...]) -> Region | None:
    """Return a chain as writing or marker; None for what is neither."""
    top, left = min(p.top for p in row), min(p.left for p in row)
    bottom, right = max(p.bottom for p in row), max(p.right for p in row)
    # Letters that touch are one wide part with many strokes.
    letters = sum(max(1, round(p.width / p.height)) if p.runs >= 2 else 1 for p in row)
    wide = right - left >= 2.2 * (bottom - top)
    shaped = [p for p in row if p.width / p.height >= 0.15]
    if letters >= _LETTERS and wide and len(shaped) >= len(row) / 2:
        if float(np.mean([p.runs for p in row])) < 1.15:
            return None  # Bars without inner strokes: a ruler, ribs, clips.
        return Region(top, left, bottom, right, "text", letters)
    tall = bottom - top
    if letters <= 3 and tall >= max(10, 0.015 * shape[0]) and right - left <= 4 * tall:
        near = min(left, shape[1] - right) <= 0.25 * shape[1] or min(top, shape[0] - bottom) <= (
            0.25 * shape[0]
        )
        if near and all(0.2 <= p.width / p.height <= 2 for p in row):
            return Region(top, left, bottom, right, "marker", letters)
    return None
