"""A BERT encoder's forward pass in plain torch, for serving.

Importing transformers' modelling code costs seconds at every start; a BERT encoder is sixty lines.
Training uses transformers and peft; a test holds the two equal. LoRA adapters are merged into
copies of the weights that they touch, and share all others with the base.

Source: Devlin et al. 2019, "BERT"; Hu et al. 2021, "LoRA".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LORA_A = ".lora_A.weight"
LORA_B = ".lora_B.weight"

_LINEAR = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bert:
    """Weights and sizes of a BERT encoder; immutable, so any number of threads may share it.

    Attributes:
        weights: tensors under the names of the original checkpoint.
        layers: number of transformer layers.
        heads: attention heads a layer.
        epsilon: of the layer norms.
    """

    weights: Mapping[str, Tensor]
    layers: int
    heads: int
    epsilon: float

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], config: Mapping[str, Any], dtype: torch.dtype
    ) -> Bert:
        """Return an encoder from a checkpoint's tensors and its config.json.

        Raises:
            KeyError: if the checkpoint lacks a tensor or the config an entry.
        """
        weights = {
            name.removeprefix("bert."): tensor.to(dtype)
            for name, tensor in state.items()
            if tensor.is_floating_point() and ".pooler." not in f".{name}"
        }
        for name in _needed(int(config["num_hidden_layers"])):
            if name not in weights:
                raise KeyError(name)
        return cls(
            weights=weights,
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            epsilon=float(config["layer_norm_eps"]),
        )

    @property
    def dtype(self) -> torch.dtype:
        """The type that the forward pass computes in."""
        return next(iter(self.weights.values())).dtype

    @property
    def positions(self) -> int:
        """Most tokens that a text may have: the length of the position table."""
        return int(self.weights["embeddings.position_embeddings.weight"].shape[0])

    def with_lora(self, adapter: Mapping[str, Tensor], scale: float) -> Bert:
        """Return an encoder with a LoRA adapter merged in: `W + scale * B @ A`.

        Args:
            adapter: peft's tensors: `...<module>.lora_A.weight` (r, in) and `.lora_B.weight`
                (out, r), with any prefix before the module's name.
            scale: `lora_alpha / r`.

        Raises:
            KeyError: if the adapter touches a module that the base doesn't have.
        """
        merged = dict(self.weights)
        for name, down in adapter.items():
            if not name.endswith(LORA_A):
                continue
            stem = name.removesuffix(LORA_A)
            module = stem[max(stem.find("encoder.layer."), 0) :] + ".weight"
            delta = scale * (adapter[stem + LORA_B].float() @ down.float())
            merged[module] = (self.weights[module].float() + delta).to(self.dtype)
        return Bert(merged, self.layers, self.heads, self.epsilon)

    def __call__(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """Return the last hidden states.

        Args:
            ids: token ids, int64 (batch, length), length at most the position table's.
            mask: 1 for tokens, 0 for padding, (batch, length).
            types: 0 for the first and 1 for the second text, int64 (batch, length); default 0.

        Returns:
            (batch, length, width), in the encoder's dtype.
        """
        w = self.weights
        types = torch.zeros_like(ids) if types is None else types
        hidden = (
            functional.embedding(ids, w["embeddings.word_embeddings.weight"])
            + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + functional.embedding(types, w["embeddings.token_type_embeddings.weight"])
        )
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        attend = mask[:, None, None, :].bool()
        for index in range(self.layers):
            hidden = self._layer(hidden, attend, f"encoder.layer.{index}.")
        return hidden

    def _layer(self, hidden: Tensor, attend: Tensor, at: str) -> Tensor:
        batch, length, width = hidden.shape
        split = (batch, length, self.heads, width // self.heads)
        query, key, value = (
            self._linear(hidden, f"{at}attention.self.{part}").view(split).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=attend)
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        mixed = self._linear(mixed, f"{at}attention.output.dense")
        hidden = self._norm(hidden + mixed, f"{at}attention.output.LayerNorm")
        wide = functional.gelu(self._linear(hidden, f"{at}intermediate.dense"))
        return self._norm(hidden + self._linear(wide, f"{at}output.dense"), f"{at}output.LayerNorm")

    def _linear(self, hidden: Tensor, name: str) -> Tensor:
        return functional.linear(
            hidden, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        )

    def _norm(self, hidden: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(hidden, weight.shape, weight, bias, self.epsilon)


def _needed(layers: int) -> Iterator[str]:
    """Yield the names of the tensors that the forward pass reads."""
    for table in ("word", "position", "token_type"):
        yield f"embeddings.{table}_embeddings.weight"
    for kind in ("weight", "bias"):
        yield f"embeddings.LayerNorm.{kind}"
        for index in range(layers):
            yield from (f"encoder.layer.{index}.{part}.{kind}" for part in _LINEAR)
