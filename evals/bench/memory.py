"""The dry run's estimate of memory against what the training took: `python -m evals.bench.memory`.

Trains a few steps of small chat models and of the encoder, each in a process of its own, and prints
the peak of its resident memory above what the libraries alone hold, as the run's card has it,
beside what `--dry-run` foretold. Models have random weights; texts are those of the starter library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import library

_PEAK = re.compile(r"^peak +([\d,.]+) (MiB|GiB)", re.MULTILINE)
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        name: for the table.
        recipe: keys that differ from the common ones.
        sizes: of the chat model; empty for the embedded encoder.
    """

    name: str
    recipe: dict[str, Any]
    sizes: dict[str, int] = field(default_factory=dict)


_SMALL = {"hidden_size": 512, "num_hidden_layers": 8, "intermediate_size": 1536,
          "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 32000}  # fmt: skip
_WIDE = {**_SMALL, "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 2304,
         "num_attention_heads": 12, "vocab_size": 64000}  # fmt: skip
CASES = (
    Case("chat 49M, bf16", {"precision": "bf16"}, _SMALL),
    Case("chat 49M, fp32", {"precision": "fp32"}, _SMALL),
    Case("chat 49M, bf16, checkpointing", {"precision": "bf16", "gradient_checkpointing": True}, _SMALL),
    Case("chat 49M, bf16, 8192 tokens", {"precision": "bf16", "batch_tokens": 8192}, _SMALL),
    Case("chat 173M, bf16", {"precision": "bf16"}, _WIDE),
    Case("encoder, rerank, 4096 tokens", {"task": "rerank", "max_tokens": 128, "batch_tokens": 4096}),
    Case("encoder, rerank, 16384 tokens", {"task": "rerank", "max_tokens": 256, "batch_tokens": 16384}),
)  # fmt: skip


def main() -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=int, action="append", help="number of a case, from 0")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    chosen = [CASES[i] for i in options.case] if options.case else CASES
    rows = []
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_measure(case, Path(folder)))
        print(_line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _line(row: dict[str, Any]) -> str:
    off = 100 * (row["estimated_mib"] / row["measured_mib"] - 1)
    return (
        f"{row['case']:<34} estimated {row['estimated_mib']:>6,.0f} MiB, "
        f"measured {row['measured_mib']:>6,.0f} MiB, {off:+.0f}%"
    )


def _measure(case: Case, folder: Path) -> dict[str, Any]:
    recipe = {"name": "case", "epochs": 1, "data": {"train": "train.jsonl", "validation": "val.jsonl"},
              "allow_personal_data": True, "validate_every": 100, **case.recipe}  # fmt: skip
    if case.sizes:
        base = folder / "base"
        _model(base, case.sizes)
        common = {
            "task": "chat",
            "base": str(base),
            "steps": 6,
            "max_tokens": 512,
            "batch_tokens": 4096,
        }
        recipe = {**common, **recipe}
    _data(folder, chat=bool(case.sizes))
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # JSON is YAML
    said = _run(folder, path, "--dry-run")
    found = _PEAK.search(said)
    if found is None:
        raise SystemExit(f"The dry run printed no estimate:\n{said}")
    _run(folder, path, "--no-tensorboard")
    card = json.loads((folder / "runs/adapters/case/card.json").read_text(encoding="utf-8"))
    scale = 1024 if found[2] == "GiB" else 1
    return {
        "case": case.name,
        "estimated_mib": float(found[1].replace(",", "")) * scale,
        "measured_mib": card["training"]["peak_memory_bytes"] / (1 << 20),
    }


def _run(folder: Path, recipe: Path, *more: str) -> str:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(  # noqa: S603 - this interpreter with our own module
        [sys.executable, "-m", "finetune", str(recipe), "--data", str(folder), *more],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(root)}, check=False,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"The training of {recipe} failed with {done.returncode}.")
    return done.stdout


def _texts() -> list[tuple[str, str, str]]:
    """Return (document, heading, text) of the starter library's sections."""
    return [
        (document.id, f"{document.title}: {section.title}", section.text)
        for document in library.documents()
        for section in document.sections
        if len(section.text) > 200
    ]


def _data(folder: Path, *, chat: bool) -> None:
    """Write rows of library sections, long and short, different documents in each file."""
    texts = _texts()[:600]
    documents = sorted({d for d, _, _ in texts})
    held = set(documents[::10])
    for name, wanted in (("train", False), ("val", True)):
        lines = []
        for number, (document, heading, text) in enumerate(texts):
            if (document in held) != wanted:
                continue
            if chat:
                turns = [{"role": "user", "content": f"Tell me about {heading}."},
                         {"role": "assistant", "content": text}]  # fmt: skip
                lines.append({"messages": turns, "document": document})
            else:
                other = [texts[(number + k) % len(texts)][2] for k in (7, 31, 77)]
                lines.append({"question": heading, "texts": [text, *other], "document": document})
        body = "\n".join(json.dumps(line) for line in lines[: 40 if wanted else 400])
        (folder / f"{name}.jsonl").write_text(body + "\n", encoding="utf-8")


def _model(folder: Path, sizes: dict[str, int]) -> None:
    """Write a chat model of the Qwen2 architecture with random weights and a byte-level tokenizer."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder.mkdir()
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=_MARKS, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator([text for _, _, text in _texts()], trainer)
    words.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>", "chat_template": _TEMPLATE}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    config = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], **sizes,
              "hidden_act": "silu", "rms_norm_eps": 1e-6, "max_position_embeddings": 4096,
              "tie_word_embeddings": True, "dtype": "float32"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    rng = np.random.default_rng(0)
    state = {
        name: np.ones(shape, np.float32) if name.endswith("norm.weight")
        else 0.02 * rng.standard_normal(shape, dtype=np.float32)
        for name, shape in _shapes(sizes).items()
    }  # fmt: skip
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _shapes(sizes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]
    keys = width // sizes["num_attention_heads"] * sizes["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (sizes["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    for number in range(sizes["num_hidden_layers"]):
        at = f"model.layers.{number}."
        for name, rows in (("q", width), ("k", keys), ("v", keys)):
            shapes[f"{at}self_attn.{name}_proj.weight"] = (rows, width)
            shapes[f"{at}self_attn.{name}_proj.bias"] = (rows,)
        shapes[f"{at}self_attn.o_proj.weight"] = (width, width)
        shapes[f"{at}mlp.gate_proj.weight"] = (inner, width)
        shapes[f"{at}mlp.up_proj.weight"] = (inner, width)
        shapes[f"{at}mlp.down_proj.weight"] = (width, inner)
        shapes[f"{at}input_layernorm.weight"] = (width,)
        shapes[f"{at}post_attention_layernorm.weight"] = (width,)
    return shapes


if __name__ == "__main__":
    sys.exit(main())
