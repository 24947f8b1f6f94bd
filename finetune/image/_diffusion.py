"""A small latent diffusion model of films: linear axes, and a denoiser of the places along them.

The films' principal axes (Halko, Martinsson & Tropp 2011 finds them) are the latent space (Rombach et
al. 2022 use a network there); a small residual network learns to undo Gaussian noise in it (Ho, Jain &
Abbeel 2020; the cosine schedule of Nichol & Dhariwal 2021; the velocity target of Salimans & Ho 2022).
Knows nothing of files or cards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Latents:
    """A linear latent space over standardised films.

    Attributes:
        mean: (P,) the mean film.
        axes: (P, K) orthonormal.
        deviations: (K,) standard deviation along each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    deviations: np.ndarray

    def places(self, films: np.ndarray) -> np.ndarray:
        """Return films, (N, P), as places along the axes, (N, K), with deviation 1 each."""
        return ((films - self.mean) @ self.axes / self.deviations).astype(np.float32)

    def films(self, places: np.ndarray) -> np.ndarray:
        """Return places, (N, K), as films, (N, P), with mean 0 and deviation 1 each."""
        drawn = self.mean + (places * self.deviations) @ self.axes.T
        return np.asarray(standardise(drawn))


def standardise(films: np.ndarray) -> np.ndarray:
    """Return (N, P) films with mean 0 and deviation 1 each."""
    centred = films - films.mean(1, keepdims=True)
    return np.asarray(centred / (centred.std(1, keepdims=True) + 1e-3), np.float32)


def axes_of(films: np.ndarray, count: int, seed: int) -> Latents:
    """Return the `count` strongest axes of (N, P) films, by a randomised range finder.

    Args:
        films: standardised.
        count: axes; capped at N - 1 and P.
        seed: of the random start.
    """
    count = min(count, len(films) - 1, films.shape[1])
    mean = films.mean(0)
    centred = films - mean
    start = np.random.default_rng(seed).normal(size=(films.shape[1], min(count + 60, len(films))))
    basis = centred.T @ (centred @ start.astype(np.float32))
    for _ in range(2):
        basis = np.linalg.qr(basis)[0]
        basis = centred.T @ (centred @ basis)
    basis = np.linalg.qr(basis)[0]
    inner = centred @ basis
    powers, turns = np.linalg.eigh(inner.T @ inner)
    order = np.argsort(-powers)[:count]
    deviations = np.sqrt(powers[order].clip(1e-9) / len(films))
    return Latents(mean, (basis @ turns[:, order]).astype(np.float32), deviations.astype("float32"))


class Denoiser(nn.Module):
    """Tells noise from film in noisy places: residual blocks steered by time and class.

    Args:
        axes: latent dimensions.
        classes: of films.
        width: of the hidden layers.
        blocks: residual blocks.
    """

    def __init__(self, axes: int, classes: int, width: int = 448, blocks: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(axes, width)
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.kind = nn.Embedding(classes, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, axes)

    def forward(self, noisy: Tensor, times: Tensor, kinds: Tensor) -> Tensor:
        """Return the velocity, (N, axes), of noisy places at times in [0, 1]."""
        rates = torch.exp(torch.arange(32) * (-math.log(1000) / 31)).to(noisy.device)
        phases = times[:, None] * 1000 * rates
        steer = self.time(torch.cat([phases.sin(), phases.cos()], 1)) + self.kind(kinds)
        hidden = self.enter(noisy)
        for block in self.blocks:
            hidden = block(hidden, steer)
        velocity: Tensor = self.leave(hidden)
        return velocity


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.steer = nn.Linear(width, 2 * width)
        self.drop = nn.Dropout(0.2)

    def forward(self, hidden: Tensor, steer: Tensor) -> Tensor:
        scale, shift = self.steer(functional.silu(steer)).chunk(2, 1)
        inner = self.first(self.norm(hidden) * (1 + scale) + shift)
        out: Tensor = hidden + self.second(self.drop(functional.silu(inner)))
        return out


def loss(network: Denoiser, places: Tensor, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Return the mean squared error of the velocity at random times."""
    times = torch.rand(len(places), generator=generator)
    noise = torch.randn(places.shape, generator=generator)
    kept = _kept(times)[:, None]
    noisy = kept.sqrt() * places + (1 - kept).sqrt() * noise
    velocity = kept.sqrt() * noise - (1 - kept).sqrt() * places
    return functional.mse_loss(network(noisy, times, kinds).float(), velocity)


@torch.no_grad()
def sample(
    network: Denoiser, count: int, kind: int, generator: torch.Generator, steps: int = 60
) -> Tensor:
    """Return `count` places of a class, by deterministic steps (Song, Meng & Ermon 2021)."""
    axes = network.leave.out_features
    places = torch.randn(count, axes, generator=generator)
    kinds = torch.full((count,), kind)
    times = torch.linspace(0.995, 0, steps + 1)
    for now, then in pairwise(times):
        kept, later = _kept(now), _kept(then)
        velocity = network(places, now.expand(count), kinds)
        clean = kept.sqrt() * places - (1 - kept).sqrt() * velocity
        noise = (1 - kept).sqrt() * places + kept.sqrt() * velocity
        places = later.sqrt() * clean + (1 - later).sqrt() * noise
    return places


def _kept(times: Tensor) -> Tensor:
    """Return the share of the film's power that is left at a time in [0, 1]."""
    return torch.cos(times * math.pi / 2) ** 2
