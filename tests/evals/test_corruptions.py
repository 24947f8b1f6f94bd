from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image, ImageFilter

from evals import corruptions
from evals.corruptions import SET, Corruption

FILM = np.asarray(
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (28, 28)).astype(np.uint8)).resize(
        (224, 224), Image.Resampling.BICUBIC
    )
)


def test_there_are_eight_changes_at_three_strengths() -> None:
    assert len(SET) == 24
    assert len({change.title for change in SET}) == 24
    assert all(
        [c.strength for c in SET if c.name == name] == [1, 2, 3] for name in corruptions.NAMES
    )


def test_the_published_table_holds_the_values_that_are_used() -> None:
    rows = re.findall(r"^\| (.+?) \|.*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
                      corruptions.__doc__ or "", re.MULTILINE)  # fmt: skip
    table = {name: tuple(map(float, values)) for name, *values in rows}
    assert table == {
        name: tuple(float(c.value) for c in SET if c.name == name) for name in corruptions.NAMES
    }


@pytest.mark.parametrize("change", SET, ids=lambda change: change.title)
def test_every_change_gives_a_film_and_gives_it_again(change: Corruption) -> None:
    before = FILM.copy()
    found = change(FILM)
    assert found.shape == FILM.shape
    assert found.dtype == np.uint8
    assert (before == FILM).all()
    assert not (found == FILM).all()
    assert (found == change(FILM)).all()


@pytest.mark.parametrize("name", [n for n in corruptions.NAMES if n != "crop"])
def test_a_greater_strength_changes_more(name: str) -> None:
    far = [np.abs(c(FILM).astype(int) - FILM).mean() for c in SET if c.name == name]
    assert far == sorted(far)
    assert far[0] > 0


def test_changes_are_what_the_table_says() -> None:
    x = FILM.astype(np.float64) / 255
    expected = {
        "brighter 2": x**0.5,
        "darker 3": x**2.8,
        "low contrast 1": (x - 0.5) * 0.6 + 0.5,
        "high contrast 3": (x - 0.5) * 2.4 + 0.5,
    }
    found = {change.title: change for change in SET}
    for title, values in expected.items():
        assert (found[title](FILM) == np.rint(values.clip(0, 1) * 255)).all()
    stream = io.BytesIO()
    Image.fromarray(FILM).save(stream, "JPEG", quality=10)
    assert (found["JPEG 3"](FILM) == np.asarray(Image.open(stream))).all()
    noise = found["noise 2"](np.full((224, 224), 128, np.uint8)).astype(float)
    assert noise.std() / 255 == pytest.approx(0.06, abs=0.002)
    soft = np.asarray(Image.fromarray(FILM).filter(ImageFilter.GaussianBlur(2)), dtype=float)
    assert np.abs(found["blur 2"](FILM) - soft)[10:-10, 10:-10].mean() < 1.5


def test_a_crop_shows_the_middle() -> None:
    ramp = np.tile(np.arange(224, dtype=np.uint8), (224, 1))
    found = next(c for c in SET if c.title == "crop 3")(ramp)
    assert found[100, 0] == pytest.approx(224 * 0.125, abs=1)
    assert found[100, -1] == pytest.approx(224 * 0.875, abs=1)
    assert (found == found[:1]).all()


def test_no_two_films_get_the_same_noise() -> None:
    noise = next(c for c in SET if c.title == "noise 3")
    one, other = np.full((224, 224), 120, np.uint8), np.full((224, 224), 121, np.uint8)
    assert np.corrcoef(noise(one).ravel(), noise(other).ravel())[0, 1] < 0.05


def test_films_of_any_size_are_squashed() -> None:
    assert corruptions.squash(np.zeros((900, 700), np.uint8)).shape == (224, 224)
    assert corruptions.squash(FILM) is FILM
