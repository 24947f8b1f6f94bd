"""A real LoRA on a tiny model: trained, killed and resumed, saved, loaded, merged."""

from __future__ import annotations

import json
import math
import shutil

import pytest
import torch

from assistant.errors import ConfigError, InputError, ModelError
from assistant.models import _chat_files
from finetune import chat, checkpoints
from finetune._chat_recipe import ChatRecipe
from finetune.chat import export, instruct, loop, model

# peft asks by a name that transformers is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
WORDS = ("cough", "fever", "gout", "asthma", "migraine", "rash")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder: every illness has one remedy, so there is something to learn."""
    made = tmp_path_factory.mktemp("chatdata")
    rows = [
        {
            "id": f"{word}{n}",
            "prompt": f"What helps against {word}? " + "It hurts. " * (n % 5),
            "completion": f"Take remedy {WORDS.index(word)}.",
        }
        for word in WORDS
        for n in range(8)
    ]
    (made / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.fixture(scope="module")
def recipe(tiny_chat):
    """Make a recipe for the tiny Qwen."""

    def make(**changes):
        values = {
            "name": "tiny", "base": str(tiny_chat("qwen")), "data": {"train": "train.jsonl"},
            "rank": 4, "alpha": 8, "epochs": 2, "max_tokens": 96, "batch_tokens": 512, "seed": 3,
            "learning_rate": 0.01, "validate_every": 4, "checkpoint_every": 3, "precision": "fp32",
            "patience": 50, "dropout": 0.1, "neftune": 2.0,
        }  # fmt: skip
        return ChatRecipe(**{**values, **changes})

    return make


@pytest.fixture(scope="module")
def trained(recipe, folder, tmp_path_factory):
    """The uninterrupted run: its adapter, its results and what it reported."""
    place, seen = tmp_path_factory.mktemp("trained"), []
    results = chat.train(recipe(), place / "adapter", place / "run", seen.append, data=folder)
    return place, results, seen


def weights(adapter):
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


def test_it_learns_and_says_where_it_stands(trained):
    _, results, seen = trained
    assert [p.step for p in seen] == list(range(1, seen[-1].steps + 1))
    figures = [p.validation for p in seen if p.validation is not None]
    assert results["validation_loss"] == min(figures)
    assert results["validation_loss"] < 0.95 * seen[0].loss
    assert seen[-1].tokens_per_second > 0


def test_the_adapter_is_what_serving_takes_and_gives_the_loss_of_its_card(trained, recipe, folder):
    from peft import PeftModel

    place, results, _ = trained
    adapter = place / "adapter"
    base = model.causal(recipe().base and _chat_files.locate(recipe().base), dtype=torch.float32)
    found = _chat_files.check_adapter(
        adapter, _chat_files.base_digest(_chat_files.locate(recipe().base))
    )
    assert found.task == "chat"
    assert found.card["training_data"]["train"]["conversations"] > 0
    assert "/" not in json.dumps(found.card["recipe"])
    tuned = PeftModel.from_pretrained(base, str(adapter))
    assert validation_loss(recipe(), folder, tuned) == pytest.approx(
        results["validation_loss"], abs=1e-4
    )


def validation_loss(made, folder, tuned):
    from accelerate import Accelerator

    parts = model.Parts(tuned, model.tokenizer(made.base), _chat_files.locate(made.base), "", False)
    sides, _ = instruct._render(made, instruct._read(made, folder), parts.tokenizer)
    task = instruct.Instruct(parts, made.model_copy(update={"neftune": 0.0}), *sides)
    try:
        return loop.validate(task, parts, tuned, Accelerator())
    finally:
        task.scorer.close()


def test_a_killed_run_goes_on_to_the_very_same_adapter(trained, recipe, folder, tmp_path):
    place, results, seen = trained

    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        chat.train(recipe(), tmp_path / "a", tmp_path / "run", kill, data=folder)
    assert not (tmp_path / "a").exists()
    again = []
    found = chat.train(recipe(), tmp_path / "a", tmp_path / "run", again.append, data=folder)
    # The last checkpoint is that of step 4.
    assert [p.step for p in again] == [p.step for p in seen[4:]]
    assert found == results
    one, other = weights(place / "adapter"), weights(tmp_path / "a")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    histories = [
        json.loads((folder / "card.json").read_text())["training"]["history"]
        for folder in (place / "adapter", tmp_path / "a")
    ]
    assert histories[0] == histories[1]


def test_checkpoints_of_another_training_are_refused_until_told_to_begin_anew(
    trained, recipe, folder, tmp_path
):
    place, _, _ = trained
    shutil.copytree(place / "run", tmp_path / "run")
    other = recipe(learning_rate=0.02, steps=1)
    with pytest.raises(checkpoints.TrainingError, match="--fresh"):
        chat.train(other, tmp_path / "a", tmp_path / "run", data=folder)
    chat.train(other, tmp_path / "a", tmp_path / "run", data=folder, fresh=True)
    assert (tmp_path / "a" / "card.json").is_file()


def test_a_loss_that_is_no_number_ends_in_one_sentence(recipe, folder, tmp_path):
    with pytest.raises(checkpoints.TrainingError, match="lower the learning rate"):
        chat.train(
            recipe(learning_rate=1e30, clip=1e30), tmp_path / "a", tmp_path / "run", data=folder
        )
    assert not (tmp_path / "a").exists()


def test_training_stops_early_and_keeps_the_best_step(recipe, folder, tmp_path):
    seen = []
    made = recipe(
        learning_rate=0.5, warmup=0.0, scheduler="constant", validate_every=1, patience=2, epochs=9
    )
    results = chat.train(made, tmp_path / "a", tmp_path / "run", seen.append, data=folder)
    assert seen[-1].step < seen[-1].steps
    assert results["best_step"] == seen[-1].step - 2
    assert results["validation_loss"] == min(p.validation for p in seen)


@pytest.mark.parametrize(
    ("method", "key"), [("dora", "lora_magnitude_vector"), ("rslora", "lora_A")]
)
def test_other_methods_train_and_load(method, key, recipe, folder, tmp_path):
    made = recipe(
        method=method, steps=2, packing=True, gradient_checkpointing=True, precision="bf16"
    )
    results = chat.train(made, tmp_path / "a", tmp_path / "run", data=folder)
    assert math.isfinite(results["validation_loss"])
    assert any(key in name for name in weights(tmp_path / "a"))
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert (config["use_dora"], config["use_rslora"]) == (method == "dora", method == "rslora")


def test_merging_gives_a_model_that_answers_as_base_and_adapter_do(trained, recipe, tmp_path):
    from peft import PeftModel

    place, _, _ = trained
    card = export.merge(place / "adapter", tmp_path / "merged")
    assert card["merged_from"]["adapter"]["name"] == "tiny"
    merged = model.causal(tmp_path / "merged", dtype=torch.float32)
    tuned = PeftModel.from_pretrained(
        model.causal(_chat_files.locate(recipe().base), dtype=torch.float32), str(place / "adapter")
    )
    ids = model.tokenizer(str(tmp_path / "merged"))("What helps against gout?", return_tensors="pt")
    with torch.no_grad():
        one, other = (m.eval()(input_ids=ids["input_ids"]).logits for m in (merged, tuned))
    assert torch.allclose(one, other, atol=0.05)  # bfloat16 has 8 bits of mantissa
    with pytest.raises(InputError, match="exists already"):
        export.merge(place / "adapter", tmp_path / "merged")


def test_an_adapter_of_another_base_a_flipped_bit_and_a_pickle_are_refused(
    trained, tiny_chat, tmp_path
):
    place, _, _ = trained
    made = tmp_path / "adapter"
    shutil.copytree(place / "adapter", made)
    config = json.loads((made / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tiny_chat("llama"))
    (made / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="not on this base"):
        export.merge(made, tmp_path / "out")
    shutil.rmtree(made)
    shutil.copytree(place / "adapter", made)
    path = made / "adapter_model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ModelError, match="digest"):
        export.merge(made, tmp_path / "out")
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ModelError, match="pickle"):
        export.merge(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for what a GPU has")
def test_four_bits_without_cuda_are_one_sentence(trained, recipe, folder, tmp_path):
    place, _, _ = trained
    with pytest.raises(ConfigError, match="4 bits need a CUDA device"):
        chat.train(recipe(method="qlora"), tmp_path / "a", tmp_path / "run", data=folder)
    with pytest.raises(ConfigError, match="8 bits need a CUDA device"):
        export.merge(place / "adapter", tmp_path / "out", 8)
    with pytest.raises(ConfigError, match="not 5"):
        export.merge(place / "adapter", tmp_path / "out", 5)
    with pytest.raises(ConfigError, match="liger"):
        chat.train(recipe(liger="on"), tmp_path / "a", tmp_path / "run", data=folder)


def test_layers_that_the_base_lacks_are_one_sentence(recipe, folder, tmp_path):
    with pytest.raises(ConfigError, match="target_modules"):
        chat.train(
            recipe(target_modules=("nothing",)), tmp_path / "a", tmp_path / "run", data=folder
        )


def test_a_batch_that_holds_no_whole_sample_is_refused():
    with pytest.raises(ValueError, match="one sample must fit"):
        ChatRecipe(name="a", base="b", data={"train": "c"}, max_tokens=4096, batch_tokens=1024)
