"""The views that a film is shown in while a network learns: exposure, frame, sharpness, cover.

Works on batches of squashed grey films (N, 1, H, W) in [0, 1]. Every random number comes from the
`torch.Generator` that is passed in, on the CPU, so a step's views follow from its seed on any
device. Knows nothing of networks or files.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from finetune.image.recipe import Augment

# Range of width / height that films are re-framed to, whatever their class, with `aspect`.
ASPECTS = (1.0, 1.75)
_PADDINGS = ("zeros", "border", "reflection")


def augment(
    films: Tensor, aspects: Tensor, options: Augment, side: int, generator: torch.Generator
) -> Tensor:
    """Return a random view of each film, (N, 1, side, side) in [0, 1], on the films' device.

    Args:
        films: (N, 1, H, W) in [0, 1]; not changed.
        aspects: (N,) width / height of the originals; read with `options.aspect` only.
        options: which changes, and how far.
        side: side of the result, in pixels.
        generator: of the CPU; its state alone decides the result.
    """
    if not options.use:
        return resize(films, side)
    draw = _Draw(generator, films.device)
    films = _recompressed(films, options, draw)
    # Averaged before it is sampled, or fine detail would fold over.
    if side < 200:
        films = resize(films, int(side * 1.25))
    films = _framed(films, aspects, options, side, draw)
    films = _exposed(films, options, draw)
    films = _sharpened(films, options, side, draw)
    noise = draw.normal(*films.shape) * draw(0, options.noise, len(films), 1, 1, 1)
    films = films + noise * (draw(0, 1, len(films), 1, 1, 1) < options.noisy)
    return _covered(films, options, side, draw).clamp(0, 1)


class _Draw:
    """Random numbers of one generator, handed over to a device."""

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.generator, self.device = generator, device

    def __call__(self, low: float, high: float, *shape: int) -> Tensor:
        found = torch.rand(*shape, generator=self.generator) * (high - low) + low
        return found.to(self.device)

    def one(self, low: float, high: float) -> float:
        return float(torch.rand(1, generator=self.generator) * (high - low) + low)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator).to(self.device)


def _recompressed(films: Tensor, options: Augment, draw: _Draw) -> Tensor:
    rows = (draw(0, 1, len(films)) < options.jpeg).nonzero().flatten().tolist()
    films = films.clone() if rows else films
    for row in rows:
        films[row, 0] = jpeg(films[row, 0], int(draw.one(15, 75)))
    return films


def _framed(films: Tensor, aspects: Tensor, options: Augment, side: int, draw: _Draw) -> Tensor:
    """Zoom, stretch, mirror, turn, shear and shift, in one resampling."""
    count = len(films)
    zoom = draw(math.log(options.zoom[0]), math.log(options.zoom[1]), count).exp()
    if options.aspect:
        # Squashing hides the aspect ratio but not its effect on the anatomy's proportions, which
        # alone tells the classes of some hospitals apart; so all get theirs from one distribution.
        low, high = math.log(ASPECTS[0]), math.log(ASPECTS[1])
        ratio = draw(low, high, count).exp() / aspects.to(films.device)
        split = draw(0, 1, count)
        wide, tall = zoom * ratio**split, zoom * ratio ** (split - 1)
    else:
        ratio = draw(-options.stretch, options.stretch, count).exp()
        wide, tall = zoom * ratio**0.5, zoom * ratio**-0.5
    mirror = torch.where(draw(0, 1, count) < options.mirror, -1.0, 1.0)
    angle = draw(-options.angle, options.angle, count) * (draw(0, 1, count) < options.turned)
    shear = draw(-options.shear, options.shear, count)
    reach_x, reach_y = (1 - wide).abs() * 0.55 + 0.05, (1 - tall).abs() * 0.55 + 0.05
    cosine, sine = angle.cos(), angle.sin()
    across = [wide * cosine * mirror, -tall * sine + shear, draw(-1, 1, count) * reach_x]
    down = [wide * sine * mirror, tall * cosine, draw(-1, 1, count) * reach_y]
    matrix = torch.stack([torch.stack(across, 1), torch.stack(down, 1)], 1)
    grid = functional.affine_grid(matrix, [count, 1, side, side], align_corners=False)
    padding = _PADDINGS[int(draw.one(0, 3))]
    return functional.grid_sample(films, grid, padding_mode=padding, align_corners=False)


def _exposed(films: Tensor, options: Augment, draw: _Draw) -> Tensor:
    """Gamma, contrast, brightness and an uneven beam; what leaves [0, 1] is lost, as on a film."""
    count = len(films)
    gamma = (draw.normal(count, 1, 1, 1) * options.gamma).exp().clamp(0.35, 2.8)
    films = films.clamp(1e-4, 1) ** gamma
    contrast = draw(-options.contrast, options.contrast, count, 1, 1, 1).exp()
    middle = films.mean((2, 3), keepdim=True)
    films = (films - middle) * contrast + middle
    films = films + draw(-options.brightness, options.brightness, count, 1, 1, 1)
    shade = draw.normal(count, 1, 3, 3) * options.field
    shade = functional.interpolate(shade, films.shape[-2:], mode="bicubic")
    return (films + shade * draw(0, 1, count, 1, 1, 1)).clamp(0, 1)


def _sharpened(films: Tensor, options: Augment, side: int, draw: _Draw) -> Tensor:
    count = len(films)
    if not options.fine:
        soft = blur(films, side / 110)
        gain = draw(-1, 1.2, count, 1, 1, 1)
        return films + (films - soft) * gain * (draw(0, 1, count, 1, 1, 1) < options.sharpness)
    # Where two classes were scanned with different sharpness, that is a tell-tale too; a balanced
    # batch's mean fineness is common ground.
    soft = blur(films, side / 150)
    fine = films - soft
    fineness = (fine.abs().mean((1, 2, 3)) / (films.std((1, 2, 3)) + 0.02) + 1e-3).log()
    target = fineness.mean() + draw.normal(count) * 0.45
    return soft + fine * (target - fineness).exp().clamp(0.15, 3.5).view(-1, 1, 1, 1)


def _covered(films: Tensor, options: Augment, side: int, draw: _Draw) -> Tensor:
    """A frame of one shade (collimation, a screenshot's edge), and rectangles (markers, devices)."""
    films = films.clone()
    for row in range(len(films)):
        film = films[row, 0]
        if draw.one(0, 1) < options.border:
            widths = draw(-0.06, 0.18, 4).clamp_min(0) * side
            _frame(film, [int(width) for width in widths], max(0.0, draw.one(-0.7, 1)))
        if draw.one(0, 1) < options.erase:
            for _ in range(int(draw.one(1, 3.5))):
                _rectangle(film, side, draw)
    return films


def _frame(film: Tensor, widths: list[int], shade: float) -> None:
    side = film.shape[-1]
    film[: widths[0]] = shade
    film[side - widths[1] :] = shade
    film[:, : widths[2]] = shade
    film[:, side - widths[3] :] = shade


def _rectangle(film: Tensor, side: int, draw: _Draw) -> None:
    height, width = int(draw.one(0.04, 0.3) * side), int(draw.one(0.04, 0.3) * side)
    top, left = int(draw.one(0, side - height)), int(draw.one(0, side - width))
    if draw.one(0, 1) < 0.6:
        film[top : top + height, left : left + width] = draw.one(0, 1)
    else:
        film[top : top + height, left : left + width] = draw(0, 1, height, width)


def resize(films: Tensor, side: int) -> Tensor:
    """Return (N, 1, side, side) films, averaged where they shrink."""
    if films.shape[-1] == side and films.shape[-2] == side:
        return films
    return functional.interpolate(films, (side, side), mode="bilinear", antialias=True)


def blur(films: Tensor, sigma: float) -> Tensor:
    """Return (N, 1, H, W) films under a Gaussian of `sigma` pixels."""
    reach = max(1, math.ceil(2.5 * sigma))
    steps = torch.arange(-reach, reach + 1, dtype=films.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in (2, 3):
        padding = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        padded = functional.pad(films, padding, mode="replicate")
        size = films.shape[axis]
        # A sum of shifted copies: one-channel convolutions are slow on CPUs.
        films = sum(
            (padded.narrow(axis, at, size) * weight for at, weight in enumerate(kernel.tolist())),
            torch.zeros_like(films),
        )
    return films


def jpeg(film: Tensor, quality: int) -> Tensor:
    """Return an (H, W) film in [0, 1] after JPEG compression at `quality`, on its device."""
    grey = (film.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=quality)
    found = np.asarray(Image.open(stream), dtype=np.float32) / 255
    return torch.from_numpy(found).to(film.device)


def reframe(films: Tensor, scale_x: float, scale_y: float | None = None) -> Tensor:
    """Return films showing `scale_x` of the width and `scale_y` (the same) of the height.

    Scales above 1 show black beyond the edge.
    """
    down = scale_x if scale_y is None else scale_y
    matrix = torch.tensor([[scale_x, 0.0, 0.0], [0.0, down, 0.0]], device=films.device)
    grid = functional.affine_grid(
        matrix.expand(len(films), 2, 3), list(films.shape), align_corners=False
    )
    return functional.grid_sample(films, grid, align_corners=False)
