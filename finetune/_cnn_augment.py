"""Augmentation of films, and the stressed copies that a hold-out is judged on.

Works on batches of squashed grey films (N, 1, H, W) in [0, 1]. Knows nothing of networks or files.
Every random choice comes from the `torch.Generator` that is passed in.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

# Range of width / height that films are re-framed to, whatever their class; see `reframe`.
ASPECTS = (1.0, 1.75)


class Augment:
    """A random training view of each film of a batch.

    Args:
        side: side of the result, in pixels.
        generator: where every random number comes from.
    """

    def __init__(self, side: int, generator: torch.Generator) -> None:
        self.side = side
        self.generator = generator

    def __call__(self, films: Tensor, aspects: Tensor) -> Tensor:
        """Return (N, 1, side, side) views of (N, 1, H, W) films whose width / height was `aspects`.

        Squashing to a square hides the aspect ratio but not its effect on the anatomy's
        proportions, and in the training hospital that alone tells the classes apart. So every
        film is re-framed to an aspect drawn from one distribution for all classes.
        """
        films = self._jpeg(films)
        films = self._frame(films, aspects)
        films = self._expose(films)
        films = self._sharpness(films)
        return self._cover(films).clamp(0, 1)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator) * (high - low) + low

    def _chance(self, share: float) -> bool:
        return float(self._uniform(0, 1, 1)) < share

    def _jpeg(self, films: Tensor) -> Tensor:
        chosen = (self._uniform(0, 1, len(films)) < 0.12).nonzero().flatten().tolist()
        if not chosen:
            return films
        films = films.clone()
        for row in chosen:
            quality = int(self._uniform(15, 75, 1))
            films[row, 0] = jpeg(films[row, 0], quality)
        return films

    def _frame(self, films: Tensor, aspects: Tensor) -> Tensor:
        count = len(films)
        low, high = math.log(ASPECTS[0]), math.log(ASPECTS[1])
        target = self._uniform(low, high, count).exp()
        ratio = target / aspects
        split = self._uniform(0, 1, count)
        zoom = self._uniform(math.log(0.62), math.log(1.08), count).exp()
        scale_x = zoom * ratio**split
        scale_y = zoom * ratio ** (split - 1)
        mirror = torch.where(self._uniform(0, 1, count) < 0.5, -1.0, 1.0)
        angle = self._uniform(-0.2, 0.2, count) * (self._uniform(0, 1, count) < 0.7)
        shear = self._uniform(-0.08, 0.08, count)
        reach_x = (1 - scale_x).abs() * 0.55 + 0.04
        reach_y = (1 - scale_y).abs() * 0.55 + 0.04
        cosine, sine = angle.cos(), angle.sin()
        matrix = torch.stack(
            [
                torch.stack([scale_x * cosine * mirror, -scale_y * sine + shear,
                             self._uniform(-1, 1, count) * reach_x], 1),
                torch.stack([scale_x * sine * mirror, scale_y * cosine,
                             self._uniform(-1, 1, count) * reach_y], 1),
            ],
            1,
        )  # fmt: skip
        grid = functional.affine_grid(matrix, [count, 1, self.side, self.side], align_corners=False)
        paddings = ("zeros", "border", "reflection")
        padding = paddings[int(self._uniform(0, 3, 1))]
        return functional.grid_sample(films, grid, padding_mode=padding, align_corners=False)

    def _expose(self, films: Tensor) -> Tensor:
        count = len(films)
        gamma = (torch.randn(count, 1, 1, 1, generator=self.generator) * 0.35).exp()
        films = films.clamp(1e-4, 1) ** gamma.clamp(0.4, 2.5)
        contrast = self._uniform(-0.5, 0.6, count, 1, 1, 1).exp()
        middle = films.mean((2, 3), keepdim=True)
        offset = self._uniform(-0.15, 0.15, count, 1, 1, 1)
        films = (films - middle) * contrast + middle + offset
        # An uneven beam: a smooth field over the film.
        field = torch.randn(count, 1, 3, 3, generator=self.generator) * 0.12
        field = functional.interpolate(field, films.shape[-2:], mode="bicubic", align_corners=False)
        strength = self._uniform(0, 1, count, 1, 1, 1)
        films = films + field * strength
        noise = torch.randn(films.shape, generator=self.generator)
        return films + noise * self._uniform(0, 0.04, count, 1, 1, 1)

    def _sharpness(self, films: Tensor) -> Tensor:
        """Give every film a fineness of detail drawn from one distribution for all classes.

        In the training hospital the two classes were scanned with different sharpness, which is
        another tell-tale that has nothing to do with disease. A batch holds as many of each class,
        so its mean fineness is common ground.
        """
        soft = blur(films, self.side / 150)
        fine = films - soft
        fineness = (fine.abs().mean((1, 2, 3)) / (films.std((1, 2, 3)) + 0.02) + 1e-3).log()
        target = fineness.mean() + torch.randn(len(films), generator=self.generator) * 0.45
        gain = (target - fineness).exp().clamp(0.15, 3.5)
        return soft + fine * gain.view(-1, 1, 1, 1)

    def _cover(self, films: Tensor) -> Tensor:
        films = films.clone()
        side = self.side
        for row in range(len(films)):
            if self._chance(0.4):
                # Shoulders, neck and arms tell how a child was held, not how ill it is.
                shade = max(0.0, float(self._uniform(-0.7, 1, 1)))
                _border(films[row, 0], self._uniform(-0.06, 0.2, 4).clamp_min(0) * side, shade)
            for _ in range(int(self._uniform(0, 3.2, 1))):
                height = int(self._uniform(0.03, 0.2, 1) * side)
                width = int(self._uniform(0.03, 0.2, 1) * side)
                top = int(self._uniform(0, side - height, 1))
                left = int(self._uniform(0, side - width, 1))
                patch = films[row, 0, top : top + height, left : left + width]
                if self._chance(0.5):
                    patch.fill_(float(self._uniform(0, 1, 1)))
                else:
                    patch.copy_((torch.rand(patch.shape, generator=self.generator) > 0.5) * 1.0)
        return films


def _border(film: Tensor, widths: Tensor, value: float) -> None:
    top, bottom, left, right = (int(width) for width in widths)
    film[:top] = value
    film[film.shape[0] - bottom :] = value
    film[:, :left] = value
    film[:, film.shape[1] - right :] = value


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
            (
                padded.narrow(axis, shift, size) * weight
                for shift, weight in enumerate(kernel.tolist())
            ),
            torch.zeros_like(films),
        )
    return films


def jpeg(film: Tensor, quality: int) -> Tensor:
    """Return an (H, W) film in [0, 1] after JPEG compression at `quality`."""
    grey = (film.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=quality)
    return torch.from_numpy(np.asarray(Image.open(stream), dtype=np.float32) / 255)


def reframe(films: Tensor, scale_x: float, scale_y: float, angle: float = 0.0) -> Tensor:
    """Return films showing `scale_x` of the width and `scale_y` of the height, turned by `angle`.

    Scales above 1 show black beyond the edge; `angle` is in radians.
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor(
        [[scale_x * cosine, -scale_y * sine, 0.0], [scale_x * sine, scale_y * cosine, 0.0]]
    )
    grid = functional.affine_grid(
        matrix.expand(len(films), 2, 3), list(films.shape), align_corners=False
    )
    return functional.grid_sample(films, grid, align_corners=False)


