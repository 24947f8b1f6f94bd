from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from assistant.vision import heatmap


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        picture.verify()
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert not picture.info
        return np.asarray(picture).copy()


@pytest.mark.parametrize("shape", [(224, 224), (300, 500), (2000, 900), (40, 400)])
def test_the_overlay_has_the_films_aspect(shape: tuple[int, int]) -> None:
    film = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    shown = opened(heatmap.overlay(film, np.zeros((7, 7), np.float32)))
    assert shown.shape[2] == 3
    assert shown.shape[0] / shown.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.02)
    assert min(shown.shape[:2]) == min(shape[0], shape[1], heatmap.SHORT_SIDE)
    # Without heat it is the film in grey.
    assert (shown[..., 0] == shown[..., 1]).all()
    assert (shown[..., 1] == shown[..., 2]).all()


def test_heat_glows_where_it_is() -> None:
    film = np.full((384, 384), 100, np.uint8)
    heat = np.zeros((48, 48), np.float32)
    heat[:24, :24] = 1
    shown = opened(heatmap.overlay(film, heat)).astype(int)
    assert (shown[300, 300] == 100).all()
    red, green, blue = shown[80, 80]
    assert red > 180 > blue
    assert green > 180


def test_a_map_that_is_not_a_number_is_no_heat() -> None:
    film = np.full((64, 64), 90, np.uint8)
    heat = np.full((8, 8), np.nan, np.float32)
    assert (opened(heatmap.overlay(film, heat)) == 90).all()
    assert (opened(heatmap.bare(heat, film.shape)) == 0).all()


def test_the_bare_map_is_grey_and_small() -> None:
    heat = np.linspace(0, 1, 56, dtype=np.float32)[None].repeat(56, 0)
    shown = opened(heatmap.bare(heat, (1000, 500)))
    assert shown.shape == (256, 128)
    assert shown[:, 0].max() < 20
    assert shown[:, -1].min() > 235
    assert opened(heatmap.bare(heat, (100, 80))).shape == (100, 80)


def test_the_film_alone_is_what_was_judged() -> None:
    film = np.random.default_rng(3).integers(0, 256, (90, 120)).astype(np.uint8)
    assert (opened(heatmap.plain(film)) == film).all()
    assert opened(heatmap.plain(np.zeros((3000, 1500), np.uint8))).shape == (768, 384)
