"""An encoder task on files of one's own instead of the public sets.

The formats are those that `finetune.validation` checks beforehand: `entities` rows with a text and
spans, `rerank` rows with a question and texts of which the first answers. What else a task needs is
in its own module. Knows nothing of training.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import _validation_read as reading
from finetune import _validation_sources as sources

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe
    from retrieval.encoder import Encoder

# Tasks that are built here; others read `recipe.data` themselves, or public sets only.
TASKS = ("entities", "rerank")


def build(recipe: Recipe, encoder: Encoder, data: Path | None) -> Any:
    """Return the recipe's task on the files that its `data` block names.

    Raises:
        InputError: if a file is missing or damaged.
    """
    found = {source.part: source.path for source in sources.of(recipe, data)}
    if recipe.task == "entities":
        from finetune import _encoder_entities as entities
        from finetune._encoder_entities_data import read

        names = entities.labels(recipe)
        parts = [read(found[part], labels=names) for part in ("train", "validation")]
        return entities.Entities(encoder, recipe, *parts)
    from finetune import _encoder_rerank as rerank

    return rerank.Rerank(encoder, recipe, _groups(found["train"]), _groups(found["validation"]))


def describe(card: dict[str, Any], recipe: Recipe, data: Path | None) -> None:
    """Put the files' names into a card in place of the public sets'."""
    named = {source.part: source.path.name for source in sources.of(recipe, data)}
    licence = recipe.licence or "not stated"
    card["training_data"] = [{"name": named["train"], "licence": licence}]
    if recipe.task == "rerank":
        card["results"]["measured_on"] = f"{named['validation']}, which also chose the step"


def _groups(path: Path) -> list[Any]:
    from finetune._encoder_pairs import Group

    return [Group("own", row["question"], tuple(row["texts"])) for _, row in reading.rows(path)]
