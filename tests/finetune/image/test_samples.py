"""The generative model: real steps on drawn pictures, resumed to the bit; what it draws is no copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assistant.errors import ConfigError
from finetune import recipe as recipes
from finetune.image import _diffusion as diffusion
from finetune.image import data as pictures
from finetune.image import samples
from finetune.progress import Progress


@pytest.fixture
def recipe():
    return recipes.build(
        {
            "task": "image_samples", "name": "drawn", "seed": 3, "side": 28, "steps": 8, "batch": 16,
            "data": {"index": "index.csv", "classes": {"no": ["across"], "yes": ["down", "blob"]}},
            "checkpoint_every": 3, "options": {"axes": 8, "width": 16, "blocks": 1, "drawn": 4},
        },
        "test",
    )  # fmt: skip


def test_a_broken_off_model_ends_as_an_unbroken_one(folder: Path, recipe, tmp_path: Path) -> None:
    films = pictures.of(recipe, folder)
    known = samples.squares(films.pixels, recipe.side)
    latents = diffusion.axes_of(known, 8, recipe.seed)
    whole = samples.fit(recipe, films, latents, known, tmp_path / "a")
    samples.fit(recipe, films, latents, known, tmp_path / "b", stop_after=5)
    steps: list[int] = []

    def report(progress: Progress) -> None:
        steps.append(progress.step)

    again = samples.fit(recipe, films, latents, known, tmp_path / "b", report)
    assert steps == [6, 7, 8]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    made = latents.films(diffusion.sample(whole, 4, 1, torch.Generator().manual_seed(1)).numpy())
    assert made.shape == (4, 28 * 28)
    assert (samples.nearest(known, known) < 0.05).all()
    assert (samples.nearest(made, known) > 0.05).all()


def test_what_is_written_says_that_it_is_synthetic(tmp_path: Path) -> None:
    film = np.random.default_rng(0).normal(size=(28, 28)).astype(np.float32)
    samples._write(tmp_path / "one.png", samples._picture(film))
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.info["Comment"] == samples.NOTICE
        assert np.asarray(picture)[-12:, 4:60].max() > 150  # The word in the corner.


def test_a_wrong_option_or_side_is_one_sentence(folder: Path, recipe, tmp_path: Path) -> None:
    wrong = recipe.model_copy(update={"options": {"axis": 3}})
    with pytest.raises(ConfigError, match=r"options\.axis"):
        samples.train(wrong, folder, tmp_path, tmp_path / "run")
    odd = recipe.model_copy(update={"side": 30})
    with pytest.raises(ConfigError, match="has to divide"):
        samples.train(odd, folder, tmp_path, tmp_path / "run")
