"""What a recipe makes before anything is learned: its network, its length, and its card's account.

Knows nothing of data, loops or files beyond the weights that a network may start from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from retrieval.errors import ModelError

if TYPE_CHECKING:
    from finetune.image.recipe import ImageRecipe


def architecture(recipe: ImageRecipe) -> dict[str, Any]:
    """Return what a card says of the network, for `assistant.vision.networks.build`."""
    outputs = 1 if len(recipe.labels) == 2 else len(recipe.labels)
    out: dict[str, Any] = {"kind": recipe.network, "side": recipe.side, "outputs": outputs}
    if recipe.network == "seed":
        return out
    out |= {"blocks": list(recipe.blocks), "normalise": recipe.normalise}
    if recipe.network == "densenet":
        return {**out, "widths": [recipe.widths[0]], "growth": recipe.growth}
    return {**out, "widths": list(recipe.widths), "deep": recipe.deep}


def build(recipe: ImageRecipe) -> Any:
    """Return the recipe's untrained network; its weights depend on the seed alone."""
    from assistant.vision import networks

    torch.manual_seed(recipe.seed)
    network = networks.build(architecture(recipe))
    network.drop.p = recipe.dropout
    return network.to(memory_format=torch.channels_last)


def start(network: nn.Module, folder: Path) -> None:
    """Put the weights of a trained classifier in; the last layer only where it has as many classes.

    Raises:
        ModelError: if its trunk is another.
    """
    from assistant.vision import weights

    own = network.state_dict()
    theirs = weights.load(folder).tensors
    fitting = {k: v for k, v in theirs.items() if k in own and v.shape == own[k].shape}
    lacking = [k for k in own if k not in fitting and not k.startswith("head.")]
    if lacking:
        raise ModelError(f"{folder} has another trunk ({lacking[0]} doesn't fit): mend start.")
    network.load_state_dict({**own, **fitting})


def digest(network: nn.Module) -> str:
    """Return a digest of the weights that a training starts from."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}{float(value.double().sum()):.4g}".encode())
    return digest.hexdigest()[:16]


def steps(recipe: ImageRecipe, count: int) -> int:
    """Return how many steps a recipe takes on `count` pictures."""
    whole = max(1, count // recipe.batch) * recipe.epochs
    return min(whole, recipe.steps) if recipe.steps else whole


def use_bf16(precision: str) -> bool:
    """Return whether passes run in bfloat16: as told, or for "auto" where the hardware has it."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def described(recipe: ImageRecipe) -> Mapping[str, Any]:
    """Return the recipe for a card: without paths of a machine, and what decides nothing."""
    found = recipe.model_dump(mode="json", exclude={"search", "gate", "licence", "limits"})
    found["distil"]["teachers"] = [Path(name).name for name in recipe.distil.teachers]
    for block, key in ((found, "out_of_fold"), (found["distil"], "logits")):
        block[key] = Path(block[key]).name if block[key] else None
    found["start"] = Path(recipe.start).name if recipe.start else None
    blocks = (*found["external"], *found["extra"], *found["pretrain"]["extra"])
    for block in (found["data"], *blocks):
        block["index"] = Path(block["index"]).name
    return found
