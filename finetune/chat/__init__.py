"""LoRA on chat models: a recipe and a file of dialogues in, an adapter with its card out.

`train` is the whole of it; `finetune.chat.preview` shows the first sample before anything is
trained, `finetune.chat.export` merges the result into its base.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune.progress import Report


# Each has `prepare(recipe, data) -> session.Prepared`: data read and rendered, the model loaded.
_MODULES = {"chat": "instruct", "preference": "preference", "image_chat": "image_text"}


def train(
    recipe: ChatRecipe,
    out: Path,
    run_dir: Path,
    report: Report | None = None,
    *,
    data: Path | None = None,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train the recipe's adapter and write it with its card; goes on from an earlier checkpoint.

    Args:
        recipe: what to train.
        out: the adapter's folder; an adapter that stands there is replaced in one move.
        run_dir: folder of the checkpoints.
        report: called after every step.
        data: folder that the recipe's files are looked for in first.
        fresh: begin anew instead of going on.

    Returns:
        The card's `results`.

    Raises:
        InputError: if the data can't be used.
        ModelError: if the base can't be used.
        ConfigError: if the recipe asks for what this machine lacks.
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    from importlib import import_module

    import torch

    from finetune.chat import model, session

    model.place()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    made = import_module(f"finetune.chat.{_MODULES[recipe.task]}").prepare(recipe, data)
    return session.run(made, recipe, out, run_dir, report, fresh=fresh)
