"""From grey pixels of any size to what networks are given: squashed squares and their views.

Promises one way of resampling for training, calibration, gate and inference. Knows nothing of cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

# Side of the square that films are squashed to before they reach any network, in pixels.
FILM_SIDE = 224
# Films a forward pass; more fit in memory, none are faster on a CPU.
BATCH = 32
# Ways of looking at a film that logits are averaged over (test-time augmentation).
VIEWS = ("plain", "mirror", "closer", "wider")
_ZOOM = {"closer": 0.92, "wider": 1.08}


def squash(pixels: np.ndarray, side: int = FILM_SIDE) -> np.ndarray:
    """Return (H, W) uint8 pixels squashed to the (side, side) that networks were trained on.

    The aspect ratio is given up on purpose: in the training data it tells the classes apart.
    """
    if pixels.shape == (side, side):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    # A fast pre-reduction keeps 64-megapixel films cheap; Lanczos does the last factor of 3.
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0))


def to_batch(films: np.ndarray) -> Tensor:
    """Return (N, H, W) uint8 films as (N, 1, H, W) floats in [0, 1]."""
    import torch

    return torch.from_numpy(np.array(films, dtype=np.float32) / 255).unsqueeze(1)


def seen(batch: Tensor, views: Sequence[str]) -> Tensor:
    """Return every view of a batch, (V * N, 1, H, W): all films of the first view, then the next."""
    import torch

    return (
        torch.cat([_view(batch, name) for name in views])
        if len(views) > 1
        else _view(batch, views[0])
    )


def _view(batch: Tensor, name: str) -> Tensor:
    if name == "plain":
        return batch
    if name == "mirror":
        return batch.flip(3)
    import torch
    from torch.nn import functional

    scale = torch.tensor([[_ZOOM[name], 0.0, 0.0], [0.0, _ZOOM[name], 0.0]])
    grid = functional.affine_grid(
        scale.expand(len(batch), 2, 3), list(batch.shape), align_corners=False
    )
    return functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
