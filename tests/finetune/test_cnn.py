from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from assistant.errors import InputError
from assistant.vision.classifier import Classifier
from assistant.vision.weights import CARD_FILE, MODEL_FILE, load
from finetune import _cnn_data as data
from finetune import _cnn_gate as gate
from finetune import _cnn_measure as measure
from finetune import _cnn_negatives as negatives
from finetune import cnn, films
from finetune._cnn_augment import STRESSES, Augment, stress
from finetune._cnn_train import Plan, fit

TINY = Plan(width=4, side=64, epochs=2, batch=8, threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures in two classes, two a patient."""
    root = tmp_path_factory.mktemp("films")
    generator = np.random.default_rng(1)
    rows = []
    for number in range(96):
        label = number % 2
        pixels = negatives.slice_phantom(generator) if label else negatives.limb_phantom(generator)
        file = f"{number}.jpeg"
        Image.fromarray(pixels).save(root / file)
        patient = f"{'NP'[label]}{number // 4}"
        rows.append({"file": file, "label": ("NORMAL", "bacteria")[label], "patient_id": patient,
                     "dup_group": "d1" if number in (0, 4) else "", "orig_width": "120",
                     "orig_height": "100"})  # fmt: skip
    with (root / cnn.INDEX).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    cnn.train(folder / cnn.INDEX, out, TINY, max_steps=2)
    return out


def test_no_patient_stands_on_two_sides(folder: Path) -> None:
    loaded = data.load(folder / cnn.INDEX)
    sides = data.split(loaded)
    assert sum(mask.sum() for mask in sides.values()) == len(loaded)
    groups = [set(loaded.groups[mask]) for mask in sides.values()]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert loaded.groups[0] == loaded.groups[4]  # Joined by their duplicate.


def test_training_writes_weights_that_serve(trained: Path, folder: Path) -> None:
    model = Classifier(trained)
    pixels = data.load(folder / cnn.INDEX, limit=4).pixels
    chances = model.probabilities(pixels)
    assert chances.shape == (4,)
    assert ((chances > 0) & (chances < 1)).all()
    assert model.attention(pixels[0]).shape == (224, 224)
    card = load(trained).card
    assert {"hold-out", "hold-out, blur"} <= set(card["results"])
    assert [p["name"] for p in card["operating_points"]] == ["balanced", "rule out", "rule in"]


def test_a_broken_off_run_ends_as_an_unbroken_one(folder: Path, tmp_path: Path) -> None:
    loaded = data.load(folder / cnn.INDEX, limit=32)
    whole = fit(loaded, TINY, max_steps=4)
    fit(loaded, TINY, tmp_path / "c.safetensors", max_steps=2)
    with safe_open(tmp_path / "c.safetensors", "pt") as stored:
        assert stored.metadata()["step"] == "2"
    resumed = fit(loaded, TINY, tmp_path / "c.safetensors", max_steps=4)
    for name, value in whole.state_dict().items():
        assert torch.allclose(value.float(), resumed.state_dict()[name].float(), atol=1e-4), name


def test_a_checkpoint_of_another_plan_is_refused(folder: Path, tmp_path: Path) -> None:
    loaded = data.load(folder / cnn.INDEX, limit=16)
    fit(loaded, TINY, tmp_path / "c.safetensors", max_steps=1)
    with pytest.raises(ValueError, match="another plan"):
        fit(loaded, Plan(width=4, side=64, batch=8, seed=9), tmp_path / "c.safetensors")


def test_training_on_from_a_model_starts_at_its_weights(
    trained: Path, folder: Path, tmp_path: Path
) -> None:
    card = cnn.train(folder / cnn.INDEX, tmp_path, TINY, max_steps=1, start=trained)
    assert card["training"]["plan"]["start"] == load(trained).card["sha256"]


def test_the_baseline_trains(folder: Path) -> None:
    loaded = data.load(folder / cnn.INDEX, limit=16)
    network = fit(loaded, Plan(network="baseline", batch=4, threads=1), max_steps=1)
    assert measure.score(measure.mirrored(network), loaded).logits.shape == (16,)


def test_the_gate_trains_and_serves(folder: Path, tmp_path: Path) -> None:
    from assistant.vision.gate import Gate

    loaded = data.load(folder / cnn.INDEX)
    parts = {name: loaded.take(mask) for name, mask in data.split(loaded).items()}
    network = gate.fit(parts["train"], np.zeros((0, 224, 224), np.uint8), steps=2, batch=16)
    card = gate.assess(network, parts, tmp_path / "absent", tmp_path)
    assert card["results"]["drawn pictures"]["pictures"] == 400
    shares = Gate(tmp_path).shares(loaded.pixels[:3])
    assert shares.sum(1) == pytest.approx(np.ones(3), abs=1e-5)


def test_synthetic_films_are_no_copies(folder: Path) -> None:
    known = films.standardise(data.load(folder / cnn.INDEX).pixels)
    model = films.fit(known, components=10)
    drawn = np.stack([model.sample(np.random.default_rng(2)) for _ in range(5)])
    assert films.nearest(known, known) == pytest.approx(np.zeros(len(known)), abs=0.05)
    assert (films.nearest(drawn, known) > 0.05).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\nx.png,NORMAL\n", "patient_id"),
        ("file,label,patient_id\n0.jpeg,COUGH,p\n", "line 2: the label 'COUGH'"),
        ("file,label,patient_id\nabsent.png,NORMAL,p\n", "line 2"),
        ("", "patient_id"),
    ],
)
def test_a_bad_index_is_named(folder: Path, text: str, words: str) -> None:
    index = folder / "bad.csv"
    index.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        data.load(index)


def test_too_few_films_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks a class"):
        cnn.train(folder / cnn.INDEX, tmp_path, TINY, limit=3)
    assert not (tmp_path / CARD_FILE).exists()
    assert not (tmp_path / MODEL_FILE).exists()


def test_views_are_drawn_from_the_generator_alone() -> None:
    batch = torch.rand(4, 1, 224, 224)
    aspects = torch.full((4,), 1.2)
    first = Augment(64, torch.Generator().manual_seed(5))(batch, aspects)
    again = Augment(64, torch.Generator().manual_seed(5))(batch, aspects)
    assert torch.equal(first, again)
    assert first.shape == (4, 1, 64, 64)
    assert first.min() >= 0
    assert first.max() <= 1


def test_stresses_change_films_and_stay_in_range() -> None:
    batch = torch.rand(2, 1, 224, 224)
    for name in STRESSES:
        stressed = stress(batch, name)
        assert stressed.shape == batch.shape, name
        assert 0 <= float(stressed.min()) <= float(stressed.max()) <= 1, name
        assert not torch.equal(stressed, batch), name


def test_area_under_the_curve_and_calibration() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 4000)
    truth = generator.normal(size=4000) + (labels * 2 - 1)
    assert measure.auroc(np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert measure.auroc(np.array([1.0, 1, 1, 1]), np.array([0, 1, 0, 1])) == 0.5
    calibration = measure.calibrate(measure.Scored(truth * 5 - 3, labels))
    chances = calibration(truth * 5 - 3)
    assert measure.expected_calibration_error(chances, labels) < 0.03
    assert calibration.slope == pytest.approx(0.4, abs=0.05)


def test_exposure_and_polarity_of_ranks() -> None:
    from assistant.vision.network import equalise

    film = torch.rand(1, 1, 64, 64) * 0.8 + 0.1
    same = equalise(film**1.7)
    assert (equalise(film) - same).abs().mean() < 0.05
    assert equalise(torch.full((1, 1, 64, 64), 0.5)).isfinite().all()
