"""What a training of pictures would do, shown without training: data, memory, the first batch.

Memory is measured, not guessed: one picture goes through the network, and what the backward pass
would keep of it is counted. Knows nothing of the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune import memory, validation
from finetune._memory_types import Memory

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe, ToolRecipe


def run(recipe: ImageRecipe | ToolRecipe, data: Path | None, say: Callable[[str], None]) -> int:
    """Check the data, estimate memory, describe the first batch; train nothing; return 0.

    Args:
        recipe: of an image task.
        data: the data folder.
        say: writes text for the user.

    Raises:
        InputError: if the data can't be used.
    """
    from finetune.image import data as pictures
    from finetune.image import report
    from finetune.image.recipe import ImageRecipe

    found = report.check(recipe, data)
    labels = ", ".join(f"{name} {found.counts[f'label {name}']:,}" for name in recipe.data.classes)
    say(f"== Data\n{validation.table(found)}labels: {labels}\n\n")
    films = pictures.of(recipe, data)
    if isinstance(recipe, ImageRecipe):
        say(f"== Memory\n{memory.table(estimate(recipe, films))}\n")
    found.enforce()
    if isinstance(recipe, ImageRecipe):
        say(f"== First batch\n{_first(recipe, pictures.split(films, recipe)['train'])}\n")
    say("\nNothing was trained: leave out --dry-run to train.\n")
    return 0


def estimate(recipe: ImageRecipe, films: Films) -> Memory:
    """Return the memory that a training takes at its peak on one device."""
    import os

    import torch

    from finetune.image import make

    network = make.build(recipe).train()
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    kept = _kept(recipe, network)
    devices = max(1, int(os.environ.get("WORLD_SIZE", "1") or 1))
    each = -(-recipe.batch // devices)
    views = 2 if recipe.pretrain.method != "none" else 1
    parts = {
        "weights": weights,
        "gradients": weights,
        "optimiser": 2 * weights,
        "copies": 3 * weights,
        "activations": kept * each * views,
        "workspace": films.pixels.nbytes + each * recipe.store**2 * 4 * 6,
    }
    cuda = torch.cuda.is_available()
    assumes = (
        f"{recipe.batch} pictures a step at side {recipe.side}, {len(films):,} in memory "
        f"({films.pixels.nbytes >> 20} MiB, counted as workspace)",
    )
    return Memory(parts, devices, "GPU" if cuda else "CPU", assumes)


def _kept(recipe: ImageRecipe, network: object) -> int:
    """Return the bytes that a backward pass keeps for one picture."""
    import torch

    from finetune.image import make

    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        store = tensor.untyped_storage()
        seen[store.data_ptr()] = store.nbytes()
        return tensor

    films = torch.rand(2, 1, recipe.side, recipe.side)
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}  # type: ignore[attr-defined]
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=make.use_bf16(recipe.precision)),
    ):
        kept = network(films)  # type: ignore[operator]
    total = sum(size for place, size in seen.items() if place not in own)
    del kept
    return total // len(films)


def _first(recipe: ImageRecipe, films: Films) -> str:
    """Return what the first step would show the network, in words."""
    import torch

    from finetune.image.lesson import Supervised

    lesson = Supervised(films, recipe, 1, torch.device("cpu"))
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003)
    rows = lesson.draw(generator)
    views = lesson.views(rows, generator, lesson.side(0)).numpy()
    lines = [
        f"{len(rows)} views of {views.shape[-1]} by {views.shape[-1]} pixels, "
        f"values {views.min():.2f} to {views.max():.2f}"
    ]
    for row, view, target in list(zip(rows, views, lesson.targets(rows), strict=True))[:3]:
        told = ", ".join(
            f"{name} {share:.3f}"
            for name, share in zip(recipe.labels, target.tolist(), strict=True)
        )
        mean = float(np.mean(view))
        lines.append(f"line {films.lines[row]}: mean grey {mean:.2f}, to learn: {told}")
    return "\n".join(lines) + "\n"
