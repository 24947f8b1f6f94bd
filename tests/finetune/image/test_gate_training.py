"""A tiny gate is trained, goes on where it stood, and serves; wrong options are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from assistant.vision import weights
from assistant.vision._gate_network import OUTPUTS, SEEN, parts
from assistant.vision.decode import RadiographImage
from assistant.vision.gate import Gate
from finetune.image import gate, gate_measure
from finetune.image.recipe import ToolRecipe
from retrieval.errors import ConfigError


def recipe(**changes: Any) -> ToolRecipe:
    values: dict[str, Any] = {
        "task": "image_gate", "name": "tiny", "seed": 3, "steps": 2, "batch": 24, "side": 32,
        "checkpoint_every": 1, "threads": 1,
        "data": {"index": "index.csv", "classes": {"all": ["across", "down", "blob"], "none": ["-"]},
                 "group": ["patient_id"], "held_out": 0.2, "validation": 0.2, "name": "drawings"},
        "options": {
            "drawn": 11,
            "others": [{"index": "index.csv", "kind": "photo", "only": {"label": ["blob"]},
                        "group": ["patient_id"]}],
            "measured": [{"name": "stripes", "index": "index.csv", "only": {"label": ["down"]}}],
        },
    }  # fmt: skip
    return ToolRecipe.model_validate({**values, **changes})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure few pictures."""
    monkeypatch.setattr(gate_measure, "EACH", 1)
    monkeypatch.setattr(gate_measure, "CORRUPTED", 2)


@pytest.mark.usefixtures("quick")
def test_the_gate_trains_goes_on_and_serves(folder: Path, tmp_path: Path) -> None:
    seen = []
    results = gate.train(
        recipe(), folder, tmp_path / "out", tmp_path / "run", seen.append, fresh=False
    )
    assert [progress.step for progress in seen] == [1, 2]
    card = weights.read_card(tmp_path / "out")
    assert card["results"] == results
    assert card["labels"] == list(SEEN)
    assert results["stripes"]["pictures"] == 16
    assert results["photo, half held out"]["pictures"] > 0
    assert set(results["chest films held out"]) >= {"pictures", "refused", "kinds"}
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert len(before) < 2_500_000

    again = gate.train(recipe(), folder, tmp_path / "out", tmp_path / "run", None, fresh=False)
    assert again == results
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before

    served = Gate(tmp_path / "out")
    picture = np.arange(224 * 224, dtype=np.uint32).reshape(224, 224).astype(np.uint8)
    assert served.shares(picture[None]).sum() == pytest.approx(1, abs=1e-5)
    found = served.screen(RadiographImage(np.tile(np.arange(224, dtype=np.uint8), (224, 1)), "png"))
    assert found.report.kind in SEEN


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"others": [{"index": "x.csv", "kind": "cat"}]}, "the kind 'cat' is none of film"),
        ({"drawm": 5}, "options.drawm"),
        ({"drawn": 2}, "options.drawn"),
    ],
)
def test_wrong_options_are_named(
    folder: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        gate.train(recipe(options=options), folder, tmp_path, tmp_path / "run", None, fresh=False)


def test_batches_follow_from_the_step_and_hold_every_sort() -> None:
    class Some:
        pixels = np.random.default_rng(1).integers(0, 255, (4, 224, 224)).astype(np.uint8)

    pool = gate.draw_pool(11, 1)
    read = {SEEN.index("photo"): Some.pixels}
    lesson = gate.Lesson(Some(), pool, read, recipe(batch=48), torch.device("cpu"))  # type: ignore[arg-type]
    pixels, kinds, poses = lesson.batch(np.random.default_rng((3, 0)))
    same, _, _ = lesson.batch(np.random.default_rng((3, 0)))
    assert np.array_equal(pixels, same)
    assert pixels.shape == (48, 224, 224)
    assert (kinds == 0).sum() == 21
    assert len(set(kinds.tolist())) >= 6
    assert (poses[kinds != 0] == 0).all()
    assert set(poses[:, 0].tolist()) <= {0.0, 1.0, 2.0, 3.0}


def test_the_loss_counts_poses_of_films_only() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, OUTPUTS)
    kinds = torch.tensor([3, 4, 5, 6])
    poses = torch.zeros(4, 3)
    plain = functional.cross_entropy(parts(logits)[0], kinds, label_smoothing=0.02)
    assert float(gate.gate_loss(logits, kinds, poses)) == pytest.approx(float(plain))
    with_film = gate.gate_loss(logits, torch.tensor([0, 4, 5, 6]), poses)
    turned = poses.clone()
    turned[0, 0] = 2
    assert float(gate.gate_loss(logits, torch.tensor([0, 4, 5, 6]), turned)) != float(with_film)


def test_halves_are_disjoint_and_about_even() -> None:
    names = [f"group {number}" for number in range(400)]
    share = np.mean([gate.first_half(name) for name in names])
    assert 0.4 < share < 0.6
    assert [gate.first_half(name) for name in names] == [gate.first_half(name) for name in names]
