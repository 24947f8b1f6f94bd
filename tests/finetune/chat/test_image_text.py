"""Instructions with pictures: a real LoRA on a tiny LLaVA, its samples, and bad pictures named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from assistant.errors import ConfigError, InputError, ModelError
from assistant.models import _chat_files
from finetune import chat
from finetune._chat_recipe import ChatRecipe
from finetune.chat import batches, image_text, images

ANSWERS = ("It is dark.", "It shines bright.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Dark and bright pictures of several sizes; only the picture tells the answer."""
    made = tmp_path_factory.mktemp("pictures")
    (made / "films").mkdir()
    rng, rows = np.random.default_rng(1), []
    for n in range(24):
        bright = n % 2
        grey = rng.integers(0, 60, (40 + n, 48), dtype=np.uint8) + 190 * bright
        name = f"films/{n}.{'png' if n % 3 else 'jpg'}"
        Image.fromarray(grey.astype(np.uint8)).save(made / name)
        rows.append(
            {
                "id": f"p{n}", "image": name, "prompt": "How is it? " + "Look. " * (n % 4),
                "completion": ANSWERS[bright],
            }
        )  # fmt: skip
    (made / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.fixture(scope="module")
def recipe(tiny_image_chat):
    def make(**changes):
        values = {
            "task": "image_chat", "name": "tiny", "base": str(tiny_image_chat), "rank": 8,
            "data": {"train": "train.jsonl", "held_back": 0.2}, "alpha": 16, "epochs": 8,
            "max_tokens": 128, "batch_tokens": 512, "seed": 3, "learning_rate": 0.01,
            "validate_every": 8, "checkpoint_every": 8, "precision": "fp32", "patience": 50,
        }  # fmt: skip
        return ChatRecipe(**{**values, **changes})

    return make


@pytest.fixture(scope="module")
def trained(recipe, folder, tmp_path_factory):
    place, seen = tmp_path_factory.mktemp("trained"), []
    results = chat.train(recipe(), place / "adapter", place / "run", seen.append, data=folder)
    return place / "adapter", results, seen


def test_the_loss_goes_down(trained):
    _, results, seen = trained
    # The frozen random output layer of so small a model allows no more.
    assert results["validation_loss"] < seen[0].loss - 0.9
    assert [p.validation for p in seen if p.validation is not None][-1] == results[
        "validation_loss"
    ]


def test_only_the_language_part_has_an_adapter_that_serving_takes(trained, recipe):
    adapter, _, _ = trained
    names = load_file(adapter / "adapter_model.safetensors")
    assert names
    assert all("language_model" in name for name in names)
    digest = _chat_files.base_digest(_chat_files.locate(recipe().base))
    assert _chat_files.check_adapter(adapter, digest).task == "image_chat"


def test_a_batch_loses_what_its_samples_lose_alone(recipe, folder):
    made = image_text.prepare(recipe(), folder)
    task, tuned = made.task, made.parts.model.eval()
    task.held = chosen = task.train[:5]
    assert len({len(s.ids) for s in chosen}) > 1
    with torch.no_grad():
        together = float(task.loss(tuned, batches.Micro(tuple(range(5)), 1, 1)))
        alone = 0.0
        for sample in chosen:
            inputs = images.read(made.parts.tokenizer, [sample], 10**6)
            ids = inputs["input_ids"][0]
            assert ids.tolist() == sample.ids.tolist()
            logits = tuned(**inputs).logits[0, :-1].float()
            each = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
            alone += float(each[torch.from_numpy(sample.said)[1:]].sum())
        other = replace(sample, images=task.train[6].images)
        assert other.images != sample.images
        task.held = [sample, other]
        first, second = (float(task.loss(tuned, batches.Micro((n,), 1, 1))) for n in (0, 1))
        assert abs(first - second) > 1e-4  # what is seen changes what is said
    task.scorer.close()
    assert together == pytest.approx(alone, rel=1e-5)
    words = made.parts.tokenizer.tokenizer
    assert all(words.decode(s.ids[s.said]).strip() in (f"{a}</s>" for a in ANSWERS) for s in chosen)


def test_other_pictures_are_another_training(recipe, folder, tmp_path):
    one = image_text.prepare(recipe(), folder)
    one.task.scorer.close()
    shutil.copytree(folder, tmp_path / "data")
    Image.new("L", (50, 50), 9).save(tmp_path / "data/films/1.png")
    two = image_text.prepare(recipe(), tmp_path / "data")
    two.task.scorer.close()
    assert one.task.fingerprint()["images"] != two.task.fingerprint()["images"]
    assert one.task.fingerprint()["data"] == two.task.fingerprint()["data"]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (None, "names no picture"),
        ([], "names 0 pictures"),
        ("../secret.png", "not below"),
        ("/etc/passwd.png", "not below"),
        ("films/none.png", "there is no picture"),
        ("films/list.txt", "neither .png nor .jpg"),
    ],
)
def test_a_row_without_its_picture_is_named(tmp_path, image, says):
    row = {"prompt": "How is it?", "completion": "Dark.", "image": image}
    (tmp_path / "train.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=rf"row 1.*{says}"):
        images.named(tmp_path / "train.jsonl")


def test_a_picture_that_can_not_be_used_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="at most"):
        images.picture(folder / "films/1.png", 100)
    (tmp_path / "half.png").write_bytes((folder / "films/1.png").read_bytes()[:200])
    (tmp_path / "no.png").write_text("not a picture")
    for name in ("half.png", "no.png"):
        with pytest.raises(InputError, match=name):
            images.picture(tmp_path / name, 10**6)


def test_what_does_not_fit_is_said(recipe, folder, tiny_chat):
    with pytest.raises(ConfigError, match="packing"):
        image_text.options(recipe(packing=True))
    with pytest.raises(ConfigError, match=r"options\.part.*parts, max_pixels"):
        image_text.options(recipe(options={"part": "all"}))
    with pytest.raises(ModelError, match="set task to chat"):
        image_text.processor(str(tiny_chat("qwen")))
    with pytest.raises(InputError, match="max_tokens"):
        image_text.prepare(recipe(max_tokens=16), folder)
