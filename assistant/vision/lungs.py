"""Where the lungs lie on an upright frontal film: a classical estimate, or None.

Promises two smooth lung fields that are plausible in place, size and contrast, or nothing at all. No
network and no trained mask. An outline of two lungs is laid over the smoothed, exposure-free film in
thousands of places and sizes; where it fits best, each field is cut at the threshold between lung and
chest wall, and made convex, because consolidation is bright and would be cut out of a lung otherwise.
It is an estimate for saying that heat lies outside the lungs; it measures nothing and knows nothing
of disease.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]

# Side of the square that the fields are cut on, and of that on which the outline is laid, in pixels.
SIDE = 96
COARSE = 24
# The outline in the box around both lungs, (x, y) in [0, 1], as the picture shows them: drawn by
# hand after anatomy (the heart takes a part of the field on the picture's right).
OUTLINES = (
    ((0.27, 0.0), (0.36, 0.08), (0.41, 0.3), (0.42, 0.6), (0.41, 0.86), (0.22, 0.88), (0.01, 1.0),
     (0.0, 0.8), (0.03, 0.52), (0.1, 0.24), (0.18, 0.06)),
    ((0.73, 0.0), (0.64, 0.08), (0.58, 0.3), (0.62, 0.5), (0.72, 0.7), (0.79, 0.89), (0.99, 1.0),
     (1.0, 0.8), (0.97, 0.52), (0.9, 0.24), (0.82, 0.06)),
)  # fmt: skip
# Where the box may lie and how large it may be, as shares of the film's sides.
CENTRES_X = np.linspace(0.38, 0.62, 7)
CENTRES_Y = np.linspace(0.3, 0.62, 9)
WIDTHS = np.linspace(0.46, 0.94, 9)
HEIGHTS = np.linspace(0.4, 0.92, 9)
# Width by height of the box on a film that was squashed to a square.
RATIOS = (0.75, 1.75)
# How far the box may reach beyond the film at each edge, as a share of the side.
BEYOND = 0.03
# Of two that fit alike the larger one: half a lung is dark between brighter parts, too.
LARGER = 0.2
# How well the outline must fit, as a correlation, for the fields to be believed.
LEAST_FIT = 0.4
# Share of the film that both fields may cover.
BOTH = (0.1, 0.62)
# How far beyond its outline heat still counts as on a lung, as a share of the side: a map's own
# resolution, an eighth to a tenth of the side a cell, is no finer.
MARGIN = 0.05
# Share of the heat that must lie on the lungs for nothing to be said.
ENOUGH = 0.5
# How far a field's edge may lie from the outline's, in pixels of `SIDE`.
REACH = 4
# How much lower than the outline a field may end, in times of its height.
LOWER = 1.35
# The smaller field's least share of the larger one.
BALANCE = 0.45
# Most of a field's outline that may lie on the film's edge: lungs are seldom cut off.
CUT_OFF = 0.12


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the outline fits best: its box as shares of the film's sides, and how well, in [-1, 1]."""

    left: float
    top: float
    width: float
    height: float
    correlation: float


def mask(pixels: NDArray[np.uint8]) -> Mask | None:
    """Estimate the lung fields.

    Args:
        pixels: (H, W), an upright frontal chest film, dense bright.

    Returns:
        (H, W), True on the lungs, or None where no plausible pair of fields was found.
    """
    ranks = _ranks(pixels)
    found = fit(ranks)
    if found.correlation < LEAST_FIT:
        return None
    fields = [_field(ranks, _drawn(found, side), _drawn(found, side, LOWER)) for side in (0, 1)]
    both = fields[0] | fields[1]
    if not _plausible(fields[0], fields[1]):
        return None
    picture = Image.fromarray((both * 255).astype(np.uint8))
    size = (pixels.shape[1], pixels.shape[0])
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR)) >= 128


def share(heat: NDArray[np.floating], lungs: Mask) -> float:
    """Return the share of the heat that lies on the lungs or next to them, in [0, 1].

    0 where there is no heat at all.

    Args:
        heat: (h, w) in [0, 1], over the same field of view as `lungs`.
        lungs: (H, W), as `mask` returns it.
    """
    small = Image.fromarray((lungs * 255).astype(np.uint8)).resize((SIDE, SIDE))
    cover = Image.fromarray(
        _grown(np.asarray(small) >= 128, round(MARGIN * SIDE)).astype(np.float32)
    )
    on = np.asarray(cover.resize((heat.shape[1], heat.shape[0]), Image.Resampling.BOX))
    total = float(heat.sum())
    return float((heat * on).sum()) / total if total > 0 else 0.0


def sentence(lung_share: float) -> str | None:
    """Return what to say of a map of which much lies outside the lungs, or None."""
    if lung_share >= ENOUGH:
        return None
    return (
        f"Only {lung_share:.0%} of the heat lies on the lungs (outline estimated): the network may "
        "have looked at something else, so trust this finding less."
    )


