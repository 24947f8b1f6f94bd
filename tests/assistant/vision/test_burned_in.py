from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.vision import burned_in


def film(seed: int = 0, side: int = 480) -> Image.Image:
    """Draw soft shadows with some noise, as films have, and no writing."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    lungs = np.exp(-((np.abs(x) - 0.45) ** 2 / 0.06 + y**2 / 0.35))
    ribs = 12 * np.sin(y * 28 + x**2 * 9) * lungs
    grey = 170 - 120 * lungs + ribs + generator.normal(0, 4, x.shape)
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


def stamped(words: str, size: int, where: str, fill: int) -> np.ndarray:
    picture = film()
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    _, _, wide, tall = draw.textbbox((0, 0), words, font=font)
    down, across = where.split()
    top = 5 if down == "top" else picture.height - tall - 8
    left = 5 if across == "left" else picture.width - wide - 8
    draw.rectangle((left - 4, top - 4, left + wide + 4, top + tall + 4), fill=255 - fill)
    draw.text((left, top), words, fill=fill, font=font)
    return np.asarray(picture)


@pytest.mark.parametrize("where", ["top left", "top right", "bottom left", "bottom right"])
@pytest.mark.parametrize(("size", "fill"), [(13, 255), (20, 255), (28, 0)])
def test_names_and_dates_are_found(where: str, size: int, fill: int) -> None:
    pixels = stamped("MUSTER ANNA 1961-03-12", size, where, fill)
    said = burned_in.warnings(pixels)
    assert len(said) == 1
    assert where in said[0]


def test_a_film_without_writing_is_left_alone() -> None:
    for seed in range(3):
        assert not [r for r in burned_in.text_regions(np.asarray(film(seed))) if r.kind == "text"]


def test_a_side_marker_is_a_marker() -> None:
    pixels = stamped("L", 30, "top right", 255)
    found = burned_in.text_regions(pixels)
    assert {region.kind for region in found} == {"marker"}
    assert max(region.bottom for region in found) < 60
    assert not burned_in.warnings(pixels)


def test_the_files_own_word_is_passed_on() -> None:
    assert burned_in.warnings(np.asarray(film()), flagged=True) == [burned_in.FLAGGED]


@pytest.mark.parametrize("shape", [(0, 0), (1, 10_000), (10, 10), (64, 64)])
def test_any_size_is_looked_at(shape: tuple[int, int]) -> None:
    assert burned_in.text_regions(np.zeros(shape, np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    burned_in.text_regions(noise)
