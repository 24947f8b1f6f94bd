"""DICOM to grey pixels and the few tags that decide what may be judged. Runs in the sandbox's child.

Pixels pass the grey-scale pipeline of PS3.3 C.7.6.3, C.11.1 and C.11.2: modality transform, values
of interest, presentation (MONOCHROME1 turned over). No name, number or date leaves this module.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from assistant.errors import AttachmentError
from assistant.vision._raster import colourfulness

_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


def decode(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Decode the first frame of a DICOM file.

    Args:
        data: the file.
        options: "max_pixels".

    Returns:
        What is known of the image, and its uint8 grey pixels, bright where dense.

    Raises:
        AttachmentError: if it has no image, a larger one than allowed, or no decoder.
    """
    warnings.simplefilter("ignore")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    notes: list[str] = []
    _complete(dataset, notes)
    _check(dataset, options["max_pixels"])
    pixels, colour = _pixels(dataset, notes)
    meta = {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "colour": colour,
        "notes": notes,
        "modality": _word(dataset, "Modality"),
        "body_part": _word(dataset, "BodyPartExamined"),
        "view": _word(dataset, "ViewPosition"),
        "laterality": _word(dataset, "ImageLaterality") or _word(dataset, "Laterality"),
        "age_years": _age(dataset.get("PatientAge")),
    }
    return meta, np.ascontiguousarray(pixels).tobytes()


def _complete(dataset: Dataset, notes: list[str]) -> None:
    """Give a file without file meta the transfer syntax that it was read with."""
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and meta.get("TransferSyntaxUID"):
        return
    implicit, little = dataset.original_encoding
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    if not little:
        syntax = ExplicitVRBigEndian
    dataset.file_meta = meta if meta is not None else FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    notes.append("it names no transfer syntax; read as uncompressed")


def _check(dataset: Dataset, max_pixels: int) -> None:
    if not any(k in dataset for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = dataset.get("Modality")
        words = f" (its modality is {_word(dataset, 'Modality')})" if kind else ""
        raise AttachmentError(f"it is a DICOM file without an image{words}")
    rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if not rows or not columns:
        raise AttachmentError("it does not say how large its image is")
    if rows * columns > max_pixels:
        raise AttachmentError(
            f"it is {columns} by {rows} pixels and at most {max_pixels / 1e6:g} million pixels "
            "are accepted"
        )


def _pixels(dataset: Dataset, notes: list[str]) -> tuple[np.ndarray, float]:
    frames = int(dataset.get("NumberOfFrames") or 1)
    try:
        values = pixel_array(dataset, index=0)
    except (RuntimeError, NotImplementedError) as error:
        if "plugin" not in str(error).lower() and "decompress" not in str(error).lower():
            raise
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise AttachmentError(
            f"its compression ({syntax}) can't be decoded here or its data are damaged; "
            "export it uncompressed"
        ) from None
    if frames > 1:
        notes.append(f"the first of its {frames} frames was read")
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        if values.dtype == np.uint16:
            values = (values >> 8).astype(np.uint8)
    if values.ndim == 3:
        return _luminance(values), colourfulness(_as_bytes(values))
    values, windowed = _of_interest(values, dataset, notes)
    grey = _scale(values, dataset, windowed)
    if photometric == "MONOCHROME1":
        grey = 255 - grey
        notes.append("MONOCHROME1: turned over so that dense is bright")
    return grey, 0.0


def _of_interest(values: np.ndarray, dataset: Dataset, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Apply the modality transform and the first window or VOI LUT."""
    values = apply_modality_lut(values, dataset)
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if "VOILUTSequence" in dataset or (centre is not None and width is not None):
        shown = apply_voi_lut(values, dataset)
        # A window that shows nothing of the film is a fault of the export.
        if np.ptp(shown) > 0:
            return shown, True
        notes.append("its display window shows nothing and was left out")
    return values, False


def _scale(values: np.ndarray, dataset: Dataset, windowed: bool) -> np.ndarray:
    """Bring values to 0 to 255 of the range that their bits allow, or of their own range.

    A film that no window was applied to and that uses less than half of its bits is stretched.
    """
    stored = int(dataset.get("BitsStored") or 16)
    if not windowed and values.dtype == np.uint8 and stored == 8:
        return values
    values = values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    looked_up = "ModalityLUTSequence" in dataset or "VOILUTSequence" in dataset
    if "PixelData" in dataset and not looked_up:
        start = -(2 ** (stored - 1)) if dataset.get("PixelRepresentation") else 0
        slope = float(dataset.get("RescaleSlope") or 1)
        offset = float(dataset.get("RescaleIntercept") or 0)
        ends = (start * slope + offset, (start + 2**stored - 1) * slope + offset)
        if windowed or high - low >= (max(ends) - min(ends)) / 2:
            low, high = min(ends), max(ends)
    scaled = (values - low) / max(high - low, 1e-12) * 255
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def _luminance(values: np.ndarray) -> np.ndarray:
    """Return Rec. 601 luminance, as Pillow computes it, of (H, W, 3) values."""
    channels = _as_bytes(values)[..., :3].astype(np.float64)
    return np.rint(channels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _as_bytes(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    top = max(float(values.max()), 1.0)
    return (values.clip(0) / top * 255).astype(np.uint8)


def _word(dataset: Dataset, keyword: str) -> str:
    """Return a code string (PS3.5 CS: letters, digits, space, underscore), or ""."""
    text = str(dataset.get(keyword) or "").strip().upper()[:16]
    return text if re.fullmatch(r"[A-Z0-9 _]*", text) else ""


def _age(value: Any) -> float | None:
    """Return an age string (PS3.5 AS: nnnD, nnnW, nnnM or nnnY; bare digits are years) in years."""
    match = re.fullmatch(r"\s*(\d{1,3})\s*([DWMY]?)\s*", str(value or ""))
    if not match or int(match[1]) == 0:  # Anonymisers write 000Y.
        return None
    return int(match[1]) * _YEARS[match[2] or "Y"]