def fit(ranks: Grey) -> Fit:
    """Return where the outline fits best.

    The fit is the correlation of the film with dark fields between a bright mediastinum, chest wall
    and abdomen, over the places that the outline speaks of; what lies beyond doesn't count.

    Args:
        ranks: (SIDE, SIDE), exposure-free grey values.
    """
    small = Image.fromarray(ranks).resize((COARSE, COARSE), Image.Resampling.BOX)
    film = np.asarray(small, dtype=np.float32).ravel()
    signs, support, sizes = _bank()
    weights = support.sum(1)
    mean = support @ film / weights
    variance = np.maximum(support @ (film * film) / weights - mean * mean, 1e-6)
    correlation = (signs @ film) / np.sqrt(variance * weights)
    best = int((correlation * (sizes[:, 2] * sizes[:, 3]) ** LARGER).argmax())
    x, y, width, height = (float(value) for value in sizes[best])
    return Fit(x - width / 2, y - height / 2, width, height, float(correlation[best]))


def _ranks(pixels: NDArray[np.uint8]) -> Grey:
    """Return (SIDE, SIDE) ranks in [0, 1] among the film's mid-tones, smoothed."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    grey = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.5)))
    edge = SIDE // 12
    counts = np.bincount(grey[edge:-edge, edge:-edge].ravel(), minlength=256).astype(np.float64)
    counts[:4] = counts[252:] = 0  # Collimation and burned-in letters.
    counts += 1e-3
    ranks = (counts.cumsum() - counts / 2) / counts.sum()
    return ranks.astype(np.float32)[grey]


@lru_cache(maxsize=1)
def _bank() -> tuple[Grey, Grey, Grey]:
    """Return the outline in all places: signs and support (N, COARSE ** 2), boxes (N, 4).

    A row of the signs has mean 0 over its support and length 1. A box is centre x, y, width, height.
    """
    sign, support = _pattern()
    tall = [(y, h) for y in CENTRES_Y for h in HEIGHTS if _inside(y, h)]
    wide = [(x, w) for x in CENTRES_X for w in WIDTHS if _inside(x, w)]
    pairs = [(r, c) for r in range(len(tall)) for c in range(len(wide))
             if RATIOS[0] <= wide[c][1] / tall[r][1] <= RATIOS[1]]  # fmt: skip
    boxes = [(wide[c][0], tall[r][0], wide[c][1], tall[r][1]) for r, c in pairs]
    row, column = np.array(pairs).T
    rows = np.stack([_axis(*place) for place in tall])
    columns = np.stack([_axis(*place) for place in wide])

    def placed(pattern: Grey) -> Grey:
        spread = rows @ pattern
        laid = np.stack([spread[r] @ columns[c].T for r, c in zip(row, column, strict=True)])
        return laid.reshape(len(boxes), COARSE * COARSE)

    weights = placed(support)
    signs = placed(sign)
    # Outside the support nothing counts; inside, lungs and surroundings weigh alike.
    signs -= weights * (signs.sum(1, keepdims=True) / weights.sum(1, keepdims=True))
    signs /= np.sqrt((signs * signs).sum(1, keepdims=True))
    return signs, weights, np.array(boxes, dtype=np.float32)


def _inside(centre: float, length: float) -> bool:
    """Return whether a box's side lies on the film."""
    return centre - length / 2 >= -BEYOND and centre + length / 2 <= 1 + BEYOND


# The pattern's margin around the box, as a share of the box, and its side in pixels.
_MARGIN = 0.12
_PATTERN = 64


def _pattern() -> tuple[Grey, Grey]:
    """Return the outline's signs (dark -1, bright 1) and where it speaks, (_PATTERN, _PATTERN)."""
    inner = _PATTERN / (1 + 2 * _MARGIN)
    lungs = Image.new("L", (_PATTERN, _PATTERN))
    around = Image.new("L", (_PATTERN, _PATTERN))
    for outline in OUTLINES:
        points = [((x + _MARGIN) * inner, (y + _MARGIN) * inner) for x, y in outline]
        ImageDraw.Draw(lungs).polygon(points, fill=255)
        ImageDraw.Draw(around).polygon(points, fill=255)
    # The chest wall and the abdomen, as thick as the margin; the mediastinum is between the fields.
    wide = (
        np.asarray(around.filter(ImageFilter.MaxFilter(2 * round(_MARGIN * inner * 0.8) + 1))) > 0
    )
    field = np.asarray(lungs) > 0
    middle = np.zeros_like(field)
    top, low = int((_MARGIN + 0.1) * inner), int((_MARGIN + 1.0) * inner)
    for row in range(top, low):
        dark = np.flatnonzero(field[row])
        if dark.size:
            middle[row, dark[0] : dark[-1] + 1] = True
    support = wide | middle
    return np.where(field, -1.0, 1.0).astype(np.float32) * support, support.astype(np.float32)


