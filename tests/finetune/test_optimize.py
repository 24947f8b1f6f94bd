"""Forms are measured against float32 on the shipped adapters, chosen, kept and exported."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from finetune import optimize
from finetune.optimize import Measured
from retrieval import adapters, forms
from retrieval.encoder import EMBEDDED, Encoder, locate
from retrieval.errors import ConfigError
from retrieval.files import sha256

TEXTS = (
    "Asthma narrows the airways. Inhaled steroids calm them. Salbutamol opens them within minutes.",
    "Metformin is the first drug for type 2 diabetes. It can cause diarrhoea and, rarely, acidosis.",
    "Gout comes of uric acid. Allopurinol lowers it. An attack is treated with colchicine.",
    "Warfarin thins the blood. Vitamin K undoes it. The INR is watched every few weeks.",
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load()


@pytest.mark.parametrize("name", ["embed", "entities", "rerank"])
def test_forms_of_the_shipped_adapters_agree_with_float32(encoder, name) -> None:
    rows = optimize.measure(encoder, name, TEXTS, ["bf16", "int8"], rounds=1)
    assert [row.form for row in rows] == ["float32", "bf16", "int8"]
    assert rows[0].agreement == 1.0
    assert rows[0].speed == 1.0
    assert all(0.7 <= row.agreement <= 1.0 and row.texts_per_s > 0 for row in rows)


def row(task: str, form: str, speed: float, agreement: float) -> Measured:
    return Measured(task, task, form, 1.0, speed, agreement, "labels")


def test_the_fastest_form_that_agrees_is_chosen_and_served(tmp_path) -> None:
    rows = [
        row("rerank", "float32", 1.0, 1.0), row("rerank", "bf16", 2.0, 0.995),
        row("rerank", "int8", 3.0, 0.95), row("entities", "float32", 1.0, 1.0),
        row("entities", "int8", 3.0, 0.98),
    ]  # fmt: skip
    choice = optimize.choose(rows)
    assert choice == {"rerank": "bf16", "entities": "float32"}
    path = optimize.keep(tmp_path / "state", rows, choice)
    assert forms.chosen(tmp_path / "state") == choice
    assert json.loads(path.read_text())["measured"][1]["speed"] == 2.0


def test_a_merged_encoder_is_whole_and_gives_the_adapter_s_states(encoder, tmp_path) -> None:
    folder = optimize.export(encoder, "rerank", "float32", tmp_path, [], locate(EMBEDDED))
    card = json.loads((folder / "card.json").read_text())
    assert card["sha256"] == sha256(folder / "model.safetensors")
    assert card["merged"] is True
    alone = Encoder.load(str(folder), bf16=False)
    own = adapters.Adapter.load(encoder, "rerank", "rerank").bert
    ids = torch.tensor([encoder.tokenize(["Does asthma narrow the airways?"])[0].ids])
    with torch.inference_mode():
        one, two = alone.bert(ids, torch.ones_like(ids)), own(ids, torch.ones_like(ids))
    assert torch.cosine_similarity(one.float(), two.float(), dim=2).min() > 0.999
    assert load_file(folder / "head.safetensors")
    with pytest.raises(ConfigError, match="exists"):
        optimize.export(encoder, "rerank", "float32", tmp_path, [], locate(EMBEDDED))
    with pytest.raises(ConfigError, match="export float32 or bf16"):
        optimize.export(encoder, "rerank", "int8", tmp_path, [], locate(EMBEDDED))


def test_a_form_that_is_not_known_is_named(encoder) -> None:
    with pytest.raises(ConfigError, match="There is no form 'int3'"):
        optimize.measure(encoder, "rerank", TEXTS, ["int3"])
