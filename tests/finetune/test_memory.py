"""Estimates of memory: counted by hand on small configs, and measured on a real allocation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from finetune import memory, recipe
from finetune._memory_types import Setting, Shape
from finetune.validation import Lengths
from retrieval.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 3,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 4096,
}  # fmt: skip
SHAPE = Shape(rows=4, columns=64, learned=128)
BF16 = Setting(bf16=True)


def chat(**more: object):
    keys = {"task": "chat", "name": "x", "base": "b", "data": {"train": "t"}, **more}
    return recipe.build(keys, "test")


def kept(setting: Setting, config: dict, **more: object) -> float:
    """Bytes that one layer keeps a token, by the difference of two depths."""
    deep = memory.estimate({**config, "num_hidden_layers": 5}, chat(**more), setting, SHAPE)
    flat = memory.estimate({**config, "num_hidden_layers": 4}, chat(**more), setting, SHAPE)
    return (deep.parts["activations"] - flat.parts["activations"]) / SHAPE.tokens


@pytest.mark.parametrize(
    ("bf16", "model", "counted"),
    [
        # Bytes of the tensors that autograd kept of a real layer, LoRA's cast matrices left out.
        (True, "llama", 11624 - 608),
        (False, "llama", 19944),
        (True, "qwen3", 13208 - 608),
        (False, "qwen3", 21528),
    ],
)
def test_a_layer_keeps_what_autograd_was_seen_to_keep(bf16: bool, model: str, counted: int) -> None:
    found = kept(Setting(bf16=bf16), {**CONFIG, "model_type": model, "head_dim": 32})
    assert found == pytest.approx(counted, rel=0.01)


def test_dropout_and_checkpointing_count() -> None:
    assert kept(BF16, CONFIG, dropout=0.05) == pytest.approx(18280 - 608, rel=0.01)
    assert kept(BF16, CONFIG, gradient_checkpointing=True) == 512


def test_only_trained_weights_have_gradients_and_moments() -> None:
    made = memory.estimate(CONFIG, chat(rank=16), Setting(), SHAPE)
    lora = 3 * 16 * 4864  # in + out of a layer's seven maps
    assert made.parts["adapter"] == made.parts["gradients"] == 4 * lora
    assert made.parts["optimiser"] == 8 * lora
    assert made.parts["weights"] == 4 * (3 * 786432 + 2 * 4096 * 256)


def test_logits_are_those_of_learned_tokens_and_often_the_largest_part() -> None:
    large = {**CONFIG, "vocab_size": 150_000}
    half = memory.estimate(large, chat(), BF16, SHAPE)
    assert half.parts["logits"] == 128 * 150_000 * 4
    whole = memory.estimate(large, chat(), BF16, Shape(4, 64, 256))
    assert whole.parts["logits"] == 2 * half.parts["logits"]
    assert max(whole.parts, key=lambda p: whole.parts[p]) in {"logits", "workspace", "weights"}


def test_the_heaviest_batch_of_the_data_counts() -> None:
    spec = chat(max_tokens=64, batch_tokens=128)
    lengths = Lengths((60, 60, 10, 10, 10, 10), (30, 30, 5, 5, 5, 5))
    from finetune import _memory_chat

    assert _memory_chat.heaviest(spec, lengths, 1) == Shape(2, 60, 60)
    packed = chat(max_tokens=64, batch_tokens=128, packing=True)
    shape = _memory_chat.heaviest(packed, lengths, 1)
    assert shape.rows == 1
    assert shape.columns <= 128


def test_shards_split_weights_and_copies_do_not() -> None:
    whole = memory.estimate(CONFIG, chat(), Setting(devices=4, cuda=True, bf16=True), SHAPE)
    split = memory.estimate(
        CONFIG, chat(), Setting(devices=4, cuda=True, bf16=True, sharded=True), SHAPE
    )
    assert split.parts["weights"] == whole.parts["weights"] // 4
    assert split.parts["activations"] == whole.parts["activations"]
    assert "each of 4 devices" in memory.table(split)


def test_four_bits_take_an_eighth_of_the_layers_weights() -> None:
    plain = memory.estimate(CONFIG, chat(), Setting(cuda=True, bf16=True), SHAPE)
    bits = memory.estimate(CONFIG, chat(method="qlora"), Setting(cuda=True, bf16=True), SHAPE)
    assert bits.parts["weights"] > 4 * 2 * 4096 * 256
    assert bits.parts["weights"] - 4 * 2 * 4096 * 256 < 0.3 * plain.parts["weights"]


def test_weights_are_counted_in_the_files_headers(tmp_path) -> None:
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(7)}, tmp_path / "model.safetensors")
    assert memory.shapes(tmp_path) == {"a": (3, 5), "b": (7,)}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    made = memory.for_recipe(chat(base=str(tmp_path), precision="fp32"))
    assert made.parts["weights"] == 4 * 22


def test_an_encoder_counts_its_copies_on_a_cpu() -> None:
    config = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
              "num_attention_heads": 4, "vocab_size": 1000, "max_position_embeddings": 64}  # fmt: skip
    keys = {
        "task": "rerank",
        "name": "x",
        "layers": [1],
        "rank": 4,
        "batch_tokens": 4096,
        "max_tokens": 128,
    }
    spec = recipe.build(keys, "test")
    made = memory.estimate(config, spec, Setting())
    assert made.parts["weights"] == 8 * (1066 * 32 + 2 * 8192)
    assert made.parts["copies"] >= 4 * 8192
    both = memory.estimate(config, recipe.build({**keys, "layers": [0, 1]}, "test"), Setting())
    gained = both.parts["activations"] - made.parts["activations"]
    assert gained == 4096 * 4 * (8 * 32 + 2 * 64 + 4 * 128)


def test_a_config_without_sizes_is_refused() -> None:
    with pytest.raises(ModelError, match="intermediate_size"):
        memory.estimate({k: v for k, v in CONFIG.items() if k != "intermediate_size"}, chat(), BF16)


def test_the_peak_of_a_block_is_measured() -> None:
    # In a process of its own: what this one has freed and still holds would blur the figure.
    code = (
        "import torch; from finetune import memory\n"
        "with memory.watch() as watched:\n"
        "    held = torch.ones(64 << 20, dtype=torch.uint8); assert held[-1] == 1; del held\n"
        "print(watched.peak)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=240,
    )  # fmt: skip
    if done.stdout.strip() == "None":
        pytest.skip("this system does not say how much memory a process holds")
    assert 60 << 20 < int(done.stdout) < 120 << 20


def test_the_table_says_what_it_assumes() -> None:
    said = memory.table(memory.estimate(CONFIG, chat(gradient_checkpointing=True), BF16, SHAPE))
    for word in ("weights", "optimiser", "logits", "peak", "bfloat16", "256 tokens", "128 of them"):
        assert word in said
