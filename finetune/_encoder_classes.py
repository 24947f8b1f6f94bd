"""What `support` and `verdict` share: pairs with a class, their loss, and two stages of training.

First a general comparer of claims with texts is trained, once for both tasks, on what
`_encoder_classes_sources` makes; then the task's own few hundred pairs train the upper blocks alone,
whose input is computed once and kept. Fixed steps and a running mean of the weights, without any
choice on held-out pairs. Knows nothing of what the classes mean.
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
from retrieval import _claims
from retrieval.encoder import Encoder, Tokens

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

CLASSES = 3
SMOOTHING = 0.05
PREDICTED_TOKENS = 6000


class Classes:
    """Pairs with a class, tokenised once.

    Attributes:
        examples: what is trained on.
        frozen: blocks below this one stay as the first stage left them; 0 trains all.
    """

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        examples: Sequence[Example],
        frozen: int = 0,
        bank: Bank | None = None,
    ) -> None:
        """Tokenise the examples."""
        self.recipe = recipe
        self.examples = list(examples)
        self.frozen = frozen
        self.bank = bank or Bank(encoder, recipe.max_tokens)
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
        logits = logits_of(model, self.bank, chosen, self.frozen)
        labels = torch.tensor([e.label for e in chosen])
        weight = torch.tensor([e.weight for e in chosen]) * self.weights[labels]
        each = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=SMOOTHING)
        return (each * weight).sum() / weight.sum()

    def validate(self, model: AdapterModel) -> float:
        """Return 0: the number of steps is fixed, and the last weights are kept."""
        return 0.0


class Bank:
    """Tokens, cues and, once the lower blocks are fixed, their output; each pair once."""

    def __init__(self, encoder: Encoder, max_tokens: int) -> None:
        """Start empty."""
        self.encoder = encoder
        self.max_tokens = max_tokens
        self._tokens: dict[tuple[str, str], Tokens] = {}
        self._cues: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._lower: dict[tuple[str, str], Tensor] = {}

    def add(self, examples: Sequence[Example]) -> None:
        """Tokenise pairs that are not yet there."""
        new = list(dict.fromkeys((e.first, e.second) for e in examples))
        new = [key for key in new if key not in self._tokens]
        items = self.encoder.tokenize([a for a, _ in new], [b for _, b in new], self.max_tokens)
        for key, item in zip(new, items, strict=True):
            self._tokens[key] = item
            self._cues[key] = _claims.cues(*key)

    def tokens(self, example: Example) -> Tokens:
        """Return a pair's tokens."""
        return self._tokens[example.first, example.second]

    def cues(self, examples: Sequence[Example]) -> Tensor:
        """Return the pairs' cues, float32 (pairs, cues)."""
        return torch.from_numpy(np.stack([self._cues[e.first, e.second] for e in examples]))

    def lower(self, model: AdapterModel, examples: Sequence[Example], blocks: int) -> Tensor:
        """Return the output of the lower blocks (pairs, longest, width), computed at first need."""
        missing = [e for e in examples if (e.first, e.second) not in self._lower]
        if missing:
            ids, mask, types = pad([self.tokens(e) for e in missing])
            with torch.no_grad():
                hidden = _run(model.merged(), _embedded(model, ids, types), mask, 0, blocks)
            for row, example in enumerate(missing):
                length = len(self.tokens(example).ids)
                self._lower[example.first, example.second] = hidden[row, :length].clone()
        parts = [self._lower[e.first, e.second] for e in examples]
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


def _embedded(model: AdapterModel, ids: Tensor, types: Tensor) -> Tensor:
    bert = model.plain
    tables = bert.weights
    hidden = (
        functional.embedding(ids, tables["embeddings.word_embeddings.weight"])
        + tables["embeddings.position_embeddings.weight"][: ids.shape[1]]
        + functional.embedding(types, tables["embeddings.token_type_embeddings.weight"])
    )
    return bert._norm(hidden, "embeddings.LayerNorm")


def _run(bert: Any, hidden: Tensor, mask: Tensor, first: int, last: int) -> Tensor:
    """Run the blocks from `first` up to and without `last` by the pass that training has."""
    from finetune._encoder_forward import TrainingBert

    if not isinstance(bert, TrainingBert):
        bert = TrainingBert.of(bert, 0)
    attend = torch.zeros(mask.shape, dtype=bert.dtype)
    attend = attend.masked_fill(mask == 0, torch.finfo(bert.dtype).min)[:, None, None, :]
    for index in range(first, last):
        hidden = bert._layer(hidden, attend, f"encoder.layer.{index}.")
    return hidden


def logits_of(
    model: AdapterModel, bank: Bank, examples: Sequence[Example], frozen: int = 0
) -> Tensor:
    """Return the examples' logits, float32 (examples, classes), on the CPU."""
    ids, mask, types = pad([bank.tokens(e) for e in examples])
    cues = bank.cues(examples)
    if frozen and model.device.type == "cpu":
        hidden = bank.lower(model, examples, frozen)
        hidden = _run(model.training_pass(), hidden, mask, frozen, model.plain.layers).float()
    else:
        ids, mask, types, cues = (t.to(model.device) for t in (ids, mask, types, cues))
        hidden = model.hidden(ids, mask, types)
    return model.head(hidden, mask, types, cues).cpu()


def predict(
    model: AdapterModel, bank: Bank, examples: Sequence[Example], frozen: int = 0
) -> NDArray[np.float64]:
    """Return the examples' log-probabilities (examples, classes), sorted by length inside."""
    bank.add(examples)
    out = np.zeros((len(examples), CLASSES))
    order = sorted(range(len(examples)), key=lambda i: len(bank.tokens(examples[i]).ids))
    at = 0
    while at < len(order):
        longest = len(bank.tokens(examples[order[min(at + 63, len(order) - 1)]]).ids)
        rows = order[at : at + max(1, min(64, PREDICTED_TOKENS // longest))]
        with torch.no_grad():
            logits = logits_of(model, bank, [examples[i] for i in rows], frozen)
        out[rows] = torch.log_softmax(logits.double(), dim=1).numpy()
        at += len(rows)
    return out


def freeze(model: AdapterModel, frozen: int) -> None:
    """Let only the blocks from `frozen` on, and the head, learn."""
    model.first = frozen
    for name, parameter in model.bert.named_parameters():
        if "lora_" in name:
            block = int(name.split("encoder.layer.")[1].split(".")[0])
            parameter.requires_grad_(block >= frozen)


def head(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """Return the head's configuration."""
    return {
        "kind": "classes",
        "width": encoder.width,
        "classes": CLASSES,
        "cues": _claims.CUES,
        "hidden": recipe.hidden,
    }
