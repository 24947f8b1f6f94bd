"""Films and files that the tests of reading make for themselves."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

RAMP = np.add.outer(np.arange(120), np.arange(130)).astype(np.uint8)
COMPRESSED = (RLELossless, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")
# Rows, columns, type, origin, bits, position and data of an overlay over all of `RAMP`.
_OVERLAY = (
    (0x60000010, "US", 120), (0x60000011, "US", 130), (0x60000040, "CS", "G"),
    (0x60000050, "SS", [1, 1]), (0x60000100, "US", 1), (0x60000102, "US", 0),
    (0x60003000, "OW", b"\xff" * 1950),
)  # fmt: skip


def encoded(picture: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, format_, **options)
    return stream.getvalue()


def dataset(values: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Dataset:
    """Return a radiograph with (H, W) or (frames, H, W) values and further elements by keyword."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax in COMPRESSED else syntax
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    bits = values.dtype.itemsize * 8
    stored = int(tags.pop("BitsStored", bits))
    made.Modality, made.BodyPartExamined = "DX", "CHEST"
    colour = values.ndim == 3 and values.shape[-1] == 3
    made.Rows, made.Columns = values.shape[:2] if colour else values.shape[-2:]
    made.SamplesPerPixel = 3 if colour else 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, stored, stored - 1
    made.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        made.PlanarConfiguration = 0
    elif values.ndim == 3:
        made.NumberOfFrames = len(values)
    if values.dtype.kind == "f":
        made.FloatPixelData = values.astype("<f4").tobytes()
        del made.BitsStored, made.HighBit, made.PixelRepresentation
    else:
        made.PixelData = values.tobytes()
        made["PixelData"].VR = "OW" if bits > 8 else "OB"
    if tags.pop("overlay", False):
        for tag, vr, value in _OVERLAY:
            made.add_new(tag, vr, value)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    if syntax in COMPRESSED:
        made.compress(syntax)
    return made


def written(made: Dataset) -> bytes:
    """Return a data set as a file."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def dicom(values: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> bytes:
    """Return a radiograph as a file."""
    return written(dataset(values, syntax, **tags))


def item(**tags: Any) -> Dataset:
    """Return an item of a sequence."""
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made
