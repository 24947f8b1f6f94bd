"""A prepared training from its first step to the adapter's folder: the loop, then the card.

What every task shares once its data are read and its model stands. Knows nothing of what is
learned.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from finetune.chat import loop

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.data import Dataset
    from finetune.chat.model import Parts
    from finetune.chat.render import Counts
    from finetune.chat.scoring import Scorer
    from finetune.progress import Report

# What may differ between a run and the one that goes on from its checkpoint: paths (the digests
# count), and what changes no step.
ASIDE = {
    "name", "base", "data", "gate", "search", "licence", "language", "allow_personal_data",
    "allow_leakage", "threads", "keep", "checkpoint_every",
}  # fmt: skip


class Task(loop.Task, Protocol):
    """What a task has beside what the loop asks of it.

    Attributes:
        scorer: its hooks in the model, to be taken away at the end.
        processes: how many take part.
    """

    scorer: Scorer
    processes: int

    def figures(self, loss: float) -> dict[str, float]:
        """Return what the card says beside the least validation loss, which is given."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """A training that is ready to begin.

    Attributes:
        parts: the model with its fresh adapter.
        task: what is learned.
        dataset: what was read.
        counts: what became of the training and of the validation data.
    """

    parts: Parts
    task: Task
    dataset: Dataset
    counts: tuple[Counts, Counts]


def run(
    made: Prepared,
    recipe: ChatRecipe,
    out: Path,
    folder: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train, write the adapter with its card, and return the card's `results`.

    Args:
        made: what is trained.
        recipe: what it was told.
        out: the adapter's folder.
        folder: of the checkpoints.
        report: called after every step.
        fresh: begin anew.

    Raises:
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    from finetune.chat import adapter

    began = time.monotonic()
    state, best = loop.train(made.parts, made.task, recipe, folder, report, fresh=fresh)
    results = {
        "validation_loss": state.best,
        "best_step": state.best_step,
        **made.task.figures(state.best),
    }
    made.task.scorer.close()
    card = {
        "training_data": {
            "format": made.dataset.format,
            "licence": recipe.data.licence,
            "files": [{"name": name, "sha256": digest} for name, digest in made.dataset.files],
            "train": asdict(made.counts[0]),
            "validation": asdict(made.counts[1]),
        },
        "results": results,
        "training": {
            "steps": state.step,
            "tokens": state.tokens,
            "minutes": round((time.monotonic() - began) / 60, 2),
            "processes": made.task.processes,
            "precision": "bf16" if made.parts.bf16 else "fp32",
            "history": [list(entry) for entry in state.history],
        },
    }
    adapter.save(made.parts, recipe, best, card, out)
    return results
