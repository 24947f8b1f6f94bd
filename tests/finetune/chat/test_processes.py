"""Two processes: the same training gives the same adapter, and sharded weights come out whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json, sys
from pathlib import Path
from finetune import chat
from finetune._chat_recipe import ChatRecipe

place, base, steps, fresh = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
recipe = ChatRecipe(
    name="tiny", base=base, data={"train": str(place / "train.jsonl")}, rank=4, alpha=8, epochs=2,
    max_tokens=96, batch_tokens=512, micro_tokens=128, learning_rate=0.01, validate_every=4,
    checkpoint_every=2, precision="fp32", seed=3, patience=9,
)
class Stop(Exception):
    pass
def report(progress):
    if steps != "all" and progress.step == int(steps):
        raise SystemExit(7)
chat.train(recipe, place / sys.argv[5], place / "run", report, fresh=fresh == "fresh")
"""

# Sharding by torch itself, as FSDP does it on GPUs; accelerate offers it no CPU.
SHARDED = """
import sys
import torch
from torch import distributed
from torch.distributed.fsdp import fully_shard

from finetune._chat_recipe import ChatRecipe
from finetune.chat import model, sharded

distributed.init_process_group("gloo")
recipe = ChatRecipe(name="a", base=sys.argv[1], data={"train": "x"}, rank=4, precision="fp32")
ids = torch.arange(5, 25)[None]


def stepped(shard):
    parts = model.load(recipe)
    if shard:
        for layer in parts.model.get_base_model().model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(parts.model, mesh=mesh)
    learned = [p for p in parts.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=0.01, fused=True)
    return parts.model, optimiser


def step(tuned, optimiser):
    tuned(input_ids=ids, labels=ids).loss.backward()
    optimiser.step()
    optimiser.zero_grad()


mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,))
plain = stepped(False)
step(*plain)
expected = {k: v.detach().clone() for k, v in plain[0].named_parameters() if v.requires_grad}
step(*plain)
twice = {k: v.detach().clone() for k, v in plain[0].named_parameters() if v.requires_grad}
first = stepped(True)
step(*first)
weights, moments = sharded.trainable(first[0]), sharded.moments(*first)
if distributed.get_rank() == 0:
    assert weights.keys() == expected.keys()
    assert all(torch.allclose(weights[k], expected[k], atol=1e-6) for k in weights)
else:
    assert not weights
    assert not moments
second = stepped(True)
sharded.put_weights(second[0], weights)
sharded.put_moments(*second, moments)
step(*second)
found = sharded.trainable(second[0])
assert all(torch.allclose(found[k], twice[k], atol=1e-6) for k in found)
assert bool(found) is (distributed.get_rank() == 0)
print("the same")
distributed.destroy_process_group()
"""


@pytest.fixture
def place(tmp_path):
    rows = [
        {"prompt": f"What helps against illness {n}? " + "It hurts. " * (n % 5), "completion": f"Remedy {n % 3}."}
        for n in range(40)
    ]  # fmt: skip
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def launch(script, *arguments, flags=()):
    command = [sys.executable, *flags, *map(str, (script, *arguments))]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"
    }  # fmt: skip
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def weights(adapter):
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_processes_train_the_adapter_of_one_and_go_on_after_a_stop(place, tiny_chat):
    base, script = tiny_chat("qwen"), place / "script.py"
    one = launch(script, place, base, "all", "fresh", "one")
    assert one.returncode == 0, one.stderr[-3000:]
    two = launch(script, place, base, "all", "fresh", "two", flags=TWO)
    assert two.returncode == 0, two.stderr[-3000:]
    card = json.loads((place / "two" / "card.json").read_text())
    assert card["training"]["processes"] == 2
    expected, found = weights(place / "one"), weights(place / "two")
    assert expected.keys() == found.keys()
    assert all(torch.allclose(expected[name], found[name], atol=1e-4) for name in expected)
    assert launch(script, place, base, "3", "fresh", "three", flags=TWO).returncode != 0
    three = launch(script, place, base, "all", "resume", "three", flags=TWO)
    assert three.returncode == 0, three.stderr[-3000:]
    again = weights(place / "three")
    assert all(torch.allclose(found[name], again[name], atol=1e-6) for name in found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sharded_weights_and_moments_are_read_whole_and_put_back(place, tiny_chat):
    (place / "shard.py").write_text(SHARDED)
    done = launch(place / "shard.py", tiny_chat("qwen"), flags=TWO)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the same" in done.stdout
