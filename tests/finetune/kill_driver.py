"""A small real training that is killed with signal 9 again and again; run as a program by tests.

The imports are paid once: every attempt is a fork of this process, which itself never computes.
Prints one JSON object: how many kills there were, how many struck while a checkpoint was being
written, and whether every training ended exactly as the one that nothing interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finetune import _encoder_model as models
from finetune import _encoder_pairs as pairs
from finetune import _encoder_recipe as recipes
from finetune import _encoder_rerank as rerank
from finetune import _encoder_train as training
from finetune import checkpoints
from finetune.progress import Progress
from retrieval import files
from retrieval.encoder import Encoder

WORDS = re.findall(
    r"\S+",
    "how is gout asthma migraine anaemia treated with urate inhaler rest iron drug doctor daily of "
    "the a by for patient relief pain breath blood helps in take avoid .",
)
REMEDIES = {"gout": "urate", "asthma": "inhaler", "migraine": "rest", "anaemia": "iron"}


def make_base(folder: Path) -> Path:
    """Save a two-layer BERT with random weights as an encoder's folder."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers import models as kinds
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {w: i for i, w in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(kinds.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    weights = BertModel(config).state_dict().items()
    save_file(
        {k: v.clone() for k, v in weights if v.is_floating_point()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder


def make_recipe(base: Path, **changes: Any) -> recipes.Recipe:
    """Return a recipe in which dropout, the mean of the weights and both intervals matter."""
    values = {
        "task": "rerank", "name": "tiny", "encoder": str(base), "seed": 5, "rank": 4, "alpha": 8,
        "layers": (0, 1), "epochs": 8, "batch_tokens": 256, "max_tokens": 32, "hidden": 16,
        "encoder_dropout": 0.1, "averaging": 0.9, "learning_rate": 0.01, "threads": 1,
        "head_learning_rate": 0.01, "validate_every": 5, "checkpoint_every": 2, "patience": 50,
    }  # fmt: skip
    return recipes.Recipe(**{**values, **changes})


def make_groups(count: int) -> list[pairs.Group]:
    """Return questions with the sentence that answers each and one for each other disease."""
    out = []
    for number in range(count):
        disease = list(REMEDIES)[number % len(REMEDIES)]
        texts = [
            f"{REMEDIES[d]} helps the patient in {d} {WORDS[number % len(WORDS)]}"
            for d in (disease, *(d for d in REMEDIES if d != disease))
        ]
        out.append(pairs.Group("own", f"how is {disease} treated", tuple(texts)))
    return out


def make(encoder: Encoder, recipe: recipes.Recipe) -> tuple[rerank.Rerank, models.AdapterModel]:
    """Return a task and a fresh model."""
    torch.manual_seed(recipe.seed)
    task = rerank.Rerank(encoder, recipe, make_groups(40), make_groups(8))
    return task, models.AdapterModel(encoder, recipe, rerank.head(recipe, encoder))


def digest(model: models.AdapterModel) -> str:
    """Return the SHA-256 of all trained weights, bit for bit."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.trainable().items()):
        found.update(name.encode() + np.ascontiguousarray(tensor.numpy()).tobytes())
    return found.hexdigest()


class Subject:
    """What is trained, made once; every fork gets its own fresh copy."""

    def __init__(self, base: Path) -> None:
        torch.set_num_threads(1)
        self.recipe = make_recipe(make_base(base), epochs=5)
        self.task, self.model = make(Encoder.load(str(base), bf16=False), self.recipe)
        # What torch and safetensors import at their first use is paid here, not in every fork.
        weight = torch.nn.Parameter(torch.zeros(1))
        weight.grad = torch.zeros(1)
        optimiser = torch.optim.AdamW([weight])
        optimiser.step()
        optimiser.zero_grad()
        checkpoints.save(base.with_name("first"), 1, {"weight": weight}, {})
        checkpoints.latest(base.with_name("first"))

    def train(self, run: Path) -> None:
        """Train to the end, or until killed; mark the first step, and write the outcome."""

        began = run.with_suffix(".begun")

        def report(progress: Progress) -> None:
            if not began.exists():
                began.touch()

        state = training.train(self.model, self.task, self.recipe, run, report)
        outcome = {"step": state.step, "history": state.history, "weights": digest(self.model)}
        files.write_json(run.with_suffix(".json"), outcome)

    def fork(self, run: Path) -> int:
        """Begin a training in a process of its own; return its id."""
        run.with_suffix(".begun").unlink(missing_ok=True)
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            self.train(run)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent sees the code, the reader the traceback
            traceback.print_exc()
        os._exit(code)

    def finish(self, run: Path) -> Any:
        """Train to the end and return the outcome."""
        _, status = os.waitpid(self.fork(run), 0)
        if status:
            raise SystemExit(f"a training failed with status {status}")
        return json.loads(run.with_suffix(".json").read_text())


def attempt(subject: Subject, run: Path, rng: random.Random, longest_s: float) -> bool:
    """Start a training and kill it at a random moment; return whether it was killed.

    Every other kill waits for a checkpoint that is being written; every tenth comes at once.
    """
    child = subject.fork(run)
    at_once, saving = rng.random() < 0.1, rng.random() < 0.5
    wait_s, more_s, begun = rng.uniform(0, longest_s), rng.uniform(0, 0.003), 0.0
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"a training failed with status {status}")
            return False
        if not begun and (at_once or run.with_suffix(".begun").exists()):
            begun = time.monotonic()
        due = begun and time.monotonic() - begun >= wait_s * (0.1 if at_once else 1.0)
        if due and (not saving or any(run.glob(".step-*.new.tmp"))):
            time.sleep(more_s)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.WIFSIGNALED(status)
        time.sleep(0.0005)


def main(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill `kills` times, beginning another training whenever one comes to its end."""
    subject = Subject(folder / "base")
    whole = subject.finish(folder / "whole")
    longest_s = time.time() - (folder / "whole.begun").stat().st_ctime
    rng = random.Random(seed)
    struck = midway = trainings = resumed = 0
    equal = True
    while struck < kills or not trainings:
        trainings += 1
        run = folder / f"run{trainings}"
        while struck < kills:
            resumed += any(run.glob("step-*"))
            if not attempt(subject, run, rng, longest_s):
                break
            struck += 1
            midway += any(run.glob(".step-*.tmp"))
        resumed += any(run.glob("step-*"))
        equal = equal and subject.finish(run) == whole
    return {
        "kills": struck, "mid_save": midway, "trainings": trainings, "resumed": resumed,
        "equal": equal, "steps": whole["step"], "validations": len(whole["history"]),
        "seconds_unbroken": round(longest_s, 2),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
