"""DICOM bytes to a dataset, bounded. Runs in the sandbox's child.

Deflated files are inflated no further than allowed, files without meta information are read by their
first elements, and what can't be an image is refused in words. Knows nothing of grey levels.
"""

from __future__ import annotations

import io
import warnings
import zlib
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from assistant.errors import AttachmentError

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read(data: bytes, most_bytes: int, notes: list[str], max_pixels: int = 0) -> Dataset:
    """Read a file; its `file_meta` always names a transfer syntax afterwards.

    Args:
        data: the file.
        most_bytes: the largest that a deflated file may become.
        notes: takes what was assumed.
        max_pixels: the largest image that is worth inflating; 0 for any.

    Raises:
        AttachmentError: if it inflates to more.
    """
    warnings.simplefilter("ignore")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    meta, start = _meta(data)
    if meta is not None and meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        if max_pixels:
            _small(_peek(data[start:]), max_pixels)
        dataset = read_dataset(io.BytesIO(_inflate(data[start:], most_bytes)), False, True)
        dataset.file_meta = meta
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.set_original_encoding(False, True, dataset.original_character_set)
        return dataset
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    _complete(dataset, notes)
    return dataset


def _meta(data: bytes) -> tuple[FileMetaDataset | None, int]:
    """Return the file meta information and where the data set begins, if the file has a preamble."""
    if data[128:132] != b"DICM":
        return None, 0
    stream = io.BytesIO(data)
    stream.seek(132)
    try:
        meta = pydicom.filereader._read_file_meta_info(stream)
    except Exception:  # noqa: BLE001 - whatever it is, the full reader will say it
        return None, 0
    return meta, stream.tell()


def _inflate(data: bytes, most_bytes: int) -> bytes:
    """Inflate raw deflate (PS3.5 A.5) up to a bound."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data, most_bytes)
    if inflater.unconsumed_tail or (not inflater.eof and len(inflated) >= most_bytes):
        raise AttachmentError(
            f"it inflates to more than {most_bytes / 1e6:.0f} MB; export it uncompressed or smaller"
        )
    return inflated


def _peek(data: bytes) -> Dataset:
    """Return what precedes the pixels of a deflated data set, as far as a first piece shows it."""
    first = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, 1 << 20)
    try:
        return read_dataset(
            io.BytesIO(first), False, True, stop_when=lambda tag, vr, length: tag.group >= 0x7FE0
        )
    except Exception:  # noqa: BLE001 - cut in the middle; the bound on the whole still holds
        return Dataset()


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


def check(dataset: Dataset, max_pixels: int) -> None:
    """Refuse what has no image, one that is too large, or fewer data than it claims.

    Raises:
        AttachmentError: in words.
    """
    held = next((keyword for keyword in PIXELS if keyword in dataset), None)
    if held is None:
        kind = code(dataset, "Modality")
        words = f" (its modality is {kind})" if kind else ""
        raise AttachmentError(f"it is a DICOM file without an image{words}")
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    if rows <= 0 or columns <= 0:
        raise AttachmentError("it does not say how large its image is")
    _small(dataset, max_pixels)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    frames = max(1, whole(dataset, "NumberOfFrames"))
    bits = frames * rows * columns * max(1, whole(dataset, "SamplesPerPixel"))
    needed = bits * max(1, whole(dataset, "BitsAllocated")) // 8
    have = len(dataset[held].value or b"")
    # Colour that is subsampled (YBR_FULL_422) holds two thirds.
    if have < needed * (2 / 3 if "422" in str(dataset.get("PhotometricInterpretation")) else 1):
        raise AttachmentError(
            f"its pixel data are cut short: {have} of the {needed} bytes that it claims"
        )


def _small(dataset: Dataset, max_pixels: int) -> None:
    rows, columns = whole(dataset, "Rows"), whole(dataset, "Columns")
    if rows * columns > max_pixels:
        raise AttachmentError(
            f"it is {columns} by {rows} pixels and at most {max_pixels / 1e6:g} million pixels "
            "are accepted"
        )


def whole(dataset: Dataset, keyword: str) -> int:
    """Return a whole number, or 0 where it is absent or none."""
    value: Any = dataset.get(keyword)
    try:
        return int(value[0] if isinstance(value, (list, tuple)) else value)
    except (TypeError, ValueError, IndexError):
        return 0


def code(dataset: Dataset, keyword: str) -> str:
    """Return a code string (PS3.5 CS: letters, digits, space, underscore), or ""."""
    try:
        text = str(dataset.get(keyword) or "").strip().upper()[:16]
    except Exception:  # noqa: BLE001 - a damaged element says nothing
        return ""
    return text if text.replace(" ", "").replace("_", "").isalnum() and text.isascii() else ""


def item(dataset: Dataset, sequence: str) -> Dataset | None:
    """Return the first item of a sequence: the file's own, or the first frame's (PS3.3 C.7.6.16)."""
    for holder in (dataset, *_groups(dataset)):
        found = holder.get(sequence)
        if found:
            return found[0]
    return None


def _groups(dataset: Dataset) -> list[Dataset]:
    both = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
    return [dataset.get(keyword)[0] for keyword in both if dataset.get(keyword)]
