"""The memory of a LoRA training of a chat model, from the shapes in its config.

Written for decoders with gated layers and RMS norms (Llama, Mistral, Qwen2, Qwen3, Gemma 3), whose
kept tensors were counted one by one; others come out near. A backward pass keeps, a token and
layer: both norms' inputs in 32 bits; their outputs, queries, keys, values, attention's output, four
tensors of the inner width and LoRA's inner products in the type of the pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune._memory_types import Memory, Setting, Shape

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune.validation import Lengths

# Rows of logits that the loss works on in 32 bits at once (`finetune.chat.scoring`).
BLOCK = 2048
# Share of the tokens that is learned where nothing is known of the data.
LEARNED = 0.5
NF4_BYTES = 0.53  # 4 bits a weight, double-quantised scales of blocks of 64 (arXiv:2305.14314)


class _Sizes:
    """The sizes of a decoder by its config.json."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Read them; the text part of an image-text model counts."""
        text = {**config, **(config.get("text_config") or {})}
        self.width = int(text["hidden_size"])
        self.inner = int(text["intermediate_size"])
        self.layers = int(text["num_hidden_layers"])
        self.heads = int(text["num_attention_heads"])
        self.vocabulary = int(text["vocab_size"])
        groups = int(text.get("num_key_value_heads") or self.heads)
        head = int(text.get("head_dim") or self.width // self.heads)
        self.queries, self.keys, self.groups = head * self.heads, head * groups, groups
        kind = str(text.get("model_type", ""))
        self.normed_heads = kind.startswith(("qwen3", "gemma3"))
        self.norms = 4 if kind.startswith(("gemma2", "gemma3")) else 2
        self.tied = bool(text.get("tie_word_embeddings", kind.startswith("gemma")))

    def linear(self) -> dict[str, tuple[int, int]]:
        """Return (out, in) of a layer's linear maps by name."""
        return {
            "q_proj": (self.queries, self.width),
            "k_proj": (self.keys, self.width),
            "v_proj": (self.keys, self.width),
            "o_proj": (self.width, self.queries),
            "gate_proj": (self.inner, self.width),
            "up_proj": (self.inner, self.width),
            "down_proj": (self.width, self.inner),
        }

    def parameters(self) -> int:
        """Return how many weights the config makes, norms aside."""
        each = sum(rows * columns for rows, columns in self.linear().values())
        return each * self.layers + self.vocabulary * self.width * (1 if self.tied else 2)


def estimate(
    config: Mapping[str, Any], recipe: ChatRecipe, setting: Setting, shape: Shape | None
) -> Memory:
    """Return the peak of a training; see `finetune.memory.estimate`."""
    sizes = _Sizes(config)
    batch = shape or _full(recipe, setting.devices)
    width = 2 if setting.bf16 else 4
    share = setting.devices if setting.sharded else 1
    weights = _weights(sizes, recipe, setting, width)
    lora = _lora(sizes, recipe)
    parts = {
        "weights": weights // share,
        "adapter": 4 * lora // share,
        "gradients": 4 * lora // share,
        "optimiser": 8 * lora // share,
        # Autocast's copies of the matrices, and the best step's adapter.
        "copies": (2 * lora if setting.bf16 else 0) + (0 if setting.cuda else 4 * lora),
        "activations": _activations(sizes, recipe, setting, batch, width),
        "logits": batch.learned * sizes.vocabulary * 2 * width,
        "workspace": _workspace(sizes, batch, width)
        + (weights // sizes.layers if setting.sharded else 0),
    }
    return Memory(
        parts, setting.devices, "GPU" if setting.cuda else "CPU", _said(recipe, setting, batch)
    )


def heaviest(recipe: ChatRecipe, lengths: Lengths, devices: int) -> Shape:
    """Return the batch with the most learned tokens among the first epoch's."""
    from finetune.chat import batches

    most = _most(recipe, devices)
    made = batches.micros(
        lengths.tokens, lengths.learned, most, np.random.default_rng([recipe.seed, 0]),
        packed=recipe.packing,
    )  # fmt: skip
    shapes = []
    for micro in made:
        sizes = [lengths.tokens[i] for i in micro.items]
        rows, columns = (1, sum(sizes)) if recipe.packing else (len(sizes), max(sizes))
        shapes.append(Shape(rows, columns, int(micro.weight)))
    # Tokens weigh in as well: a batch of long prompts can be heavier than one of long answers.
    return max(shapes, key=lambda s: (s.learned + s.tokens, s.learned))


def _most(recipe: ChatRecipe, devices: int) -> int:
    return recipe.micro_tokens or max(recipe.max_tokens, recipe.batch_tokens // devices)


def _full(recipe: ChatRecipe, devices: int) -> Shape:
    tokens = _most(recipe, devices)
    rows = 1 if recipe.packing else max(1, tokens // recipe.max_tokens)
    return Shape(rows, tokens // rows, int(LEARNED * tokens))


def _weights(sizes: _Sizes, recipe: ChatRecipe, setting: Setting, width: int) -> int:
    if setting.weights:
        total = sum(int(np.prod(shape)) for shape in setting.weights.values())
    else:
        total = sizes.parameters()
    if recipe.method != "qlora":
        return width * total
    linear = sum(rows * columns for rows, columns in sizes.linear().values()) * sizes.layers
    return int(NF4_BYTES * linear) + 4 * (total - linear)


def _targets(sizes: _Sizes, recipe: ChatRecipe) -> dict[str, tuple[int, int]]:
    linear, wanted = sizes.linear(), recipe.target_modules
    if wanted == "all-linear":
        return linear
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    found = {k: v for k, v in linear.items() if any(n.endswith(k) for n in names)}
    return found or linear


def _lora(sizes: _Sizes, recipe: ChatRecipe) -> int:
    """Return how many weights the adapter has."""
    found = _targets(sizes, recipe).values()
    magnitude = sum(rows for rows, _ in found) if recipe.method == "dora" else 0
    return sizes.layers * (recipe.rank * sum(map(sum, found)) + magnitude)


def _layer(sizes: _Sizes, recipe: ChatRecipe, setting: Setting, width: int) -> float:
    """Return the bytes that one layer keeps a token."""
    found = _targets(sizes, recipe)
    kept = (
        2 * sizes.width + 2 * sizes.queries + 2 * sizes.keys + 4 * sizes.inner
        + recipe.rank * len(found)
    )  # fmt: skip
    each = 4 * sizes.norms * (sizes.width + 1) + width * kept + 4 * sizes.heads
    if sizes.normed_heads:
        each += 4 * (sizes.queries + sizes.keys + sizes.heads + sizes.groups)
    if recipe.dropout:
        # Each map has its own dropped input and mask; the shared inputs need not be kept.
        inputs = sum(columns for _, columns in found.values())
        mask = 1 if setting.cuda else width
        each += (width + mask) * inputs - width * (2 * sizes.width + sizes.inner)
    return each


def _activations(
    sizes: _Sizes, recipe: ChatRecipe, setting: Setting, batch: Shape, width: int
) -> int:
    layer = _layer(sizes, recipe, setting, width)
    if recipe.gradient_checkpointing:
        each = sizes.layers * width * sizes.width + layer
    else:
        each = sizes.layers * layer
    return int(batch.tokens * (each + 4 * sizes.width))


def _workspace(sizes: _Sizes, batch: Shape, width: int) -> int:
    """Return what the loss's blocks take in 32 bits, or a layer's backward pass if that is more."""
    rows = min(batch.learned, BLOCK)
    loss = rows * sizes.vocabulary * (8 if width == 2 else 4)
    layer = batch.tokens * width * 3 * sizes.inner
    return max(loss, layer)


def _said(recipe: ChatRecipe, setting: Setting, batch: Shape) -> tuple[str, ...]:
    bits = "bfloat16" if setting.bf16 else "float32"
    how = "packed" if recipe.packing else f"{batch.rows} samples of {batch.columns:,} tokens"
    said = [
        f"a batch of {batch.tokens:,} tokens a device ({how}), {batch.learned:,} of them learned",
        f"passes in {bits}, LoRA's matrices and AdamW in float32",
        "fused attention, which keeps no matrix of scores",
    ]
    if setting.devices > 1:
        shared = "shared out among the devices" if setting.sharded else "on every device"
        said.append(f"weights and optimiser {shared}")
    if recipe.gradient_checkpointing:
        said.append("one layer's activations at a time")
    return tuple(said)
