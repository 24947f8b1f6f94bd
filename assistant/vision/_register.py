"""Lays one film over another: an affine map by coarse search and refinement, and how well it fits.

Promises that a monotone change of exposure doesn't matter (films are replaced by their ranks and by
local contrast) and that the fit is measured on what both films show. Numpy and scipy only; knows
nothing of findings, patients or words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Side of the square that films are registered in, in pixels.
SIDE = 224
_LEVELS = (56, 112, 224)
_STEPS = (30, 20, 8)
_ANGLES = (-18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0)
_SCALES = (0.8, 0.9, 1.0, 1.12, 1.25)
_STARTS = 3
# Corner movement, in pixels of the level, below which refinement ends.
_STILL = 0.02
# A patient who stands otherwise changes a film less than this; more is a failed search.
_LEAST_OVERLAP = 0.55
_STRETCH = (0.6, 1.7)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Registration:
    """How the moving film lies on the fixed one.

    Attributes:
        matrix: (2, 3); (x, y, 1) of the fixed film to (x, y) of the moving one. Both films are
            taken as the square from -1 to 1 in each direction, so their sizes don't matter.
        score: correlation of the two films' local contrast where both are seen, in [-1, 1].
        overlap: share of the fixed film that the moving one covers, in [0, 1].
    """

    matrix: Floats
    score: float
    overlap: float

    @property
    def plausible(self) -> bool:
        """Whether two films of one chest can lie so: enough overlap and no wild stretch."""
        stretch = np.linalg.svd(self.matrix[:, :2], compute_uv=False)
        return bool(
            self.overlap >= _LEAST_OVERLAP
            and stretch[1] >= _STRETCH[0]
            and stretch[0] <= _STRETCH[1]
            and np.linalg.det(self.matrix[:, :2]) > 0
        )


def register(fixed: NDArray[np.uint8], moving: NDArray[np.uint8]) -> Registration:
    """Find the affine map that lays `moving` on `fixed`.

    Rotations and scales are searched on small copies, the shift of each by cross-correlation in the
    Fourier domain; the three best are refined by enhanced correlation (Evangelidis & Psarakis 2008,
    IEEE TPAMI 30:1858) over three sizes.

    Args:
        fixed: (H, W) uint8, dense bright.
        moving: (h, w) uint8, dense bright.
    """
    pairs = [(_contrast(fixed, side), _contrast(moving, side)) for side in _LEVELS]
    starts = _search(*pairs[0])
    refined = [_refine(*pairs[0], matrix, _STEPS[0]) for matrix in starts]
    best = max(refined, key=lambda matrix: _fit(*pairs[0], matrix)[0])
    for (still, other), steps in zip(pairs[1:], _STEPS[1:], strict=True):
        best = _refine(still, other, best, steps)
    score, overlap = _fit(*pairs[1], best)
    return Registration(best, score, overlap)


def warp(pixels: NDArray[np.uint8], matrix: Floats, side: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a moving film laid on the fixed one, (side, side), and where it has pixels."""
    image = squashed(pixels, side)
    values = _sample(image, matrix)
    return values, _inside(matrix, side)


def squashed(pixels: NDArray[np.uint8], side: int) -> Floats:
    """Return (H, W) pixels squashed to (side, side), as floats."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = picture.resize((side, side), Image.Resampling.BOX if side < 100 else Image.Resampling.LANCZOS, reducing_gap=3.0)  # fmt: skip
    return np.asarray(small, dtype=np.float64)


def ranks(image: Floats) -> Floats:
    """Return each value's rank in the image, in [0, 1]; equal values share one."""
    levels = np.rint(image.clip(0, 255)).astype(np.int64)
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    places = (counts.cumsum() - counts / 2) / levels.size
    return np.asarray(places[levels])


def _contrast(pixels: NDArray[np.uint8], side: int) -> Floats:
    """Return local contrast of ranks: mean 0, about unit spread, pure black frames left flat."""
    from scipy.ndimage import gaussian_filter

    image = squashed(pixels, side)
    values = gaussian_filter(ranks(image), side / 150)
    wide = side / 14
    middle = gaussian_filter(values, wide)
    spread = np.sqrt(np.maximum(gaussian_filter(values**2, wide) - middle**2, 0))
    return np.asarray((values - middle) / (spread + 0.04))


