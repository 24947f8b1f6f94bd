"""One side of the comparison of training speed, in a process of its own.

    python -m finetune.chat.throughput make FOLDER --sizes '{...}'
    python -m finetune.chat.throughput run FOLDER ours|trl

`make` writes a Qwen-like model with random weights, a tokenizer and made-up dialogues of varying
length. `run` prepares one side, says so, and trains over the dialogues once for every line that it
reads, answering with JSON: what a round took and how many real tokens it learned from.
`evals.bench.training` drives two of these in turn. Nothing here is part of serving or training.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SIZES = {
    "layers": 4, "hidden": 256, "vocabulary": 16_000, "dialogues": 64, "median_tokens": 130,
    "most_tokens": 1024, "batch_tokens": 2048, "seed": 0,
}  # fmt: skip
_TEMPLATE = (
    "{% for m in messages %}<|im_start|> {{ m.role }} {{ m.content }} <|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
_MARKS = ("<|pad|>", "<|im_start|>", "<|im_end|>", "<|unk|>")
Round = Callable[[], dict[str, float]]


def make(folder: Path, sizes: dict[str, int]) -> None:
    """Write model, tokenizer and dialogues."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    roles = ("system", "user", "assistant")
    words = [f"w{n}" for n in range(sizes["vocabulary"] - len(_MARKS) - len(roles))]
    vocabulary = {word: n for n, word in enumerate((*_MARKS, *roles, *words))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=_MARKS[3]))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=_MARKS[0], eos_token=_MARKS[2], unk_token=_MARKS[3],
        extra_special_tokens=[_MARKS[1]], chat_template=_TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(sizes["seed"])
    width = sizes["hidden"]
    config = Qwen3Config(
        vocab_size=len(vocabulary), hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=sizes["layers"], num_attention_heads=max(2, width // 64),
        num_key_value_heads=max(1, width // 128), head_dim=64, max_position_embeddings=4096,
        bos_token_id=None, eos_token_id=2, pad_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    rows = dialogues(sizes, len(words))
    text = "".join(json.dumps({"messages": row}) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    (folder / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")


def dialogues(sizes: dict[str, int], words: int) -> list[list[dict[str, str]]]:
    """Return dialogues of made-up words; their lengths are log-normal, as those of visits are."""
    import math

    rng = random.Random(sizes["seed"])
    out = []
    for _ in range(sizes["dialogues"]):
        length = min(
            sizes["most_tokens"] - 40,
            max(16, round(sizes["median_tokens"] * math.exp(rng.gauss(0, 0.8)))),
        )
        turns = 2 * rng.randint(1, 4)
        messages = []
        for turn in range(turns):
            # A visit's question and record are longer than what is answered.
            share = (0.65 if turn % 2 == 0 else 0.35) * 2 / turns
            said = " ".join(
                f"w{int(words * rng.random() ** 3)}" for _ in range(max(2, round(length * share)))
            )
            messages.append({"role": "assistant" if turn % 2 else "user", "content": said})
        out.append(messages)
    return out


def ours(folder: Path, sizes: dict[str, int]) -> Round:
    """Return a round of this package's training."""
    from finetune._chat_recipe import ChatRecipe
    from finetune.chat import data, loop, model, render
    from finetune.chat.instruct import Instruct

    recipe = ChatRecipe.model_validate(
        {
            "name": "speed", "base": str(folder), "data": {"train": str(folder / "train.jsonl")},
            "epochs": 1, "max_tokens": sizes["most_tokens"], "seed": sizes["seed"],
            "batch_tokens": sizes["batch_tokens"], "validate_every": 10**6, "checkpoint_every": 10**6,
        }
    )  # fmt: skip
    parts = model.load(recipe)
    read, _ = data.conversations(folder / "train.jsonl", recipe.data)
    samples, counts = render.samples(parts.tokenizer, read, recipe.max_tokens)
    task = Instruct(parts, recipe, samples, samples[:1])

    def once() -> dict[str, float]:
        with TemporaryDirectory() as run:
            state, _ = loop.train(parts, task, recipe, Path(run))
        return {"tokens": counts.tokens, "learned": counts.learned, "loss": state.history[-1][1]}

    return once


def trl(folder: Path, sizes: dict[str, int]) -> Round:
    """Return a round of TRL's `SFTTrainer` with its defaults and the same adapter."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    rows = [json.loads(line) for line in (folder / "train.jsonl").open(encoding="utf-8")]
    run = TemporaryDirectory()
    # Of what is not TRL's own default, nothing changes a step: one epoch, no files, no bars.
    config = SFTConfig(
        output_dir=run.name, num_train_epochs=1, save_strategy="no", report_to="none",
        disable_tqdm=True, logging_steps=10**6, seed=sizes["seed"],
        use_cpu=not torch.cuda.is_available(),
    )  # fmt: skip
    trainer = SFTTrainer(
        str(folder), args=config, train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(folder, trust_remote_code=False),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"
        ),
    )  # fmt: skip
    count = sum(len(row["input_ids"]) for row in trainer.train_dataset)

    def once() -> dict[str, float]:
        _ = run
        found = trainer.train()
        return {"tokens": count, "learned": count, "loss": float(found.training_loss)}

    return once


def timed(once: Round) -> dict[str, float]:
    """Return a round's result with its seconds, on the wall and of the processor."""
    import torch

    began, busy = time.perf_counter(), time.process_time()
    found = once()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found | {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - busy}


def facts(folder: Path) -> dict[str, Any]:
    """Return what a side says of itself: the device and, on CUDA, its peak in FLOP/s."""
    import torch

    from finetune.chat import model

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {"bf16": model.use_bf16("auto"), "parameters": _parameters(config)}
    if torch.cuda.is_available():
        found |= {"device": torch.cuda.get_device_name(), "peak_flops": _peak()}
    return found


def _parameters(config: dict[str, Any]) -> int:
    """Return the weights of all layers' matrices, without embeddings and output."""
    width, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    heads = 2 * config["num_attention_heads"] + 2 * config["num_key_value_heads"]
    return int(config["num_hidden_layers"] * (width * size * heads + 3 * width * inner))


def _peak() -> float:
    """Return the FLOP/s that this card reaches in a large bfloat16 product: its practical peak."""
    import torch

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(8):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(4):
            a @ b
        torch.cuda.synchronize()
        best = max(best, 4 * 2 * 8192**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    """Make the files, or run one side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("make", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("side", nargs="?", choices=("ours", "trl"))
    parser.add_argument("--sizes", type=json.loads, default={})
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, SIZES | given.sizes)
        return
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is not an answer
    sizes = json.loads((given.folder / "sizes.json").read_text(encoding="utf-8"))
    once = {"ours": ours, "trl": trl}[given.side](given.folder, sizes)
    out.write(json.dumps(facts(given.folder)) + "\n")
    out.flush()
    for _ in sys.stdin:
        out.write(json.dumps(timed(once)) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
