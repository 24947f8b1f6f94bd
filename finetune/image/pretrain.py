"""Learning without labels first: SimSiam on two views of each picture (Chen & He 2021).

The trunk learns what stays the same under the augmentation. It needs one network, no negatives and
no queue, and so costs two passes a step. Validation and held-out pictures are never shown. Knows
nothing of labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from finetune.image.augment import augment

if TYPE_CHECKING:
    from finetune.image.recipe import ImageRecipe

_INNER = 256
_NECK = 64


class Siamese(nn.Module):
    """A trunk with SimSiam's projector and predictor behind its pooled maps.

    Args:
        trunk: a network with `maps` and `features`.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        width = int(trunk.features)
        self.projector = nn.Sequential(
            nn.Linear(width, _INNER, bias=False), nn.BatchNorm1d(_INNER), nn.ReLU(),
            nn.Linear(_INNER, _INNER, bias=False), nn.BatchNorm1d(_INNER, affine=False),
        )  # fmt: skip
        self.predictor = nn.Sequential(
            nn.Linear(_INNER, _NECK, bias=False), nn.BatchNorm1d(_NECK), nn.ReLU(),
            nn.Linear(_NECK, _INNER),
        )  # fmt: skip

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the negative mean cosine between each view's prediction and the other's place."""
        told = [
            self.projector(self.trunk.maps(views).mean((2, 3)).float()) for views in (first, second)
        ]
        said = [self.predictor(place) for place in told]
        near = functional.cosine_similarity(said[0].float(), told[1].float().detach())
        near = near + functional.cosine_similarity(said[1].float(), told[0].float().detach())
        return -near.mean() / 2


class Views:
    """Pairs of views of unlabelled pictures.

    Args:
        pixels: (N, S, S) uint8.
        recipe: batch, side and views.
        device: where the network is.
        rank: this process's number.
        world: how many processes share a batch.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        recipe: ImageRecipe,
        device: torch.device,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.pixels, self.recipe, self.device = pixels, recipe, device
        self.rank, self.world, self.size = rank, world, recipe.batch

    def loss(self, network: Any, step: int) -> Tensor:
        """Return the loss of this process's part of a batch; all draws follow from the step."""
        seed = self.recipe.seed * 1_000_003 + step + 500_009
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(self.pixels), (self.size,), generator=generator)
        rows = drawn.numpy()[self.rank :: self.world]
        if self.rank:
            generator.manual_seed(seed * 4099 + self.rank)
        films = torch.from_numpy(self.pixels[rows]).unsqueeze(1).to(self.device).float() / 255
        aspects = torch.full((len(rows),), 1.3)
        options, side = self.recipe.augment, self.recipe.side
        pair = [augment(films, aspects, options, side, generator) for _ in range(2)]
        found: Tensor = network(*pair)
        return found
