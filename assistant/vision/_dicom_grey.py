"""Stored DICOM values to the greys of a screen. Runs in the sandbox's child.

The pipeline of PS3.3 C.7.6.3, C.11.1 and C.11.2: stored bits, modality transform, values of interest,
presentation. All of it is a function of one value, so it is worked out once for every value that
occurs and looked up for each pixel; only float pixels go through it one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from assistant.vision import windows
from assistant.vision._dicom_read import code, item, whole

_TABLE = 1 << 17
PADDED = ("CT", "MR", "PT")


class Scale(NamedTuple):
    """What turns stored values into values with a meaning, and the range that their bits allow."""

    slope: float
    offset: float
    table: Dataset | None
    start: int
    bits: int


def grey(values: np.ndarray, dataset: Dataset, window: str, notes: list[str]) -> np.ndarray:
    """Return (H, W) uint8, bright where dense, of (H, W) stored values.

    Args:
        values: as decoded; integers of up to 32 bits, or floats.
        dataset: for its transforms.
        window: a preset of `windows.PRESETS`.
        notes: takes what was done.
    """
    values = _stored(values, dataset)
    padding = _padding(dataset)
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, values[finite].min() if finite.any() else 0)
            notes.append("values that are no numbers are shown as the smallest")
        return _turned(
            _shown(values.astype(np.float64), values, dataset, window, notes), dataset, notes
        )
    low, high = int(values.min()), int(values.max())
    if high - low >= _TABLE:
        return _turned(
            _shown(values.astype(np.float64), values, dataset, window, notes), dataset, notes
        )
    grid = np.arange(low, high + 1)
    shift = values.astype(np.int32) - low if low else values
    used = grid
    pads = np.zeros(len(grid), bool)
    if padding is not None:
        pads = (grid >= padding[0]) & (grid <= padding[1])
        counts = np.bincount(shift.ravel(), minlength=len(grid))
        used = grid[(counts > 0) & ~pads] if (counts[~pads] > 0).any() else grid
    sample = used if window in (windows.AS_STORED, "full range") else values
    table = _turned(_shown(grid.astype(np.float64), sample, dataset, window, notes), dataset, notes)
    if code(dataset, "Modality") in PADDED:
        table[pads] = 0
    return table[shift]


def _stored(values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Return only the bits that hold the pixel: older files keep overlays in the others."""
    stored, allocated = whole(dataset, "BitsStored"), whole(dataset, "BitsAllocated")
    if (
        values.dtype.kind not in "iu"
        or not 0 < stored < allocated
        or allocated != values.itemsize * 8
    ):
        return values
    shift = max(0, whole(dataset, "HighBit") + 1 - stored)
    mask = (1 << stored) - 1
    if values.dtype.kind == "u":
        return values if not shift and values.max() <= mask else (values >> shift) & mask
    if not shift and not any(
        element.tag.group >> 8 == 0x60 for element in dataset.group_dataset(0x6000)
    ):
        return values
    sign = 1 << (stored - 1)
    return (((values.astype(np.int32) >> shift) & mask) ^ sign) - sign


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Return the range of values that stand for no image (PS3.3 C.7.5.1.1.2), or None."""
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    try:
        ends = (int(value), int(value if limit is None else limit))
    except (TypeError, ValueError):
        return None
    return min(ends), max(ends)


def _shown(
    values: np.ndarray, sample: np.ndarray, dataset: Dataset, window: str, notes: list[str]
) -> np.ndarray:
    """Return values as uint8 greys.

    Args:
        values: float64 stored values to be shown.
        sample: the stored values that occur, or the pixels themselves where shares matter.
        dataset: for its transforms.
        window: the preset's name.
        notes: takes what was done.
    """
    scale = _scale(dataset)
    real = _real(values, scale)
    occurring = (
        _real(sample[:: max(1, len(sample) // 512)].astype(np.float64), scale)
        if (sample.ndim > 1)
        else _real(sample.astype(np.float64), scale)
    )
    ends = (float(occurring.min()), float(occurring.max()))
    if window == windows.AS_STORED:
        shares = _windowed(real, ends, dataset, notes)
        if shares is None:
            low, high = _range(ends, scale, values.dtype, "PixelData" in dataset)
            shares = ((real - low) / max(high - low, 1e-12)).clip(0, 1)
    else:
        chosen = windows.preset(window)
        if chosen.centre is not None and chosen.width is not None and _hounsfield(dataset):
            shares = windows.linear(real, chosen.centre, chosen.width)
        else:
            shares = windows.stretch(real, chosen, occurring)
        notes.append(f"shown in the window '{window}'")
    return np.rint(shares * 255).astype(np.uint8)


def _hounsfield(dataset: Dataset) -> bool:
    return code(dataset, "Modality") == "CT" and code(dataset, "RescaleType") in ("", "HU")


def _scale(dataset: Dataset) -> Scale:
    transform = item(dataset, "PixelValueTransformationSequence") or dataset
    slope, offset = (
        _number(transform, "RescaleSlope", 1.0),
        _number(transform, "RescaleIntercept", 0.0),
    )
    bits = whole(dataset, "BitsStored") or 16
    start = -(2 ** (bits - 1)) if whole(dataset, "PixelRepresentation") else 0
    table = dataset.get("ModalityLUTSequence")
    return Scale(slope or 1.0, offset, table[0] if table else None, start, bits)


def _real(values: np.ndarray, scale: Scale) -> np.ndarray:
    if scale.table is not None:
        looked = _look_up(values, scale.table)
        if looked is not None:
            return looked[0]
    return values * scale.slope + scale.offset


def _windowed(
    values: np.ndarray, ends: tuple[float, float], dataset: Dataset, notes: list[str]
) -> np.ndarray | None:
    """Return values in [0, 1] by the file's first VOI LUT or window, or None without a usable one."""
    tables = dataset.get("VOILUTSequence")
    both = np.array(ends)
    if tables:
        looked = _look_up(values, tables[0])
        if looked is not None:
            shown, table = looked
            low, high = float(table.min()), float(table.max())
            if high > low and len(np.unique(_look_up(both, tables[0])[0])) > 1:  # type: ignore[index]
                return (shown - low) / (high - low)
            notes.append("its display table shows nothing and was left out")
            return None
    holder = item(dataset, "FrameVOILUTSequence") or dataset
    centre, width = _number(holder, "WindowCenter", None), _number(holder, "WindowWidth", None)
    if centre is None or width is None:
        return None
    function = windows.FUNCTIONS.get(code(holder, "VOILUTFunction") or "LINEAR", windows.linear)
    if width <= 0 or np.ptp(function(both, centre, width)) == 0:
        # A window that shows nothing of the film is a fault of the export.
        notes.append("its display window shows nothing and was left out")
        return None
    return function(values, centre, width)


