from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import InputError
from assistant.vision import windows

FILM = np.add.outer(np.arange(100), np.arange(90)).astype(np.uint8)


def test_as_stored_changes_nothing_and_invert_turns_over() -> None:
    assert windows.apply(FILM) is FILM
    assert (windows.apply(FILM, invert=True) == 255 - FILM).all()


@pytest.mark.parametrize("name", list(windows.PRESETS))
def test_presets_keep_the_order_of_greys(name: str) -> None:
    shown = windows.apply(FILM, name)
    assert shown.dtype == np.uint8
    assert shown.shape == FILM.shape
    order = np.argsort(FILM, axis=None)
    assert (np.diff(shown.ravel()[order].astype(int)) >= 0).all()


def test_full_range_reaches_black_and_white() -> None:
    dull = FILM // 4 + 90
    assert np.ptp(windows.apply(dull, "full range")) == 255


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(InputError, match="mediastinum"):
        windows.apply(FILM, "spleen")


@given(st.floats(-2000, 2000), st.floats(1, 4000))
def test_linear_reaches_its_ends_where_the_standard_says(centre: float, width: float) -> None:
    ends = np.array([centre - 0.5 - (width - 1) / 2 - 1e-3, centre - 0.5 + (width - 1) / 2 + 1e-3])
    assert windows.linear(ends, centre, width).tolist() == [0, 1]
    assert windows.sigmoid(np.array([centre]), centre, width)[0] == pytest.approx(0.5)
    assert windows.linear_exact(np.array([centre]), centre, width)[0] == pytest.approx(0.5)
