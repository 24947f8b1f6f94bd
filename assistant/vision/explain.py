"""Where in a film a network saw what it says: one trunk pass without gradients, then the last stage.

Promises logits and map of the same pass: the early stages run once without gradients, and only the
last stage and the head are differentiated, with respect to what they were given. How much such a map
means is measured by deletion and insertion (docs/image-explanation.md). A map shows where the network
looked, not where disease is. Knows nothing of cards, calibration or pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from assistant.errors import ModelError

# Side of a map in pixels; the stage that it is of has an eighth to a quarter of that.
SIDE = 56


class Staged(Protocol):
    """A network in three parts, as `assistant.vision.network.FilmNet` is."""

    def early(self, films: Tensor) -> Tensor:
        """Return the maps before the last stage, (N, C, h, w)."""
        ...

    def late(self, maps: Tensor) -> Tensor:
        """Return the last stage's maps."""
        ...

    def classify(self, maps: Tensor) -> Tensor:
        """Return the logits, (N,) or (N, K)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Cam:
    """Logits and maps of a batch.

    Attributes:
        logits: (N,) or (N, K), as the network's forward pass gives them.
        heat: (M, SIDE, SIDE) in [0, 1], of the M films that were mapped: what speaks for the label,
            each film's peak 1; all 0 where nothing does.
    """

    logits: Tensor
    heat: Tensor


def cam(
    network: Staged,
    batch: Tensor,
    place: int | Callable[[Tensor], int] = 1,
    mapped: int | None = None,
) -> Cam:
    """Return logits and maps of a batch: Grad-CAM of the stage before the last.

    Grad-CAM (Selvaraju et al. 2017): feature maps weighted by the mean slope of the label's score and
    summed, negative parts left out. Of the last stage it would have half the cells a side.

    Args:
        network: its three parts; its weights need no gradients.
        batch: (N, 1, H, W).
        place: number of the label that is explained, 0 or 1 for a network of one logit; or a
            function that picks it from the logits.
        mapped: map the first so many films of the batch only, which costs that much less; None for
            all of them.

    Raises:
        ModelError: if the last stage's output doesn't depend on what it is given.
    """
    # Tensors of inference mode can't be differentiated, whoever calls.
    with torch.inference_mode(mode=False):
        with torch.no_grad():
            maps = network.early(batch.clone() if batch.is_inference() else batch)
            count = len(maps) if mapped is None else mapped
            rest = [network.classify(network.late(maps[count:]))] if count < len(maps) else []
        with torch.enable_grad():
            given = maps[:count].detach().requires_grad_()
            first = network.classify(network.late(given))
            logits = torch.cat([first.detach(), *rest])
            chosen = place if isinstance(place, int) else place(logits)
            slopes = _slopes(margin(first, chosen).sum(), given)
        with torch.no_grad():
            heat = _weighted(given, slopes)
    return Cam(logits, heat)


def _slopes(score: Tensor, given: Tensor) -> Tensor:
    """Return how the score changes with what the last stage was given."""
    if score.requires_grad:
        (slopes,) = torch.autograd.grad(score, given, allow_unused=True)
        if slopes is not None:
            return slopes
    raise ModelError("No gradient reached the feature maps: the network was changed.")


def margin(logits: Tensor, place: int) -> Tensor:
    """Return by how much the label at `place` leads, (N,): its logit, less the other's of two."""
    if logits.ndim == 1:
        return logits if place == 1 else -logits
    if logits.shape[1] == 2:
        return logits[:, place] - logits[:, 1 - place]
    return logits[:, place]


def _weighted(maps: Tensor, slopes: Tensor) -> Tensor:
    """Return the weighted sum of maps, enlarged, without its negative part, peak 1."""
    heat = (maps.float() * slopes.float().mean((2, 3), keepdim=True)).sum(1, keepdim=True)
    heat = functional.interpolate(heat.relu(), (SIDE, SIDE), mode="bicubic", align_corners=False)
    heat = heat.clamp_min(0)[:, 0]
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(1e-6)
