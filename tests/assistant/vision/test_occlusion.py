from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from assistant.errors import InputError
from assistant.vision import occlusion

FILM = np.full((300, 260), 60, np.uint8)
FILM[60:100, 180:220] = 250


def bright(films: Sequence[np.ndarray]) -> np.ndarray:
    """A reader that answers to white alone."""
    return np.array([0.1 + 0.8 * min(1.0, float((film > 200).sum()) / 1000) for film in films])


def test_the_place_that_decides_is_found() -> None:
    found = occlusion.check(bright, FILM)
    assert found.probability > 0.8
    assert found.lowest < 0.4
    assert found.place[0] == pytest.approx(200 / 260, abs=0.12)
    assert found.place[1] == pytest.approx(80 / 300, abs=0.12)
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert row / found.heat.shape[0] == pytest.approx(80 / 300, abs=0.12)
    assert column / found.heat.shape[1] == pytest.approx(200 / 260, abs=0.12)
    assert found.heat.max() == pytest.approx(1)
    assert "77%" in found.words() or "more than any other" in found.words()
    assert found.tiles >= 81
    assert found.seconds > 0


def test_a_map_is_checked_against_it() -> None:
    good = np.zeros((56, 56), np.float32)
    good[10:20, 36:50] = 1
    found = occlusion.check(bright, FILM, good)
    assert (found.agreement or 0) > 0.3
    assert "heatmap agrees" in found.words()
    bad = occlusion.check(bright, FILM, good[::-1, ::-1].copy())
    assert (bad.agreement or 0) < 0.1
    assert "does not agree" in bad.words()


def test_where_nothing_decides_it_is_said() -> None:
    found = occlusion.check(lambda films: np.full(len(films), 0.7), FILM, np.eye(8))
    assert "No single place decides" in found.words()
    assert found.agreement is None
    assert not found.heat.any()


@pytest.mark.parametrize(("tile", "step"), [(4, 4), (500, 4), (32, 0), (32, 40)])
def test_tiles_that_can_not_be_are_refused(tile: int, step: int) -> None:
    with pytest.raises(InputError, match="tiles"):
        occlusion.check(bright, FILM, tile=tile, step=step)


def test_every_place_is_covered() -> None:
    for tile, step in ((48, 24), (33, 33), (8, 8), (224, 100)):
        count = np.zeros((occlusion.SIDE, occlusion.SIDE), int)
        for box in occlusion._boxes(tile, step):
            count[box] += 1
        assert count.min() >= 1, (tile, step)