def _axis(centre: float, length: float) -> Grey:
    """Return the matrix (COARSE, _PATTERN) that lays the pattern along one axis of the film."""
    whole = length * (1 + 2 * _MARGIN)
    places = (np.arange(COARSE * 4) + 0.5) / (COARSE * 4)
    at = np.floor((places - centre + whole / 2) / whole * _PATTERN).astype(np.int64)
    matrix = np.zeros((COARSE * 4, _PATTERN), dtype=np.float32)
    inside = (at >= 0) & (at < _PATTERN)
    matrix[np.flatnonzero(inside), at[inside]] = 1
    return matrix.reshape(COARSE, 4, _PATTERN).mean(1)


def _drawn(found: Fit, side: int, taller: float = 1.0) -> Image.Image:
    """Return one field of the outline where it fits, `taller` times as high, in SIDE by SIDE."""
    points = [
        ((found.left + x * found.width) * SIDE, (found.top + y * found.height * taller) * SIDE)
        for x, y in OUTLINES[side]
    ]
    picture = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(picture).polygon(points, fill=255)
    return picture


def _field(ranks: Grey, drawn: Image.Image, lower: Image.Image) -> Mask:
    """Return a field: what is dark near its outline, with the outline's core, made convex.

    Args:
        ranks: (SIDE, SIDE).
        drawn: the outline where it fits.
        lower: the same, drawn down to where the field may end at the lowest.
    """
    outline = np.asarray(drawn) > 0
    beside, core = _grown(outline, REACH), _shrunk(outline, REACH)
    around = beside & ~outline
    if not core.any() or not around.any():
        return outline
    cut = (np.median(ranks[core]) + np.median(ranks[around])) / 2
    near = beside | (np.asarray(lower) > 0)
    near[: max(0, int(outline.any(1).argmax()) - 2)] = False  # The shoulder's air lies above.
    opened = _grown(_shrunk((ranks < cut) & near, 2), 2)
    return _hull(_joined(opened | core, core)) & near


def _joined(part: Mask, start: Mask) -> Mask:
    """Return what of a mask hangs together with `start`, which lies in it."""
    for _ in range(SIDE // 4):
        further = _grown(start, 3) & part
        if further.sum() == start.sum():
            break
        start = further
    return start


def _grown(part: Mask, reach: int) -> Mask:
    """Return a mask grown by `reach` pixels in every direction."""
    return _counts(part, reach) > 0


def _shrunk(part: Mask, reach: int) -> Mask:
    """Return a mask shrunk by `reach` pixels in every direction; the film's edge counts as outside."""
    return _counts(part, reach) == (2 * reach + 1) ** 2


def _counts(part: Mask, reach: int) -> NDArray[np.int64]:
    """Return how many pixels of a mask lie in the square around each, by a summed-area table."""
    size = 2 * reach + 1
    sums = (
        np.pad(part.astype(np.int64), ((reach + 1, reach), (reach + 1, reach))).cumsum(0).cumsum(1)
    )
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]


def _plausible(one: Mask, other: Mask) -> bool:
    """Return whether two fields are one chest's: their size, balance, and that they end on the film."""
    small, large = sorted((float(one.mean()), float(other.mean())))
    if small < BALANCE * large or not BOTH[0] <= small + large <= BOTH[1]:
        return False
    both = one | other
    edge = int(both[0].sum()) + int(both[:, 0].sum()) + int(both[:, -1].sum())
    return edge <= CUT_OFF * 4 * SIDE and not bool((one & other).any())


def _hull(part: Mask) -> Mask:
    """Return the convex hull of a mask (Andrew's monotone chain, 1979)."""
    rows = np.flatnonzero(part.any(1))
    first = part[rows].argmax(1)
    last = SIDE - 1 - part[rows, ::-1].argmax(1)
    ends = np.concatenate([np.stack([first, rows], 1), np.stack([last, rows], 1)])
    points = sorted({(int(x), int(y)) for x, y in ends})
    outline = [*_chain(points), *_chain(points[::-1])]
    picture = Image.new("1", (SIDE, SIDE))
    if len(outline) >= 3:
        ImageDraw.Draw(picture).polygon(outline, fill=1, outline=1)
    return np.asarray(picture, dtype=np.bool_)


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return one half of the convex hull of sorted points, without its last point."""
    out: list[tuple[int, int]] = []
    for x, y in points:
        while len(out) >= 2:
            (ax, ay), (bx, by) = out[-2], out[-1]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            out.pop()
        out.append((x, y))
    return out[:-1]
