"""Grey levels of DICOM: the table of values agrees with the standard's functions, for any film."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels.processing import apply_windowing

from assistant.vision import _dicom_grey, windows
from tests.assistant.vision.made import dataset, item

STORED = windows.AS_STORED


def grey(values: np.ndarray, window: str = STORED, **tags: object) -> np.ndarray:
    return _dicom_grey.grey(values, dataset(values, **tags), window, [])


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(9, 16),
    signed=st.booleans(),
    slope=st.sampled_from([1.0, 2.0, 0.5]),
    offset=st.sampled_from([0.0, -1024.0, 7.5]),
    centre=st.floats(-500, 3000),
    width=st.floats(2, 6000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    seed=st.integers(0, 99),
)
def test_windows_are_the_standards(
    bits: int, signed: bool, slope: float, offset: float, centre: float, width: float,
    function: str, seed: int,
) -> None:  # fmt: skip
    low = -(2 ** (bits - 1)) if signed else 0
    kind = np.int16 if signed else np.uint16
    values = np.random.default_rng(seed).integers(low, low + 2**bits, (20, 30)).astype(kind)
    made = dataset(
        values, BitsStored=bits, RescaleSlope=str(slope), RescaleIntercept=str(offset),
        WindowCenter=f"{centre:.3f}", WindowWidth=f"{width:.3f}", VOILUTFunction=function,
    )  # fmt: skip
    ends = np.array([low, low + 2**bits - 1]) * slope + offset
    real = values * slope + offset
    with np.errstate(over="ignore"):
        wanted = apply_windowing(real.copy(), made)
    shares = (wanted - ends[0]) / (ends[1] - ends[0]) * 255
    if np.ptp(shares) > 1e-6:
        shown = _dicom_grey.grey(values, made, STORED, [])
        assert np.abs(shown - shares).max() <= 0.51


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 255), st.integers(1, 255), st.integers(0, 99))
def test_turning_monochrome1_over_is_the_same_film(low: int, span: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(low, min(256, low + span), (12, 9))
    first = grey(values.astype(np.uint8))
    second = grey((255 - values).astype(np.uint8), PhotometricInterpretation="MONOCHROME1")
    assert (first == second).all()
    assert (first == values).all()


def test_a_frames_own_transform_is_used() -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    groups = item(
        FrameVOILUTSequence=[item(WindowCenter="0", WindowWidth="1001")],
        PixelValueTransformationSequence=[item(RescaleSlope="1", RescaleIntercept="-1000")],
    )
    shown = grey(values, BitsStored=12, PerFrameFunctionalGroupsSequence=[groups])
    assert shown.ravel()[500] == 0
    assert shown.ravel()[1500] == 255
    assert abs(int(shown.ravel()[1000]) - 128) <= 1


def test_tables_are_followed() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    table = item(LUTDescriptor=[256, 0, 16], LUTData=[(255 - n) * 100 for n in range(256)])
    assert (grey(values, VOILUTSequence=[table]).ravel() == np.arange(255, -1, -1)).all()
    assert (grey(values, ModalityLUTSequence=[table]).ravel() == np.arange(255, -1, -1)).all()


def test_padding_is_left_out_of_the_range() -> None:
    values = np.linspace(100, 300, 400).astype(np.int16).reshape(20, 20)
    values[:5] = -2000
    shown = grey(values, Modality="CT", PixelPaddingValue=-2000)
    assert (shown[:5] == 0).all()
    assert np.ptp(shown[5:]) > 200


def test_a_window_that_shows_nothing_is_left_out() -> None:
    values = np.arange(100, dtype=np.uint8).reshape(10, 10)
    notes: list[str] = []
    made = dataset(values, WindowCenter="9000", WindowWidth="10")
    assert np.ptp(_dicom_grey.grey(values, made, STORED, notes)) > 0
    assert "shows nothing" in notes[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers(bad: float) -> None:
    values = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    values[0, 0] = bad
    shown = grey(values)
    assert shown[0, 0] == 0
    assert shown[9, 9] == 255