def _markers(films: Tensor) -> Tensor:
    films = films.clone()
    side = films.shape[-1]
    films[:, :, : side // 10] = 0
    films[:, :, :, : side // 12] = 0
    films[:, :, side // 8 : side // 4, side // 10 : side // 6] = 1
    films[:, :, -side // 6 :, -side // 4 :] = 0.9
    return films


def _uneven(films: Tensor) -> Tensor:
    ramp = torch.linspace(-0.25, 0.25, films.shape[-1])
    return films + ramp + ramp.view(-1, 1) * 0.6


def _jpeg_all(films: Tensor) -> Tensor:
    return torch.stack([jpeg(film[0], 25)[None] for film in films])


# Fixed changes that don't touch the diagnosis; name -> function of a batch of films.
STRESSES: dict[str, Callable[[Tensor], Tensor]] = {
    "gamma 0.6": lambda films: films**0.6,
    "gamma 1.7": lambda films: films**1.7,
    "low contrast": lambda films: films * 0.45 + 0.3,
    "clipped contrast": lambda films: (films - 0.5) * 1.7 + 0.5,
    "over-bright": lambda films: films * 1.15 + 0.15,
    "uneven beam": _uneven,
    "crop 12%": lambda films: reframe(films, 0.88, 0.88),
    "lungs only": lambda films: reframe(films, 0.7, 0.68),
    "wider frame": lambda films: reframe(films, 1.0, 0.82),
    "taller frame": lambda films: reframe(films, 0.84, 1.0),
    "turned 8 degrees": lambda films: reframe(films, 1.0, 1.0, math.radians(8)),
    "markers and borders": _markers,
    "blur": lambda films: blur(films, 1.5),
    "sharpened": lambda films: films + 1.2 * (films - blur(films, 1.2)),
    "JPEG quality 25": _jpeg_all,
}


def stress(films: Tensor, name: str) -> Tensor:
    """Return the stressed copy `name` of (N, 1, H, W) films, clipped to [0, 1]."""
    return STRESSES[name](films).clamp(0, 1)
