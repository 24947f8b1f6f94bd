"""What `support` and `verdict` share: pairs with a class, their loss, and how a head is solved.

A comparer of claims with texts is trained by gradient steps (`_encoder_classes_first`). For a task's own
few hundred pairs these would overfit: the comparer stays as it is, and the last linear layer over
its scores and the plain cues is solved for, with a strong penalty. Knows nothing of what the
classes mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from finetune._encoder_classes_sources import Example
from finetune._encoder_rerank import pad
from finetune._softmax import solve
from retrieval import _cues
from retrieval.encoder import Encoder, Tokens

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

CLASSES = 3
SMOOTHING = 0.05
PREDICTED_TOKENS = 6000
Floats = NDArray[np.float64]


class Classes:
    """Pairs with a class, tokenised once.

    Attributes:
        examples: what is trained on.
        cued: whether the head sees the plain cues; the comparer is trained without.
    """

    def __init__(
        self, encoder: Encoder, recipe: Recipe, examples: Sequence[Example], *, cued: bool = True
    ) -> None:
        """Tokenise the examples."""
        self.recipe = recipe
        self.examples = list(examples)
        self.bank = Bank(encoder, recipe.max_tokens, cued=cued)
        self.bank.add(self.examples)
        balance = float(recipe.options.get("balance", 0.0))
        counts = np.bincount([e.label for e in self.examples], minlength=CLASSES) + 1.0
        self.weights = torch.tensor((counts.mean() / counts) ** balance, dtype=torch.float32)

    def batches(self, rng: np.random.Generator) -> list[list[int]]:
        """Return an epoch's batches: pairs of similar length together, batches shuffled."""
        lengths = np.array([len(self.bank.tokens(e).ids) for e in self.examples])
        order = np.argsort(lengths + rng.uniform(0, 16, size=len(lengths)))
        out: list[list[int]] = []
        now: list[int] = []
        longest = 0
        for index in order.tolist():
            longest = max(longest, int(lengths[index]))
            if now and (len(now) + 1) * longest > self.recipe.batch_tokens:
                out.append(now)
                now, longest = [], int(lengths[index])
            now.append(index)
        if now:
            out.append(now)
        return [out[i] for i in rng.permutation(len(out))]

    def loss(self, model: AdapterModel, batch: list[int]) -> Tensor:
        """Return the batch's mean cross-entropy, classes weighted by their rarity."""
        chosen = [self.examples[i] for i in batch]
        logits = self._logits(model, chosen)
        labels = torch.tensor([e.label for e in chosen])
        weight = self.weights[labels]
        each = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=SMOOTHING)
        return (each * weight).sum() / weight.sum()

    def _logits(self, model: AdapterModel, chosen: Sequence[Example]) -> Tensor:
        hidden, mask, types = _hidden(model, self.bank, chosen)
        cues = torch.from_numpy(self.bank.cues(chosen)).to(hidden.device)
        return model.head(hidden, mask, types, cues).cpu()

    def validate(self, model: AdapterModel) -> float:
        """Return 0: the number of steps is fixed, and the last weights are kept."""
        return 0.0