def _grid(side: int) -> tuple[Floats, Floats]:
    """Return x and y of the pixel centres of a square from -1 to 1."""
    line = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(line, line)
    return x, y


def _places(matrix: Floats, side: int) -> tuple[Floats, Floats]:
    x, y = _grid(side)
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2],
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2],
    )


def _sample(image: Floats, matrix: Floats) -> Floats:
    from scipy.ndimage import map_coordinates

    side = len(image)
    x, y = _places(matrix, side)
    rows, columns = (y + 1) / 2 * side - 0.5, (x + 1) / 2 * side - 0.5
    return np.asarray(map_coordinates(image, [rows, columns], order=1, mode="nearest"))


def _inside(matrix: Floats, side: int) -> NDArray[np.bool_]:
    x, y = _places(matrix, side)
    return (np.abs(x) <= 1) & (np.abs(y) <= 1)


def _fit(fixed: Floats, moving: Floats, matrix: Floats) -> tuple[float, float]:
    """Return the correlation where both are seen, and the share of the fixed film covered."""
    inside = _inside(matrix, len(fixed))
    overlap = float(inside.mean())
    if overlap < 0.2:
        return -1.0, overlap
    a, b = fixed[inside], _sample(moving, matrix)[inside]
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9)), overlap


def _search(fixed: Floats, moving: Floats) -> list[Floats]:
    """Return the most promising maps over angles, scales and all shifts."""
    side = len(fixed)
    window = np.hanning(side + 2)[1:-1] ** 0.5
    taper = np.outer(window, window)
    still = np.fft.rfft2(fixed * taper)
    found: list[tuple[float, Floats]] = []
    for angle in np.deg2rad(_ANGLES):
        for scale in _SCALES:
            cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
            matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
            turned = _sample(moving, matrix) * _inside(matrix, side) * taper
            product = np.fft.irfft2(still * np.conj(np.fft.rfft2(turned)), s=(side, side))
            product /= max(float(np.sqrt((turned**2).sum())), 1e-9)
            row, column = np.unravel_index(int(product.argmax()), product.shape)
            # The fixed film is the turned one shifted by (row, column); a map goes the other way.
            shift = np.array([_signed(int(column), side), _signed(int(row), side)]) * 2 / side
            matrix[:, 2] = -(matrix[:, :2] @ shift)
            found.append((float(product.max()), matrix))
    found.sort(key=lambda pair: -pair[0])
    return [matrix for _, matrix in found[:_STARTS]] + [np.eye(2, 3)]


def _signed(shift: int, side: int) -> int:
    return shift - side if shift > side // 2 else shift


def _refine(fixed: Floats, moving: Floats, start: Floats, steps: int) -> Floats:
    """Return the map after Gauss-Newton steps on the enhanced correlation coefficient."""
    side = len(fixed)
    x, y = _grid(side)
    slope_y: Floats = np.gradient(moving, 2 / side, axis=0)
    slope_x: Floats = np.gradient(moving, 2 / side, axis=1)
    matrix = start.copy()
    for _ in range(steps):
        inside = _inside(matrix, side)
        if inside.mean() < 0.3:
            return start
        gx, gy = _sample(slope_x, matrix)[inside], _sample(slope_y, matrix)[inside]
        px, py = x[inside], y[inside]
        basis = np.stack([gx * px, gx * py, gx, gy * px, gy * py, gy], 1)
        step = _step(basis, fixed[inside], _sample(moving, matrix)[inside])
        if step is None:
            break
        matrix = matrix + step.reshape(2, 3)
        if np.abs(step).max() * side < _STILL:
            break
    better = _fit(fixed, moving, matrix)[0] >= _fit(fixed, moving, start)[0]
    return matrix if better else start


def _step(basis: Floats, template: Floats, image: Floats) -> Floats | None:
    """Return the parameter step of one iteration, or None where it is undefined."""
    template, image = template - template.mean(), image - image.mean()
    basis = basis - basis.mean(0)
    hessian = basis.T @ basis + 1e-6 * np.eye(6)
    of_image, of_template = basis.T @ image, basis.T @ template
    solved = np.linalg.solve(hessian, np.stack([of_image, of_template], 1))
    top = image @ image - of_image @ solved[:, 0]
    bottom = template @ image - of_template @ solved[:, 0]
    if bottom <= 0:
        return None
    return np.asarray(top / bottom * solved[:, 1] - solved[:, 0])
