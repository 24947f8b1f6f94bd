"""Preference tuning: the loss is TRL's and by hand, the reference is the base, and it learns."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional as F

from assistant.errors import ConfigError, InputError
from finetune import chat
from finetune._chat_recipe import ChatRecipe
from finetune.chat import data, model, preference

WORDS = ("cough", "fever", "gout", "asthma", "migraine", "rash")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thumbs: an answer that rests is liked, one that rushes is not."""
    made = tmp_path_factory.mktemp("preferences")
    rows = [
        {
            "id": f"{word}{n}",
            "prompt": [
                {"role": "user", "content": f"I have {word}."},
                {"role": "assistant", "content": "For how long?"},
                {"role": "user", "content": "What now? " + "It hurts. " * n},
            ],
            "chosen": f"Rest, and see a doctor about {word}.",
            "rejected": f"Run, and never mind {word}. " * (1 + n % 2),
        }
        for word in WORDS
        for n in range(3)
    ]
    (made / "feedback.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.fixture(scope="module")
def recipe(tiny_chat):
    def make(**changes):
        values = {
            "task": "preference", "name": "tiny", "base": str(tiny_chat("qwen")), "rank": 4,
            "data": {"train": "feedback.jsonl", "held_back": 0.2}, "alpha": 8, "epochs": 3,
            "max_tokens": 160, "batch_tokens": 1024, "seed": 3, "learning_rate": 0.01,
            "validate_every": 4, "checkpoint_every": 3, "precision": "fp32", "dropout": 0.1,
        }  # fmt: skip
        return ChatRecipe(**{**values, **changes})

    return make


def test_the_loss_is_the_paper_s_and_trl_s() -> None:
    generator = torch.Generator().manual_seed(1)
    policy, reference = (-40 * torch.rand(10, generator=generator) for _ in range(2))
    found = preference.pair_losses(policy, reference, beta=0.3)
    for n in range(5):
        ratio = (policy[n] - reference[n]) - (policy[5 + n] - reference[5 + n])
        assert found[n] == pytest.approx(float(-torch.log(torch.sigmoid(0.3 * ratio))), abs=1e-5)
    # As TRL's DPOTrainer writes "sigmoid", and its label smoothing.
    chosen, rejected = (policy - reference).chunk(2)
    delta = chosen - rejected
    assert torch.allclose(found, -F.logsigmoid(0.3 * delta), atol=1e-6)
    smooth = preference.pair_losses(policy, reference, 0.3, 0.1)
    assert torch.allclose(
        smooth, -F.logsigmoid(0.3 * delta) * 0.9 - F.logsigmoid(-0.3 * delta) * 0.1
    )
    same = preference.pair_losses(policy, policy, 0.3)
    assert torch.allclose(same, torch.full((5,), 0.6931472))


def plain(causal, sample) -> float:
    """The log probability of a sample's answer, without anything of ours."""
    ids = torch.from_numpy(sample.ids.astype("int64"))[None]
    logits = causal(input_ids=ids).logits[0, :-1].float()
    each = -F.cross_entropy(logits, ids[0, 1:], reduction="none")
    return float(each[torch.from_numpy(sample.said)[1:]].sum())


@pytest.mark.parametrize("packing", [False, True])
def test_the_reference_is_the_base_and_sums_are_those_of_single_answers(recipe, folder, packing):
    told = recipe(packing=packing)
    ready = preference.prepare(told, folder)
    task, parts = ready.task, ready.parts
    with torch.no_grad():
        for name, weight in parts.model.named_parameters():
            if "lora_B" in name:  # a fresh adapter changes nothing
                weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(len(name)))
        parts.model.eval()
        pairs = task.train[:4]
        policy, reference, lengths = task._sums(parts.model, pairs)
        samples = [*(p.chosen for p in pairs), *(p.rejected for p in pairs)]
        assert lengths.tolist() == [s.weight for s in samples]
        base = model.causal(parts.folder, dtype=torch.float32).eval()
        assert reference.tolist() == pytest.approx([plain(base, s) for s in samples], abs=1e-3)
        assert policy.tolist() == pytest.approx([plain(parts.model, s) for s in samples], abs=1e-3)
    assert (policy - reference).abs().max() > 0.01
    task.scorer.close()


def test_the_prompt_is_the_same_and_the_last_answer_alone_counts(recipe, folder):
    known = model.tokenizer(recipe().base)
    rows = data.load(recipe().data, folder).train
    pairs, counts = preference.pairs(known, rows, 160)
    assert (counts.conversations, counts.samples, counts.unlearnable) == (
        len(rows),
        2 * len(rows),
        0,
    )
    for pair, row in zip(pairs, rows, strict=True):
        said = [known.decode(s.ids[s.said]) for s in (pair.chosen, pair.rejected)]
        assert said[0].startswith(row.messages[-1]["content"])
        assert said[1].startswith(row.rejected)
        start = int(pair.chosen.said.argmax())
        assert (pair.chosen.ids[:start] == pair.rejected.ids[:start]).all()
        assert "For how long?" in known.decode(pair.chosen.ids[:start])


def test_it_learns_to_prefer_and_goes_on_after_a_stop(recipe, folder, tmp_path):
    class StopError(Exception):
        pass

    def stop(progress):
        if progress.step == 5:
            raise StopError

    results = chat.train(recipe(), tmp_path / "a", tmp_path / "whole", data=folder)
    assert results["validation_accuracy"] == 1.0
    assert results["validation_margin"] > 0.1
    assert results["validation_loss"] < 0.6
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert (card["task"], card["training_data"]["format"]) == ("preference", "preference")
    with pytest.raises(StopError):
        chat.train(recipe(), tmp_path / "b", tmp_path / "run", stop, data=folder)
    assert chat.train(recipe(), tmp_path / "b", tmp_path / "run", data=folder) == results
    again = json.loads((tmp_path / "b" / "card.json").read_text())
    assert again["sha256"] == card["sha256"]
    assert again["training"]["history"] == card["training"]["history"]


def test_what_does_not_fit_is_said(recipe, folder, tmp_path):
    with pytest.raises(ConfigError, match=r"options\.bta.*beta, smoothing, anchor"):
        preference.options(recipe(options={"bta": 1}))
    with pytest.raises(ConfigError, match=r"options\.beta"):
        preference.options(recipe(options={"beta": 0}))
    rows = [{"prompt": f"Is {w} bad?", "completion": "Yes."} for w in WORDS]
    (tmp_path / "plain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="prompt, chosen and rejected"):
        preference.prepare(recipe(data={"train": "plain.jsonl"}), tmp_path)