class Bank:
    """Tokens and cues of pairs, made once for each."""

    def __init__(self, encoder: Encoder, max_tokens: int, *, cued: bool = True) -> None:
        """Start empty."""
        self.encoder = encoder
        self.max_tokens = max_tokens
        self.cued = cued
        self._tokens: dict[tuple[str, str], Tokens] = {}
        self._cues: dict[tuple[str, str], NDArray[np.float32]] = {}

    def add(self, examples: Sequence[Example]) -> None:
        """Tokenise pairs that are not yet there."""
        new = list(dict.fromkeys((e.first, e.second) for e in examples))
        new = [key for key in new if key not in self._tokens]
        items = self.encoder.tokenize([a for a, _ in new], [b for _, b in new], self.max_tokens)
        for key, item in zip(new, items, strict=True):
            self._tokens[key] = item
            if self.cued:
                self._cues[key] = _cues.cues(*key)

    def tokens(self, example: Example) -> Tokens:
        """Return a pair's tokens."""
        return self._tokens[example.first, example.second]

    def cues(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Return the pairs' cues, float32 (pairs, cues); zeros where they are left out."""
        if not self.cued:
            return np.zeros((len(examples), _cues.CUES), dtype=np.float32)
        return np.stack([self._cues[e.first, e.second] for e in examples])


def _hidden(
    model: AdapterModel, bank: Bank, examples: Sequence[Example]
) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask, types = (t.to(model.device) for t in pad([bank.tokens(e) for e in examples]))
    return model.hidden(ids, mask, types), mask, types


def readings(model: AdapterModel, bank: Bank, examples: Sequence[Example]) -> Floats:
    """Return what the last layer is solved over: logits, likenesses and cues, a row a pair."""
    bank.add(examples)
    plain = bank.cues(examples).astype(np.float64)
    out = np.zeros((len(examples), CLASSES + 2 + plain.shape[1]))
    out[:, CLASSES + 2 :] = plain
    order = sorted(range(len(examples)), key=lambda i: len(bank.tokens(examples[i]).ids))
    at = 0
    while at < len(order):
        longest = len(bank.tokens(examples[order[min(at + 63, len(order) - 1)]]).ids)
        rows = order[at : at + max(1, min(64, PREDICTED_TOKENS // longest))]
        with torch.no_grad():
            hidden, mask, types = _hidden(model, bank, [examples[i] for i in rows])
            deep, likeness = model.head.read(hidden, mask, types)
        out[rows, : CLASSES + 2] = torch.cat([deep, likeness], dim=1).double().cpu().numpy()
        at += len(rows)
    return out


def solved(found: Floats, truth: NDArray[np.int64], recipe: Recipe) -> tuple[Floats, Floats]:
    """Return the weights (readings, classes) and constants (classes,) of the last layer.

    Args:
        found: the readings of the pairs.
        truth: their classes.
        recipe: its options "penalty" (of the squared weights) and "balance" (exponent of a class'
            rarity in its weight).
    """
    counts = np.bincount(truth, minlength=CLASSES) + 1.0
    balance = float(recipe.options.get("balance", 0.0))
    weight = (counts.mean() / counts)[truth] ** balance
    return solve(found, truth, CLASSES, float(recipe.options["penalty"]), weight)


def take(model: AdapterModel, weights: Floats, constants: Floats) -> None:
    """Put a solved last layer into the model's head: the same logits from the same texts."""
    deep, plain = (torch.from_numpy(part.T.copy()).float() for part in np.split(weights, [CLASSES]))
    head = model.head
    with torch.no_grad():
        outer, offset = head.outer.weight.cpu().clone(), head.outer.bias.cpu().clone()
        head.outer.weight.copy_(deep @ outer)
        head.outer.bias.copy_(deep @ offset)
        head.skip.weight.copy_(plain)
        head.skip.bias.copy_(torch.from_numpy(constants).float())


def predict(model: AdapterModel, bank: Bank, examples: Sequence[Example]) -> Floats:
    """Return the log-probabilities of the model as it is (examples, classes)."""
    found = readings(model, bank, examples)
    skip = model.head.skip
    weights, constants = (t.detach().double().cpu().numpy() for t in (skip.weight, skip.bias))
    return normal(found[:, :CLASSES] + found[:, CLASSES:] @ weights.T + constants)


def normal(logits: Floats) -> Floats:
    """Return log-probabilities of logits (rows, classes)."""
    top = logits - logits.max(1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(1, keepdims=True)), dtype=np.float64)


def freeze(model: AdapterModel, frozen: int) -> None:
    """Let only the blocks from `frozen` on, and the head, learn."""
    model.first = max(frozen, min(_blocks(model)))
    for name, parameter in model.bert.named_parameters():
        if "lora_" in name:
            parameter.requires_grad_(_block(name) >= frozen)


def _blocks(model: AdapterModel) -> set[int]:
    return {_block(name) for name, _ in model.bert.named_parameters() if "lora_" in name}


def _block(name: str) -> int:
    return int(name.split("encoder.layer.")[1].split(".")[0])


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration."""
    return {
        "kind": "classes",
        "width": encoder.width,
        "classes": CLASSES,
        "cues": _cues.CUES,
        "hidden": recipe.hidden,
    }
