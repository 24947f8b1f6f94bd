"""The encoder with a LoRA adapter (peft) and a head, as it is trained.

On a GPU peft's own forward pass runs. On a CPU, where memory is the bottleneck, each step adds the
low-rank deltas to the weights once and runs the pass that serves the adapter later, written for
gradients; it is the same function without LoRA's dropout, and faster. Knows nothing of tasks, data or schedules.
Source: Hu et al. 2021, "LoRA".
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from retrieval import files, heads
from retrieval.bert import LORA_A, LORA_B
from retrieval.encoder import Encoder, locate

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe
    from retrieval.bert import Bert

# Every linear layer of a transformer block.
_LINEAR = r"\.(attention\.self\.(query|key|value)|(attention\.output|intermediate|output)\.dense)"


class AdapterModel(nn.Module):
    """Base, LoRA and head in one module; only LoRA and head have gradients."""

    def __init__(self, encoder: Encoder, recipe: Recipe, head: dict[str, Any]) -> None:
        """Put a fresh adapter and head on the recipe's base, which `encoder` has loaded too."""
        super().__init__()
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules=modules(recipe),
            bias="none",
        )
        with warnings.catch_warnings():
            # peft asks transformers for a property that transformers has since renamed.
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
            self.bert = get_peft_model(_load_base(locate(recipe.encoder)), config)
        self.head_config = head
        self.head = nn.Identity() if head["kind"] == "none" else heads.build(head)
        self.scale = recipe.alpha / recipe.rank
        self.plain = encoder.bert
        self.first = min(recipe.layers)
        self.dropout = recipe.encoder_dropout
        self._step: Bert | None = None
        # Real tokens that `hidden` has read; a tensor where the model is, so that a GPU need not wait.
        self.seen = torch.zeros((), dtype=torch.int64)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.bert.parameters()).device

    def hidden(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Return last hidden states, float32 (batch, length, width)."""
        self.seen = self.seen.to(mask.device) + mask.sum()
        if ids.device.type == "cpu":
            return self.training_pass()(ids, mask, types).float()
        with torch.autocast(ids.device.type, torch.bfloat16):
            return self.peft_hidden(ids, mask, types)

    def peft_hidden(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Return the same by peft's forward pass, with LoRA's dropout in training."""
        out = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types)
        return out.last_hidden_state.float()

    def training_pass(self) -> Bert:
        """Return the merged encoder, made once a step while gradients are kept."""
        from finetune._encoder_forward import TrainingBert

        if not torch.is_grad_enabled():
            return self.merged()
        if self._step is None:
            self._step = TrainingBert.of(
                self.merged(), self.first, self.dropout if self.training else 0.0
            )
        return self._step

    def forget_pass(self) -> None:
        """Drop what `training_pass` keeps: the weights have changed."""
        self._step = None

    def merged(self) -> Bert:
        """Return the serving forward pass with the deltas added, through which gradients flow."""
        weights = dict(self.plain.weights)
        for name, layer in self.bert.named_modules():
            if hasattr(layer, "lora_A"):
                module = name[name.index("encoder.layer.") :] + ".weight"
                delta = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
                full = layer.base_layer.weight + self.scale * delta
                weights[module] = full.to(self.plain.dtype)
        return replace(self.plain, weights=weights)

    def trainable(self) -> dict[str, Tensor]:
        """Return what is trained, under the names of the adapter file."""
        from peft import get_peft_model_state_dict

        tensors = dict(get_peft_model_state_dict(self.bert, save_embedding_layers=False))
        tensors |= {f"head.{name}": t for name, t in self.head.state_dict().items()}
        return {name: t.detach().cpu() for name, t in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `trainable` returned."""
        from peft import set_peft_model_state_dict

        lora = {k: v.float() for k, v in tensors.items() if not k.startswith("head.")}
        head = {k.removeprefix("head."): v.float() for k, v in tensors.items() if k not in lora}
        set_peft_model_state_dict(self.bert, lora)
        self.head.load_state_dict(head)

    def groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        """Return the optimiser's parameter groups."""
        lora = [p for p in self.bert.parameters() if p.requires_grad]
        return [
            {"params": lora, "lr": recipe.learning_rate, "base": recipe.learning_rate},
            {
                "params": list(self.head.parameters()),
                "lr": recipe.head_learning_rate,
                "base": recipe.head_learning_rate,
            },
        ]


def _load_base(folder: Path) -> nn.Module:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(folder)
    base = BertModel(config, add_pooling_layer=False)
    state = {
        name.removeprefix("bert."): tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if tensor.is_floating_point() and ".pooler." not in f".{name}"
    }
    base.load_state_dict(state)
    return base


def modules(recipe: Recipe) -> str:
    """Return the pattern of the module names that get an adapter, as peft takes it."""
    return rf".*encoder\.layer\.({'|'.join(map(str, recipe.layers))}){_LINEAR}"


def _told(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe for a card: what was set, with the names of data files but not their folders."""
    found: dict[str, Any] = json.loads(recipe.model_dump_json())
    if recipe.data is not None:
        found["data"] = {part: Path(name).name for part, name in found["data"].items()}
    return found


def cut(tensors: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    """Return an adapter's tensors with every LoRA product cut to its `rank` largest directions.

    Source: Eckart & Young 1936 (the best approximation of lower rank).
    """
    out = dict(tensors)
    for name, down in tensors.items():
        if name.endswith(LORA_A):
            up = tensors[name.removesuffix(LORA_A) + LORA_B].float()
            left, sizes, right = torch.linalg.svd(up @ down.float(), full_matrices=False)
            root = sizes[:rank].sqrt()
            out[name] = root[:, None] * right[:rank]
            out[name.removesuffix(LORA_A) + LORA_B] = left[:, :rank] * root
    return out


def save(model: AdapterModel, recipe: Recipe, card: dict[str, Any], out: Path) -> None:
    """Write `adapter_model.safetensors` (float16) and `card.json` into the folder `out`."""
    from safetensors.torch import save_file

    from finetune import cards

    folder = locate(recipe.encoder)
    path = out / "adapter_model.safetensors"
    rank = min(recipe.saved_rank or recipe.rank, recipe.rank)
    kept = cut(model.trainable(), rank) if rank < recipe.rank else model.trainable()
    tensors = {k: v.to(torch.float16).contiguous() for k, v in kept.items()}
    with files.atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    full = {
        "name": recipe.name,
        "task": recipe.task,
        "base": {
            "name": recipe.encoder,
            "sha256": files.sha256(folder / "model.safetensors"),
        },
        "lora": {
            "r": rank,
            "alpha": recipe.alpha * rank / recipe.rank,  # the scale stays what it was
            "target_modules": modules(recipe),
        },
        "head": model.head_config,
        **card,
        "recipe": _told(recipe),
        "versions": cards.versions(),
        "sha256": files.sha256(path),
    }
    files.write_json(out / "card.json", full)
    path.chmod(0o644)
    (out / "card.json").chmod(0o644)
