"""The forward pass that training on a CPU runs: the serving pass, but made for gradients.

Torch's fused attention has a slow backward pass in bfloat16 on a CPU; written out, a step takes
half the time (measured: 64 texts of 128 tokens, 3.4 s fused, 1.9 s written out). Blocks below the
first adapter keep no activations. Knows nothing of LoRA or tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retrieval.bert import Bert


@dataclass(frozen=True, eq=False)
class TrainingBert(Bert):
    """A `Bert` whose blocks from `first` on let gradients through.

    Attributes:
        first: the lowest block with an adapter.
        dropout: share of each sublayer's output that is dropped, in [0, 1).
    """

    first: int = 0
    dropout: float = 0.0

    @classmethod
    def of(cls, bert: Bert, first: int, dropout: float = 0.0) -> TrainingBert:
        """Return the same encoder for training."""
        return cls(bert.weights, bert.layers, bert.heads, bert.epsilon, first, dropout)

    def __call__(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """Return the last hidden states, as `Bert` does."""
        w = self.weights
        types = torch.zeros_like(ids) if types is None else types
        attend = torch.zeros(mask.shape, dtype=self.dtype, device=ids.device)
        attend = attend.masked_fill(mask == 0, torch.finfo(self.dtype).min)[:, None, None, :]
        with torch.no_grad():
            hidden = (
                functional.embedding(ids, w["embeddings.word_embeddings.weight"])
                + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
                + functional.embedding(types, w["embeddings.token_type_embeddings.weight"])
            )
            hidden = self._norm(hidden, "embeddings.LayerNorm")
            for index in range(self.first):
                hidden = self._layer(hidden, attend, f"encoder.layer.{index}.")
        for index in range(self.first, self.layers):
            hidden = self._layer(hidden, attend, f"encoder.layer.{index}.")
        return hidden

    def _layer(self, hidden: Tensor, attend: Tensor, at: str) -> Tensor:
        batch, length, width = hidden.shape
        size = width // self.heads
        query, key, value = (
            self._linear(hidden, f"{at}attention.self.{part}")
            .view(batch, length, self.heads, size)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = (query * size**-0.5) @ key.transpose(2, 3)
        mixed = torch.softmax(scores + attend, dim=-1) @ value
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        mixed = self._drop(self._linear(mixed, f"{at}attention.output.dense"))
        hidden = self._norm(hidden + mixed, f"{at}attention.output.LayerNorm")
        wide = functional.gelu(self._linear(hidden, f"{at}intermediate.dense"))
        deep = self._drop(self._linear(wide, f"{at}output.dense"))
        return self._norm(hidden + deep, f"{at}output.LayerNorm")

    def _drop(self, hidden: Tensor) -> Tensor:
        if not self.dropout or not torch.is_grad_enabled():
            return hidden
        return functional.dropout(hidden, self.dropout)
