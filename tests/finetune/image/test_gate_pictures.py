"""The pictures that the gate learns from: drawn ones, and films in their settings."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.image import gate_pictures as drawn
from finetune.image import gate_views as views

SIDE = drawn.SIDE


def film(seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return ((rows + 0.5 * columns) / 2 + generator.random((SIDE, SIDE)) * 20).astype(np.uint8)


@pytest.mark.parametrize("kind", list(drawn.DRAWN))
def test_drawn_pictures_follow_from_the_seed(kind: str) -> None:
    generator, again = (np.random.default_rng(4) for _ in range(2))
    found = [drawn.draw(kind, generator) for _ in range(3)]
    assert all(picture.shape == (SIDE, SIDE) and picture.dtype == np.uint8 for picture in found)
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], drawn.draw(kind, again))


def test_a_pose_says_how_a_film_was_turned() -> None:
    shown = film()
    sheet = np.full((SIDE, SIDE), 200, np.uint8)
    posed = [views.view(shown, sheet, np.random.default_rng(seed)) for seed in range(60)]
    assert {pose.turn for pose in posed} == {0, 1, 2, 3}
    assert {pose.inverted for pose in posed} == {False, True}
    assert all(abs(pose.tilt) <= views.TILT for pose in posed)
    undone = [
        np.rot90(255 - pose.pixels if pose.inverted else pose.pixels, -pose.turn)
        for pose in posed
        if pose.tilt == 0
    ]
    # Some stand in no other setting, and are the film itself again.
    assert sum(np.array_equal(picture, shown) for picture in undone) >= 5


def test_a_tilt_is_anticlockwise() -> None:
    shown = np.zeros((SIDE, SIDE), np.uint8)
    shown[SIDE // 2 - 2 : SIDE // 2 + 2, SIDE // 2 :] = 255
    tilted = views.tilted(shown, 20.0, np.random.default_rng(2))
    right = tilted[:, int(SIDE * 0.9)]
    assert right.argmax() < SIDE // 2


@pytest.mark.parametrize("name", ["lightbox", "bordered"])
def test_settings_keep_the_size(name: str) -> None:
    found = getattr(views, name)(film(), np.random.default_rng(3))
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.uint8
    assert not np.array_equal(found, film())


def test_ruined_films_keep_no_order() -> None:
    generator = np.random.default_rng(5)
    for _ in range(12):
        found = views.ruined(film(), film(2), generator)
        assert found.shape == (SIDE, SIDE)
        assert not np.array_equal(found, film())
    small = views.pasted(film(), np.full((SIDE, SIDE), 250, np.uint8), generator)
    assert (small == 250).mean() > 0.3
