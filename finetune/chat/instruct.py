"""Instruction tuning from a recipe to an adapter's folder: data, model, loop, card.

Every process of `accelerate launch` runs the same; only the main one writes. Knows nothing of how
dialogues are read or rendered beyond calling what does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.errors import InputError
from finetune.chat import batches, render
from finetune.chat.batches import Micro, Step

if TYPE_CHECKING:
    from torch import Tensor

    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.data import Dataset
    from finetune.chat.model import Parts
    from finetune.chat.session import Prepared

log = logging.getLogger(__name__)


class Instruct:
    """The task of the loop: foretell the assistant's tokens."""

    def __init__(
        self,
        parts: Parts,
        recipe: ChatRecipe,
        train: Sequence[render.Sample],
        held: Sequence[render.Sample],
    ) -> None:
        """Put the loss in place.

        Args:
            parts: the model.
            recipe: sizes and seed.
            train: samples to train on.
            held: samples to select the best step on.
        """
        from finetune import _fingerprint
        from finetune.chat import model
        from finetune.chat.scoring import Scorer
        from finetune.chat.session import ASIDE

        place = model.place()
        self.device, self.processes = place.device, place.num_processes
        self.recipe, self.train, self.held = recipe, train, held
        self.scorer = Scorer(parts.model, recipe.neftune)
        self._made_of = {
            "recipe": recipe.model_dump(mode="json", exclude=ASIDE),
            "data": _fingerprint.of([[s.ids, s.said] for s in (*train, *held)]),
            "base": parts.digest,
            "processes": self.processes,
        }

    def plan(self, epoch: int) -> Sequence[Step]:
        """Return an epoch's steps."""
        recipe = self.recipe
        one = recipe.micro_tokens or max(recipe.max_tokens, recipe.batch_tokens // self.processes)
        made = self._micros(self.train, one, np.random.default_rng([recipe.seed, epoch]))
        return batches.steps(made, max(self.processes, recipe.batch_tokens // one))

    def loss(self, model: Any, micro: Micro) -> Tensor:
        """Return the summed cross-entropy of a micro-batch; of the held samples where it is one."""
        source = self.train if model.training else self.held
        chosen = [source[i] for i in micro.items]
        batch = batches.collate(chosen, self.device, packed=self.recipe.packing)
        return self.scorer.loss(model, batch)

    def validation(self) -> Sequence[Micro]:
        """Return the held samples in micro-batches."""
        recipe = self.recipe
        most = recipe.micro_tokens or max(recipe.max_tokens, recipe.batch_tokens // self.processes)
        return self._micros(self.held, most, np.random.default_rng(recipe.seed))

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with."""
        return self._made_of

    def figures(self, loss: float) -> dict[str, float]:
        """Return the perplexity of a mean validation loss."""
        return {"validation_perplexity": math.exp(min(loss, 700.0))}

    def _micros(
        self, samples: Sequence[render.Sample], most: int, rng: np.random.Generator
    ) -> list[Micro]:
        lengths, weights = [len(s.ids) for s in samples], [s.weight for s in samples]
        return batches.micros(lengths, weights, most, rng, packed=self.recipe.packing)


def prepare(recipe: ChatRecipe, data: Path | None) -> Prepared:
    """Return an instruction tuning that is ready to begin.

    Raises:
        InputError: if the data can't be used.
        ModelError: if the base can't be used.
        ConfigError: if the recipe asks for what this machine lacks.
    """
    from finetune.chat import model
    from finetune.chat.session import Prepared

    model.check(recipe)
    dataset, tokenizer = _read(recipe, data), model.tokenizer(recipe.base)
    sides, counts = _render(recipe, dataset, tokenizer)
    parts = model.load(recipe)
    return Prepared(parts, Instruct(parts, recipe, *sides), dataset, counts)


def _read(recipe: ChatRecipe, folder: Path | None) -> Dataset:
    from finetune.chat import data

    return data.load(recipe.data, folder)


def _render(
    recipe: ChatRecipe, dataset: Dataset, tokenizer: Any
) -> tuple[tuple[list[render.Sample], list[render.Sample]], tuple[render.Counts, render.Counts]]:
    sides, counts = [], []
    for name, side in (("train", dataset.train), ("validation", dataset.validation)):
        made, count = render.samples(tokenizer, side, recipe.max_tokens)
        log.info("%s: %s", name, count.said())
        if not made:
            raise InputError(
                f"No sample of the {name} data is left to learn from: check data.{name} and its "
                "format."
            )
        sides.append(made)
        counts.append(count)
    return (sides[0], sides[1]), (counts[0], counts[1])
