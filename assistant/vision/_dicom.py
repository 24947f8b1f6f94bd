"""DICOM to grey pixels and the few tags that decide what may be judged. Runs in the sandbox's child.

No name, number or date leaves this module: what it tells of a file is codes, numbers and keyed hashes.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from assistant.errors import AttachmentError
from assistant.vision import _dicom_grey, _dicom_read, _dicom_tags, _jpeg_frames, burned_in, windows
from assistant.vision._dicom_read import code, whole
from assistant.vision.tint import colourfulness


def decode(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Decode the first frame of a DICOM file.

    Args:
        data: the file.
        options: "max_pixels"; "window", a preset's name; "key", hex, for pseudonyms, or "".

    Returns:
        What is known of the image, and its uint8 grey pixels, bright where dense.

    Raises:
        AttachmentError: if it has no image, a larger one than allowed, or no decoder.
    """
    warnings.simplefilter("ignore")
    notes: list[str] = []
    most = options["max_pixels"]
    dataset = _dicom_read.read(data, 3 * most + 16_000_000, notes, most)
    _dicom_read.check(dataset, most)
    window = options.get("window") or windows.AS_STORED
    pixels, colour = _pixels(dataset, window, notes)
    if pixels.size > most:  # The compressed frame may be larger than the tags say.
        raise AttachmentError(f"its frame is larger than {most / 1e6:g} million pixels")
    meta = {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "colour": colour,
        "notes": notes,
        "photometric": code(dataset, "PhotometricInterpretation"),
        "frames": max(1, whole(dataset, "NumberOfFrames")),
        "burned_in": burned_in.warnings(pixels, code(dataset, "BurnedInAnnotation") == "YES"),
        **_dicom_tags.known(dataset, bytes.fromhex(options.get("key") or "")),
    }
    return meta, np.ascontiguousarray(pixels).tobytes()


def warm() -> None:
    """Decode a tiny image once, so that what the decoders import late is there."""
    from PIL import Image
    from pydicom.dataset import FileMetaDataset
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import (
        JPEG2000,
        UID,
        ExplicitVRLittleEndian,
        JPEGBaseline8Bit,
        JPEGLSLossless,
        RLELossless,
        SecondaryCaptureImageStorage,
    )
    from scipy import ndimage  # noqa: F401 - for the search for writing

    Image.preinit()
    for syntax in (JPEG2000, JPEGBaseline8Bit, JPEGLSLossless, RLELossless):
        get_decoder(syntax)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.Rows = dataset.Columns = dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.SamplesPerPixel, dataset.HighBit, dataset.PixelRepresentation = 1, 7, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(64)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    decode(stream.getvalue(), {"max_pixels": 64})


def _pixels(dataset: Dataset, window: str, notes: list[str]) -> tuple[np.ndarray, float]:
    values = _frame(dataset)
    frames = whole(dataset, "NumberOfFrames")
    if frames > 1:
        notes.append(f"the first of its {frames} frames was read")
    if str(dataset.get("PhotometricInterpretation")) == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        if values.dtype == np.uint16:
            values = (values >> 8).astype(np.uint8)
    if values.ndim == 3:
        coloured = _as_bytes(values, whole(dataset, "BitsStored"))
        light = coloured[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
        shown = np.rint(light).astype(np.uint8)
        return windows.apply(shown, window), colourfulness(coloured)
    return _dicom_grey.grey(values, dataset, window, notes), 0.0


def _frame(dataset: Dataset) -> np.ndarray:
    """Return the stored values of the first frame, colour as RGB."""
    try:
        special = _jpeg_frames.first_frame(dataset)
        return pixel_array(dataset, index=0) if special is None else special
    except (RuntimeError, NotImplementedError) as error:
        if "plugin" not in str(error).lower() and "decompress" not in str(error).lower():
            raise
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise AttachmentError(
            f"its compression ({syntax}) can't be decoded here or its data are damaged; "
            "export it uncompressed"
        ) from None


def _as_bytes(values: np.ndarray, stored: int) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    shift = max(0, min(stored or 16, values.dtype.itemsize * 8) - 8)
    return (values.clip(0) >> shift).clip(0, 255).astype(np.uint8)
