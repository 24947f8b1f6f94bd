"""Runs a recipe: the right trainer, its checkpoints, and what is written beside the adapter.

The one way into training for the command line, the search and the tests. Knows nothing of how a
model learns, nor of terminals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import cards, memory, validation
from finetune.recipe import CHAT_TASKS, IMAGE_TASKS

if TYPE_CHECKING:
    from finetune.progress import Report
    from finetune.recipe import AnyRecipe


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished training.

    Attributes:
        adapter: folder with the adapter, its card and the data report.
        results: the card's measured figures.
        seconds: how long it took, checks included.
    """

    adapter: Path
    results: Mapping[str, Any]
    seconds: float


def run(
    recipe: AnyRecipe,
    *,
    data: Path | None,
    out: Path,
    run_dir: Path,
    report: Report | None = None,
    fresh: bool = False,
    checked: validation.DataReport | None = None,
) -> RunResult:
    """Check the data, train the recipe's adapter, and write it with card and data report.

    Args:
        recipe: what to train.
        data: the data folder, where relative paths are looked for first; None if there is none.
        out: the adapter's folder.
        run_dir: folder of checkpoints and caches; a run that was interrupted goes on from there.
        report: called after every step.
        fresh: begin anew instead of going on.
        checked: the data's report where the checks were made already.

    Raises:
        InputError: if the data can't be read or has errors.
        ConfigError, ModelError: if the recipe asks for what can't be had.
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    started = time.monotonic()
    main = is_main_process()
    if checked is None and main:
        checked = validation.check(recipe, data)
    if checked is not None:
        checked.enforce()
    _import(recipe.task)
    with memory.watch() as watched:
        results = _train(recipe, data, out, run_dir, report, fresh=fresh)
    if main and checked is not None:
        cards.complete(out, recipe, checked, {"peak_memory_bytes": watched.peak})
    return RunResult(out, results, time.monotonic() - started)


def _train(
    recipe: AnyRecipe,
    data: Path | None,
    out: Path,
    run_dir: Path,
    report: Report | None,
    *,
    fresh: bool,
) -> Mapping[str, Any]:
    if recipe.task in CHAT_TASKS:
        from finetune import chat

        chats: Any = recipe
        return chat.train(chats, out, run_dir / recipe.name, report, data=data, fresh=fresh)
    if recipe.task in IMAGE_TASKS:
        from finetune import image

        return image.train(recipe, data, out, run_dir, report, fresh=fresh)
    from finetune import encoder

    plain: Any = recipe
    return encoder.train(plain, data, out, run_dir, report, fresh=fresh)


def _import(task: str) -> None:
    """Load the libraries, so that their code doesn't count as memory of the training."""
    from importlib import import_module

    names = ("torch", "accelerate")
    for name in names if task in IMAGE_TASKS else (*names, "transformers", "peft"):
        import_module(name)


def is_main_process() -> bool:
    """Whether this process is the only one, or the first of those that accelerate has started."""
    return int(os.environ.get("RANK", "0") or 0) == 0


def processes() -> int:
    """Return how many processes train together."""
    return max(1, int(os.environ.get("WORLD_SIZE", "1") or 1))
