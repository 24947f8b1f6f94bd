"""Preference tuning: of two answers to one prompt the better becomes likelier than the worse.

Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) on the loop that tunes
instructions. The reference is the base itself, its adapter switched off, so no second model is in
memory. Options of a recipe: `beta`, how far the model may move; `smoothing`, the share of pairs
that are taken to be marked the wrong way round (Mitchell 2023, "cDPO"); `anchor`, the weight of the
better answer's own loss, which keeps it from becoming unlikely too (Pang et al. 2024,
arXiv:2404.19733). Knows nothing of who preferred what.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import ConfigError, InputError
from finetune.chat import batches, render
from finetune.chat.batches import Micro, Step
from finetune.chat.render import Counts, Sample

if TYPE_CHECKING:
    from torch import Tensor

    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.data import Conversation
    from finetune.chat.model import Parts
    from finetune.chat.session import Prepared

log = logging.getLogger(__name__)
_ROWS = 2048


class Options(BaseModel):
    """What a recipe's `options` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    beta: float = Field(0.1, gt=0, description="Strength of the pull back to the base.")
    smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of the pairs taken to be marked the wrong way round."
    )
    anchor: float = Field(0.0, ge=0, description="Weight of the better answer's own loss a token.")


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Two answers to one prompt, as tokens.

    Attributes:
        chosen: the better.
        rejected: the worse.
    """

    chosen: Sample
    rejected: Sample

    @property
    def longest(self) -> int:
        """Tokens of the longer one."""
        return max(len(self.chosen.ids), len(self.rejected.ids))

    @property
    def tokens(self) -> int:
        """Tokens of both."""
        return len(self.chosen.ids) + len(self.rejected.ids)


class Prefer:
    """The task of the loop: tell the better answer from the worse."""

    def __init__(
        self, parts: Parts, recipe: ChatRecipe, train: Sequence[Pair], held: Sequence[Pair]
    ) -> None:
        """Put the loss in place.

        Args:
            parts: the model; with its adapter switched off it is the reference.
            recipe: sizes, seed and options.
            train: pairs to train on.
            held: pairs to select the best step on.

        Raises:
            ConfigError: if an option is unknown or out of range.
        """
        from accelerate import PartialState

        from finetune import _fingerprint
        from finetune.chat.scoring import Scorer
        from finetune.chat.session import ASIDE

        place = PartialState()
        self.device, self.processes = place.device, place.num_processes
        self.parts, self.recipe, self.train, self.held = parts, recipe, train, held
        self.options = options(recipe)
        self.scorer = Scorer(parts.model, recipe.neftune)
        both = [s for pair in (*train, *held) for s in (pair.chosen, pair.rejected)]
        self._made_of = {
            "recipe": recipe.model_dump(mode="json", exclude=ASIDE),
            "data": _fingerprint.of([[s.ids, s.said] for s in both]),
            "base": parts.digest,
            "processes": self.processes,
        }

    def plan(self, epoch: int) -> Sequence[Step]:
        """Return an epoch's steps."""
        made = self._micros(self.train, np.random.default_rng([self.recipe.seed, epoch]))
        return batches.steps(made, max(self.processes, self.recipe.batch_tokens // self._most))

    def validation(self) -> Sequence[Micro]:
        """Return the held pairs in micro-batches."""
        return self._micros(self.held, np.random.default_rng(self.recipe.seed))

    def loss(self, model: Any, micro: Micro) -> Tensor:
        """Return the summed loss of a micro-batch's pairs; of held ones outside training."""
        source = self.train if model.training else self.held
        policy, reference, lengths = self._sums(model, [source[i] for i in micro.items])
        found = pair_losses(policy, reference, self.options.beta, self.options.smoothing)
        if self.options.anchor:
            found = found - self.options.anchor * (policy / lengths)[: len(found)]
        return found.sum()

    def figures(self, loss: float) -> dict[str, float]:
        """Return how often and how far the held pairs' better answer is preferred.

        Args:
            loss: the least validation loss, which the card has already.

        Returns:
            `validation_accuracy`: share of the pairs whose better answer gained more over the base
            than the worse; `validation_margin`: mean difference of the gains, times beta, in nats.
        """
        import torch

        del loss
        model, margins = self.parts.model, []
        model.eval()
        with torch.no_grad(), self.parts.autocast(self.device):
            for micro in self.validation():
                policy, reference, _ = self._sums(model, [self.held[i] for i in micro.items])
                margins += (self.options.beta * gains(policy, reference)).tolist()
        return {
            "validation_accuracy": float(np.mean([margin > 0 for margin in margins])),
            "validation_margin": float(np.mean(margins)),
        }

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with."""
        return self._made_of

    @property
    def _most(self) -> int:
        """Tokens of a micro-batch."""
        recipe = self.recipe
        return recipe.micro_tokens or max(recipe.max_tokens, recipe.batch_tokens // self.processes)

    def _micros(self, pairs: Sequence[Pair], rng: np.random.Generator) -> list[Micro]:
        packed = self.recipe.packing
        areas = [pair.tokens if packed else 2 * pair.longest for pair in pairs]
        made = batches.micros(areas, [1] * len(pairs), self._most, rng, packed=packed)
        return [replace(m, tokens=sum(pairs[i].tokens for i in m.items)) for m in made]

    def _sums(self, model: Any, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        """Return both models' log probabilities of the answers, chosen ones first, and lengths."""
        import torch

        samples = [*(p.chosen for p in pairs), *(p.rejected for p in pairs)]
        batch = batches.collate(samples, self.device, packed=self.recipe.packing)
        lengths = torch.tensor([s.weight for s in samples], device=self.device)
        training = model.training
        model.eval()  # the reference knows no dropout and no noise
        try:
            with torch.no_grad(), self.parts.model.disable_adapter():
                logits = self.scorer.logits(model, batch)
                reference = answer_sums(logits, batch.targets, lengths)
                del logits
        finally:
            model.train(training)
        policy = answer_sums(self.scorer.logits(model, batch), batch.targets, lengths)
        return policy, reference, lengths


def pair_losses(policy: Tensor, reference: Tensor, beta: float, smoothing: float = 0.0) -> Tensor:
    """Return each pair's loss (Rafailov et al. 2023, equation 7; with smoothing, Mitchell 2023).

    Args:
        policy: log probabilities of the answers, (2 pairs,) float32, chosen ones first.
        reference: those of the reference.
        beta: strength of the pull back to the reference, above 0.
        smoothing: in [0, 0.5).

    Returns:
        (pairs,) float32.
    """
    from torch.nn import functional

    logits = beta * gains(policy, reference)
    right, wrong = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    return -(1 - smoothing) * right - smoothing * wrong


def gains(policy: Tensor, reference: Tensor) -> Tensor:
    """Return how much more the chosen answers gained over the reference than the rejected ones.

    Args:
        policy: log probabilities of the answers, (2 pairs,), chosen ones first.
        reference: those of the reference.

    Returns:
        (pairs,) in nats.
    """
    chosen, rejected = (policy - reference).chunk(2)
    return chosen - rejected


def answer_sums(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Return the log probability of each answer, summed over its tokens.

    Blocks are computed anew in the backward pass, so that no float32 copy of all logits is kept.

    Args:
        logits: (tokens, vocabulary), answers one after the other.
        targets: (tokens,) int64.
        lengths: tokens of each answer, (answers,) int64.

    Returns:
        (answers,) float32.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    each = [
        checkpoint(_log_probabilities, part, goal, use_reentrant=False)
        for part, goal in zip(logits.split(_ROWS), targets.split(_ROWS), strict=True)
    ]
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    sums = torch.zeros(len(lengths), dtype=torch.float32, device=logits.device)
    return sums.index_add(0, owner, torch.cat(each))


def _log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    from torch.nn import functional

    return -functional.cross_entropy(logits.float(), targets, reduction="none")


def options(recipe: ChatRecipe) -> Options:
    """Return a recipe's options.

    Raises:
        ConfigError: if one is unknown or out of range.
    """
    try:
        return Options(**recipe.options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Options.model_fields)
        raise ConfigError(f"options.{key}: {first['msg']}; preference takes {known}.") from None


def pairs(
    tokenizer: Any, conversations: Sequence[Conversation], max_tokens: int
) -> tuple[list[Pair], Counts]:
    """Return the pairs of conversations, and what became of them.

    Args:
        tokenizer: with a chat template.
        conversations: each ends in the better answer and has the worse one as `rejected`.
        max_tokens: that a prompt with an answer is cut to.

    Raises:
        InputError: if a conversation has no worse answer.
        ModelError: if the template can't write them.
    """
    out: list[Pair] = []
    total = Counts()
    for conversation in conversations:
        if not conversation.rejected:
            raise InputError(
                "Preference tuning needs the columns prompt, chosen and rejected; row "
                f"{conversation.row} has no rejected answer: export feedback, or set task to chat."
            )
        shown = [{**m, "weight": 0} for m in conversation.messages[:-1]]
        last = conversation.messages[-1]
        made: list[Sample] = []
        for answer in (last["content"], conversation.rejected):
            turns = (*shown, {**last, "content": answer})
            found, counts = render.samples(
                tokenizer, [replace(conversation, messages=turns)], max_tokens
            )
            made += found[-1:]
            _add(total, counts)
        if len(made) == 2:
            out.append(Pair(*made))
    total.conversations = len(conversations)
    total.unlearnable = len(conversations) - len(out)
    return out, total


def _add(total: Counts, more: Counts) -> None:
    for field in fields(Counts):
        a, b = getattr(total, field.name), getattr(more, field.name)
        setattr(total, field.name, max(a, b) if field.name == "longest" else a + b)


def prepare(recipe: ChatRecipe, data: Path | None) -> Prepared:
    """Return a preference tuning that is ready to begin.

    Raises:
        InputError: if the data can't be used.
        ModelError: if the base can't be used.
        ConfigError: if an option is wrong.
    """
    from finetune.chat import data as sources
    from finetune.chat import model
    from finetune.chat.session import Prepared

    options(recipe)
    model.check(recipe)
    dataset, tokenizer = sources.load(recipe.data, data), model.tokenizer(recipe.base)
    sides, counts = [], []
    for name, side in (("train", dataset.train), ("validation", dataset.validation)):
        made, count = pairs(tokenizer, side, recipe.max_tokens)
        log.info("%s: %s", name, count.said())
        if not made:
            raise InputError(
                f"No pair of the {name} data is left to learn from: check data.{name}."
            )
        sides.append(made)
        counts.append(count)
    parts = model.load(recipe)
    task = Prefer(parts, recipe, *sides)
    return Prepared(parts, task, dataset, (counts[0], counts[1]))