def _look_up(values: np.ndarray, table: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return values through a lookup table (PS3.3 C.11.1.1) and the table; None if it is damaged."""
    try:
        count, first, bits = (int(n) for n in table.LUTDescriptor)
        data = table.LUTData
    except (AttributeError, TypeError, ValueError):
        return None
    count = count or 65536
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, np.uint16 if wide else np.uint8)
    else:
        entries = np.array(
            data if isinstance(data, (list, tuple)) or hasattr(data, "__len__") else [data]
        )
    if first >= 32768 and float(values.min()) < 0:
        first -= 65536  # Signed, read as unsigned.
    entries = entries[:count].astype(np.float64)
    if not len(entries) or bits > 16:
        return None
    return entries[np.rint(values - first).clip(0, len(entries) - 1).astype(np.int64)], entries


def _range(
    ends: tuple[float, float], scale: Scale, kind: np.dtype[Any], counted: bool
) -> tuple[float, float]:
    """Return the values shown black and white where no window says it.

    The range that the stored bits allow; or, for a film that uses less than half of it, for floats
    and for looked-up values, the film's own.
    """
    low, high = ends
    if not counted or scale.table is not None:
        return low, high
    first = scale.start * scale.slope + scale.offset
    last = (scale.start + 2**scale.bits - 1) * scale.slope + scale.offset
    allowed = (min(first, last), max(first, last))
    if scale.bits <= 8 or high - low >= (allowed[1] - allowed[0]) / 2:
        return allowed
    return low, high


def _turned(shown: np.ndarray, dataset: Dataset, notes: list[str]) -> np.ndarray:
    """Turn MONOCHROME1 over (PS3.3 C.7.6.3.1.2), and what asks for the inverse (C.11.6)."""
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1":
        notes.append("MONOCHROME1: turned over so that dense is bright")
        return 255 - shown
    if code(dataset, "PresentationLUTShape") == "INVERSE":
        notes.append("turned over as its presentation asks")
        return 255 - shown
    return shown


def _number(dataset: Dataset, keyword: str, default: Any) -> Any:
    """Return the first number of an element, or the default where it has none."""
    value: Any = dataset.get(keyword)
    if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
        value = value[0] if len(value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default
