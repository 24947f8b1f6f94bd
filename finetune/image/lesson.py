"""What a classifier learns from in a step: balanced batches of views, soft targets, teachers.

Every draw of a step comes from the seed and the step's number. Knows nothing of optimisers, files or
cards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from finetune.image.augment import augment

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe


class Supervised:
    """Labelled pictures, drawn and shown as a recipe says.

    Args:
        films: the training part.
        recipe: batch, balance, views and targets.
        steps: that the whole training takes.
        device: where the network is.
        rank: this process's number.
        world: how many processes share a batch.
        taught: (N,) or (N, K) teachers' logits of the films, NaN where there are none; None for no
            teacher.
    """

    def __init__(
        self,
        films: Films,
        recipe: ImageRecipe,
        steps: int,
        device: torch.device,
        *,
        rank: int = 0,
        world: int = 1,
        taught: np.ndarray | None = None,
    ) -> None:
        self.films, self.recipe, self.steps, self.device = films, recipe, steps, device
        self.rank, self.world, self.size = rank, world, recipe.batch
        self.classes = len(recipe.labels)
        self.pools = [np.flatnonzero(films.labels == place) for place in range(self.classes)]
        self.taught = None if taught is None else _probabilities(taught)

    def loss(self, network: Any, step: int) -> Tensor:
        """Return the mean loss of this process's part of a batch."""
        recipe = self.recipe
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        rows = self.draw(generator)[self.rank :: self.world]
        if self.rank:  # Each process shows its pictures in views of its own.
            generator.manual_seed((recipe.seed * 1_000_003 + step) * 4099 + self.rank)
        side = self.side(step)
        views = self.views(rows, generator, side)
        targets = self.targets(rows)
        if recipe.mixup:
            seed = step * self.world + self.rank
            share = float(np.random.default_rng(seed).beta(recipe.mixup, recipe.mixup))
            other = torch.randperm(len(views), generator=generator)
            views = views * share + views[other] * (1 - share)
            targets = targets * share + targets[other] * (1 - share)
        inner = getattr(network, "module", network)
        inner.side = side
        found = loss(network(views), targets.to(self.device))
        inner.side = recipe.side
        return found

    def side(self, step: int) -> int:
        """Return the side that pictures have at a step: small ones first where so told."""
        whole = self.recipe.side
        if not self.recipe.progressive:
            return whole
        gone = step / self.steps
        if gone >= 0.65:
            return whole
        # Of multiples of 32 the network's halvings leave nothing over.
        return max(32, round(whole * (0.5 if gone < 0.2 else 0.75) / 32) * 32)

    def draw(self, generator: torch.Generator) -> np.ndarray:
        """Return the rows of a batch, (B,), class by class where it is balanced."""
        size = self.size
        if not self.recipe.balance:
            return torch.randint(len(self.films), (size,), generator=generator).numpy()
        shares = [size // self.classes + (k < size % self.classes) for k in range(self.classes)]
        return np.concatenate(
            [
                pool[torch.randint(len(pool), (count,), generator=generator).numpy()]
                for pool, count in zip(self.pools, shares, strict=True)
            ]
        )

    def views(self, rows: np.ndarray, generator: torch.Generator, side: int) -> Tensor:
        """Return the augmented pictures of rows, (B, 1, side, side) in [0, 1]."""
        films = torch.from_numpy(self.films.pixels[rows]).unsqueeze(1).to(self.device).float() / 255
        aspects = torch.from_numpy(self.films.aspects[rows]).float()
        return augment(films, aspects, self.recipe.augment, side, generator)

    def targets(self, rows: np.ndarray) -> Tensor:
        """Return the probabilities to learn, (B, K): smoothed labels, mixed with the teachers'."""
        smooth = self.recipe.smoothing
        labels = torch.from_numpy(self.films.labels[rows])
        hot = functional.one_hot(labels, self.classes).float()
        targets = hot * (1 - smooth) + (1 - hot) * smooth / (self.classes - 1)
        if self.taught is None:
            return targets
        told = torch.from_numpy(self.taught[rows])
        weight = self.recipe.distil.weight
        mixed = targets * (1 - weight) + told.nan_to_num() * weight
        return torch.where(told.isnan().any(1, keepdim=True), targets, mixed)


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits (N,) or (N, K) with target probabilities (N, K)."""
    if logits.ndim == 1:
        return functional.binary_cross_entropy_with_logits(logits.float(), targets[:, 1])
    return functional.cross_entropy(logits.float(), targets)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Return (N, K) float32 probabilities of logits (N,) or (N, K); NaN stays."""
    if logits.ndim == 1:
        logits = np.stack([np.zeros_like(logits), logits], 1)
        logits[np.isnan(logits[:, 1])] = np.nan
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return (shifted / shifted.sum(1, keepdims=True)).astype(np.float32)
