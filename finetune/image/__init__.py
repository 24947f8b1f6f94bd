"""Training of image models: classifiers, the gate before them, and a model of synthetic pictures.

`train` is the one way in for the command line, the search and the tests; docs/image-training.md says
how recipes are written. `python -m finetune.image.crossval` compares recipes by cross-validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.progress import Report

# Each has `train(recipe, data, out, run, report, *, fresh) -> results`.
_MODULES = {"image": "trainer", "image_gate": "gate", "image_samples": "samples"}


def train(
    recipe: Any,
    data: Path | None,
    out: Path,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train a recipe's image model and write it with its card; goes on from an earlier checkpoint.

    Args:
        recipe: an `ImageRecipe` or a `ToolRecipe`.
        data: folder that the recipe's files are looked for in first.
        out: the model's folder.
        run: folder of checkpoints.
        report: called after every step.
        fresh: begin anew instead of going on.

    Returns:
        The card's `results`.

    Raises:
        InputError: if the data can't be used.
        ConfigError: if the recipe asks for what this machine lacks.
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    from importlib import import_module

    module = import_module(f"finetune.image.{_MODULES[recipe.task]}")
    found: dict[str, Any] = module.train(recipe, data, out, run, report, fresh=fresh)
    return found
