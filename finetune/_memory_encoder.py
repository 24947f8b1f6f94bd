"""The memory of a LoRA training of the text encoder, from the shapes in its config.

On a CPU the base is there twice (as it serves, and as peft's in 32 bits), and a step holds merged
copies of the adapted matrices. Blocks below the first adapter keep nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune._memory_types import Memory, Setting, Shape

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe


def estimate(
    config: Mapping[str, Any], recipe: Recipe, setting: Setting, shape: Shape | None
) -> Memory:
    """Return the peak of a training; see `finetune.memory.estimate`."""
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
    size = 2 if setting.bf16 else 4
    total = _parameters(config, setting)
    adapted = [layer for layer in recipe.layers if layer < layers]
    linear = 4 * width * width + 2 * width * inner
    lora = recipe.rank * (4 * 2 * width + 2 * (width + inner)) * len(adapted)
    learned = lora + 2 * width * recipe.hidden
    batch = shape or _full(recipe)
    kept = (layers - min(adapted, default=0)) * _layer(width, inner, heads, batch, recipe) * size
    parts = {
        "weights": 4 * total + (0 if setting.cuda else size * total),
        "adapter": 4 * learned,
        "gradients": 4 * learned,
        "optimiser": 8 * learned,
        "copies": (4 + (4 if recipe.averaging else 0)) * learned
        + (2 * lora if setting.cuda else size * linear * len(adapted)),
        "activations": int(batch.tokens * (kept + 4 * width)),
        "workspace": batch.tokens * size * (2 * heads * batch.columns + 2 * inner),
    }
    # While the base is read, its file stands beside its 32-bit copy.
    reading = sum(parts[k] for k in ("weights", "adapter")) + 4 * total
    parts["workspace"] += max(0, reading - sum(parts.values()))
    said = (
        f"a batch of {batch.tokens:,} tokens, padding included, in texts of {batch.columns} tokens",
        f"passes in {'bfloat16' if setting.bf16 else 'float32'}, LoRA, head and AdamW in float32",
        "tokenised training texts, which are kept in memory, are not counted",
    )
    return Memory(parts, 1, "GPU" if setting.cuda else "CPU", said)


def _full(recipe: Recipe) -> Shape:
    rows = max(1, recipe.batch_tokens // recipe.max_tokens)
    return Shape(rows, recipe.max_tokens, rows * recipe.max_tokens)


def _parameters(config: Mapping[str, Any], setting: Setting) -> int:
    if setting.weights:
        return sum(
            int(np.prod(shape))
            for name, shape in setting.weights.items()
            if ".pooler." not in f".{name}"
        )
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    words = int(config["vocab_size"]) + int(config.get("max_position_embeddings", 512)) + 2
    return words * width + int(config["num_hidden_layers"]) * (
        4 * width * width + 2 * width * inner
    )


def _layer(width: int, inner: int, heads: int, batch: Shape, recipe: Recipe) -> float:
    """Return how many numbers one block keeps a token, its row of attention's weights included."""
    masks = 2 * width if recipe.encoder_dropout else 0
    return 8 * width + 2 * inner + heads * batch.columns + masks
