"""Views, corruptions and scores: drawn from the seed alone, in range, and right on known cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.image import calibrate, corruptions, lesson, score
from finetune.image import data as pictures
from finetune.image.augment import augment
from finetune.image.recipe import Augment


@pytest.mark.parametrize("options", [{}, {"aspect": True}, {"fine": True}, {"use": False}])
def test_views_come_from_the_generator_alone(options: dict) -> None:
    films = torch.rand(4, 1, 64, 64)
    aspects, chosen = torch.full((4,), 1.2), Augment(**options)
    kept = films.clone()
    first = augment(films, aspects, chosen, 32, torch.Generator().manual_seed(5))
    again = augment(films, aspects, chosen, 32, torch.Generator().manual_seed(5))
    other = augment(films, aspects, chosen, 32, torch.Generator().manual_seed(6))
    assert torch.equal(films, kept)
    assert torch.equal(first, again)
    assert torch.equal(first, other) is not chosen.use
    assert first.shape == (4, 1, 32, 32)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_an_option_at_naught_changes_nothing() -> None:
    still = Augment(
        jpeg=0, zoom=(1, 1), stretch=0, mirror=0, angle=0, shear=0, gamma=0, contrast=0,
        brightness=0, field=0, sharpness=0, noise=0, border=0, erase=0,
    )  # fmt: skip
    films = torch.rand(2, 1, 200, 200)
    seen = augment(films, torch.ones(2), still, 200, torch.Generator().manual_seed(1))
    # A shift of up to a twentieth of the half side remains.
    assert float((seen - films).abs().mean()) < 0.4
    moved = [
        augment(films, torch.ones(2), still, 200, torch.Generator().manual_seed(n)).mean()
        for n in (2, 3)
    ]
    assert moved[0] == pytest.approx(float(moved[1]), abs=0.05)


def test_corruptions_change_films_more_the_stronger_they_are() -> None:
    films = torch.rand(3, 1, 96, 96).cumsum(3) / 96
    for kind in corruptions.KINDS:
        changed = [corruptions.apply(films, f"{kind} {level}") for level in (1, 2, 3)]
        apart = [float((one - films).abs().mean()) for one in changed]
        assert 0 < apart[0] < apart[1] < apart[2], kind
        assert all(0 <= float(one.min()) <= float(one.max()) <= 1 for one in changed)
        assert torch.equal(changed[0], corruptions.apply(films, f"{kind} 1"))


def test_batches_are_balanced_and_targets_smoothed(folder, make) -> None:
    recipe = make(batch=9, smoothing=0.1)
    films = pictures.of(recipe, folder)
    taught = np.full(len(films), np.nan, np.float32)
    taught[0] = 4.0
    lessons = lesson.Supervised(films, recipe, 10, torch.device("cpu"), taught=taught)
    rows = lessons.draw(torch.Generator().manual_seed(1))
    assert (films.labels[rows] == 0).sum() == 5
    told = lessons.targets(np.array([0, 1]))
    assert told[1].tolist() == pytest.approx([0.9, 0.1])
    assert float(told[0, 1]) == pytest.approx(0.3 * 0.1 + 0.7 / (1 + np.exp(-4)), abs=1e-5)
    grown = make(progressive=True, side=128)
    steps = [lesson.Supervised(films, grown, 100, torch.device("cpu")).side(n) for n in (0, 50, 99)]
    assert steps == [64, 96, 128]


def test_area_under_the_curve_and_calibration_error() -> None:
    assert score.auroc(np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert score.auroc(np.array([1.0, 1, 1, 1]), np.array([0, 1, 0, 1])) == 0.5
    assert np.isnan(score.auroc(np.array([1.0]), np.array([1])))
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 3000)
    logits = generator.normal(size=(3000, 3)) + np.eye(3)[labels] * 2
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert 0.85 < score.mean_auroc(logits, labels) < 0.97
    crossed = calibrate.crossed(logits * 6, labels, np.arange(3000) % 3, "temperature")
    assert score.ece(crossed, labels) < 0.03 < score.ece(np.eye(3)[chances.argmax(1)], labels)
    known = score.figures(crossed, labels)
    assert known["films"] == 3000
    assert known["accuracy"] == pytest.approx(known["balanced_accuracy"], abs=0.02)
    two = score.figures(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]), 0.5)
    assert two["auroc"] is None
    assert two["sensitivity"] == 0.5
