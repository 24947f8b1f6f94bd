from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from assistant.vision import lungs

SIDE = 224


def drawn(shift: int = 0, consolidation: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return a drawing of a chest and where its lungs are."""
    body, fields = Image.new("L", (SIDE, SIDE), 10), Image.new("L", (SIDE, SIDE))
    pen, mark = ImageDraw.Draw(body), ImageDraw.Draw(fields)
    pen.rounded_rectangle((12 + shift, 15, 212 + shift, 240), 40, fill=170)
    for left, right in ((35, 98), (126, 189)):
        box = (left + shift, 40, right + shift, 160)
        pen.ellipse(box, fill=70)
        mark.ellipse(box, fill=255)
    pen.rectangle((100 + shift, 20, 124 + shift, 224), fill=220)
    if consolidation:
        pen.ellipse((45 + shift, 110, 90 + shift, 150), fill=150)
    noise = np.random.default_rng(2).normal(0, 4, (SIDE, SIDE))
    soft = np.asarray(body.filter(ImageFilter.GaussianBlur(3)), dtype=np.float64) + noise
    return soft.clip(0, 255).astype(np.uint8), np.asarray(fields) > 0


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("shift", [-14, 0, 14])
def test_the_fields_of_a_drawn_chest_are_found(shift: int) -> None:
    film, truth = drawn(shift)
    found = lungs.mask(film)
    assert found is not None
    assert found.shape == film.shape
    assert found.dtype == np.bool_
    assert overlap(found, truth) > 0.6


def test_a_bright_patch_stays_a_part_of_its_lung() -> None:
    film, _ = drawn(consolidation=True)
    found = lungs.mask(film)
    assert found is not None
    assert found[120:135, 60:75].all()


def test_exposure_and_size_change_little() -> None:
    film, _ = drawn()
    plain = lungs.mask(film)
    assert plain is not None
    dark = lungs.mask((255 * (film / 255.0) ** 2).astype(np.uint8))
    assert dark is not None
    assert overlap(plain, dark) > 0.85
    wide = np.asarray(Image.fromarray(film).resize((600, 450)))
    other = lungs.mask(wide)
    assert other is not None
    assert other.shape == (450, 600)
    assert overlap(plain, np.asarray(Image.fromarray(other).resize((SIDE, SIDE)))) > 0.85


def test_nothing_is_found_where_there_is_nothing() -> None:
    generator = np.random.default_rng(1)
    for picture in (
        np.full((SIDE, SIDE), 128, np.uint8),
        generator.integers(0, 256, (SIDE, SIDE)).astype(np.uint8),
        np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1)),
    ):
        assert lungs.mask(picture) is None


def test_share_of_heat() -> None:
    film, truth = drawn()
    inside = truth.astype(np.float32)
    assert lungs.share(inside, truth) == pytest.approx(1, abs=0.02)
    corner = np.zeros((56, 56), np.float32)
    corner[:8, :8] = 1
    assert lungs.share(corner, truth) == 0
    assert lungs.share(np.zeros((56, 56), np.float32), truth) == 0
    assert truth.mean() < lungs.share(np.ones((56, 56), np.float32), truth) < 2 * truth.mean()
    assert film.shape == truth.shape


def test_much_heat_outside_is_said() -> None:
    assert lungs.sentence(0.8) is None
    assert "21%" in (lungs.sentence(0.21) or "")
