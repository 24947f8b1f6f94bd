"""The occlusion check: cover a film tile by tile and see what that does to the probability.

On request only, since it asks the network about a hundred films in place of one. It needs nothing of
the network but its probabilities, so that it checks a map by other means (Zeiler & Fergus 2014). Knows
nothing of torch, cards or pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from assistant.errors import InputError
from assistant.vision.statement import digits

Grey = NDArray[np.uint8]
Read = Callable[[Sequence[Grey]], NDArray[np.floating]]
# Side of the square that the film is squashed to, and that its network sees, in pixels.
SIDE = 224
# A tile and the step to the next, in pixels of that square: a fifth of the side, half covering.
TILE, STEP = 48, 24
# What stands in for a covered tile: the film itself, blurred until no vessel or infiltrate is left.
BLUR = 14.0
# A change of the probability that is told as one.
NOTICEABLE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class OcclusionMap:
    """What covering each place of a film does.

    Attributes:
        probability: of the film as it is, in [0, 1].
        change: (h, w) mean fall of the probability when the place is covered, in [-1, 1]; positive
            where the place speaks for the label.
        lowest: the probability with the tile covered that counts most, in [0, 1].
        place: centre of that tile as shares of width and height, in [0, 1].
        tiles: how many were covered.
        seconds: what it took.
        agreement: rank correlation with the map that was given, in [-1, 1]; None without one, or
            where covering changes nothing.
    """

    probability: float
    change: NDArray[np.float32]
    lowest: float
    place: tuple[float, float]
    tiles: int
    seconds: float
    agreement: float | None = None

    @property
    def heat(self) -> NDArray[np.float32]:
        """The positive part of the change, peak 1, for `heatmap.overlay`; all 0 where there is none."""
        positive = self.change.clip(0, None)
        peak = float(positive.max())
        return np.asarray(positive / peak if peak > 1e-6 else positive, dtype=np.float32)

    def words(self) -> str:
        """Return the outcome as a sentence or two."""
        fall = self.probability - self.lowest
        if fall < NOTICEABLE:
            said = (
                f"No single place decides: whichever of {self.tiles} tiles is covered, the "
                f"probability of {digits(self.probability)} falls by less than {NOTICEABLE:.2f}."
            )
        else:
            x, y = self.place
            said = (
                f"Covering the tile at {x:.0%} from the picture's left and {y:.0%} from its top "
                f"lowers the probability from {digits(self.probability)} to {digits(self.lowest)}, more than "
                f"any other of {self.tiles} tiles."
            )
        if self.agreement is None:
            return said
        how = "agrees" if self.agreement >= 0.3 else "does not agree"
        return f"{said} The heatmap {how} with it (rank correlation {self.agreement:.2f})."


def check(
    read: Read,
    image: Grey,
    heat: NDArray[np.floating] | None = None,
    tile: int = TILE,
    step: int = STEP,
) -> OcclusionMap:
    """Cover an image tile by tile, all tiles read as one batch.

    Args:
        read: from (224, 224) uint8 films to the label's probabilities, (N,).
        image: (H, W) uint8, as judged.
        heat: (h, w), the map that is checked, or None.
        tile: side of a tile, in pixels of the squashed film, 8 to 224.
        step: from one tile to the next, at most `tile`, so that no place stays uncovered.

    Raises:
        InputError: if tile or step can't be.
    """
    if not 8 <= tile <= SIDE or not 1 <= step <= tile:
        raise InputError(
            f"An occlusion check can't have tiles of {tile} and steps of {step} pixels: take tiles "
            f"of 8 to {SIDE} and steps of 1 to the tile's side."
        )
    began = time.perf_counter()
    small = Image.fromarray(np.ascontiguousarray(image)).resize(
        (SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0
    )
    film = np.asarray(small)
    blurred = np.asarray(small.filter(ImageFilter.GaussianBlur(BLUR)))
    boxes = _boxes(tile, step)
    covered = []
    for box in boxes:
        changed = film.copy()
        changed[box] = blurred[box]
        covered.append(changed)
    chances = np.asarray(read([film, *covered]), dtype=np.float64)
    falls = chances[0] - chances[1:]
    total, count = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for box, fall in zip(boxes, falls, strict=True):
        total[box] += fall
        count[box] += 1
    change = (total / count).astype(np.float32)[2::4, 2::4]
    rows, columns = boxes[int(falls.argmax())]
    place = ((columns.start + columns.stop) / 2 / SIDE, (rows.start + rows.stop) / 2 / SIDE)
    return OcclusionMap(
        probability=float(chances[0]),
        change=change,
        lowest=float(chances[1:].min()),
        place=place,
        tiles=len(boxes),
        seconds=time.perf_counter() - began,
        agreement=None if heat is None else _agreement(change, heat),
    )


def _boxes(tile: int, step: int) -> list[tuple[slice, slice]]:
    """Return the tiles, clipped to the film; the first and the last of a row are centred on its edge."""
    starts = range(-tile // 2, SIDE - tile // 4, step)
    spans = [slice(max(0, at), min(SIDE, at + tile)) for at in starts]
    return [(rows, columns) for rows in spans for columns in spans]


def _agreement(change: NDArray[np.float32], heat: NDArray[np.floating]) -> float | None:
    """Return Spearman's rank correlation of two maps of one film."""
    size = (change.shape[1], change.shape[0])
    other = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(size))
    if np.ptp(change) < 1e-6 or np.ptp(other) < 1e-6:
        return None
    return float(np.corrcoef(_ranks(change), _ranks(other))[0, 1])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the ranks of all values, flat; equal ones share their mean rank."""
    _, places, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]
