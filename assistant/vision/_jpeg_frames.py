"""JPEG frames that pydicom's plugins can't decode. Runs in the sandbox's child.

JPEG with 12 bits (PS3.5 10.4, processes 2 and 4): libjpeg inside Pillow's libtiff knows it, so the
frame is handed over as the one strip of a TIFF. Lossless JPEG (process 14, ITU-T T.81 annex H) is
decoded here: Huffman codes one by one, prediction in whole rows.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from assistant.errors import AttachmentError
from assistant.vision._dicom_read import whole

_SOFS = {0xC0, 0xC1, 0xC2, 0xC3}
_MINE = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)


class Header(NamedTuple):
    """A JPEG's frame header: marker, bits a sample, size, number of components."""

    marker: int
    bits: int
    height: int
    width: int
    components: int


def first_frame(dataset: Dataset) -> np.ndarray | None:
    """Return the first frame's stored values, or None where pydicom can decode it.

    Raises:
        AttachmentError: if it is a kind of JPEG that can't be decoded here, or damaged.
    """
    if dataset.file_meta.TransferSyntaxUID not in _MINE:
        return None
    frames = max(1, whole(dataset, "NumberOfFrames"))
    data = get_frame(dataset.PixelData, 0, number_of_frames=frames)
    header, tables, scan = _segments(data)
    if (header.height, header.width) != (whole(dataset, "Rows"), whole(dataset, "Columns")):
        raise AttachmentError("its JPEG frame is of another size than it says")
    if header.marker == 0xC3:
        values = _lossless(header, tables, data, scan)
    elif header.bits == 12 and header.components == 1:
        values = _twelve_bits(data, header)
    else:
        return None
    if whole(dataset, "PixelRepresentation") and values.dtype == np.uint16:
        bits = whole(dataset, "BitsStored") or 16
        sign = 1 << (bits - 1)
        values = ((values.astype(np.int32) ^ sign) - sign) if bits < 16 else values.view(np.int16)
    return values


def _twelve_bits(data: bytes, header: Header) -> np.ndarray:
    """Decode a 12-bit grey frame by wrapping it as TIFF with JPEG compression (code 7)."""
    from PIL import Image

    size = len(data)
    entries = [
        (256, 4, header.width), (257, 4, header.height), (258, 3, 12), (259, 3, 7), (262, 3, 1),
        (273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 1), (278, 4, header.height), (279, 4, size),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    try:
        with Image.open(io.BytesIO(head + data), formats=["TIFF"]) as picture:
            return np.asarray(picture).astype(np.uint16)
    except (OSError, ValueError):
        raise AttachmentError(
            "its 12-bit JPEG data are damaged or can't be decoded here; export it uncompressed"
        ) from None


def _segments(data: bytes) -> tuple[Header, dict[int, tuple[bytes, bytes]], int]:
    """Return the frame header, the Huffman tables by id, and where the scan header begins."""
    at, header = 2, None
    tables: dict[int, tuple[bytes, bytes]] = {}
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker in _SOFS and len(body) >= 6:
            header = Header(marker, *struct.unpack(">BHHB", body[:6]))
        elif marker == 0xC4:
            while len(body) >= 17:
                count = sum(body[1:17])
                tables[body[0]] = (body[1:17], body[17 : 17 + count])
                body = body[17 + count :]
        elif marker == 0xDD and any(body):
            raise AttachmentError("its lossless JPEG has restart marks, which aren't read here")
        elif marker == 0xDA and header is not None:
            return header, tables, at + 4
        at += 2 + length
    raise AttachmentError("its JPEG data are damaged (no frame or no scan)")


def _lossless(
    header: Header, tables: dict[int, tuple[bytes, bytes]], data: bytes, scan: int
) -> np.ndarray:
    """Decode a lossless frame of one or three interleaved components (T.81 annex H)."""
    count = data[scan]
    if count != header.components or count not in (1, 3) or len(data) < scan + 4 + 2 * count:
        raise AttachmentError("its lossless JPEG is of a kind that isn't read here")
    chosen = [tables.get(data[scan + 2 + 2 * n] >> 4) for n in range(count)]
    selection, point = data[scan + 1 + 2 * count], data[scan + 3 + 2 * count] & 15
    if None in chosen or selection not in range(1, 8):
        raise AttachmentError("its lossless JPEG data are damaged")
    lookups = [_lookup(*table) for table in chosen if table is not None]
    entropy = data[scan + 4 + 2 * count :].partition(b"\xff\xd9")[0].replace(b"\xff\0", b"\xff")
    total = header.height * header.width
    flat = _differences(entropy, lookups, total * count)
    parts = []
    for n in range(count):
        rows = np.array(flat[n::count], np.int64).reshape(header.height, header.width)
        parts.append(_predicted(rows, selection, 1 << (header.bits - point - 1)) << point)
    kind = np.uint8 if header.bits <= 8 else np.uint16
    return np.stack(parts, -1).astype(kind) if count == 3 else parts[0].astype(kind)


def _lookup(counts: bytes, symbols: bytes) -> list[int]:
    """Return, for each 16 bits that may come next, code length << 8 | difference's length, or 0."""
    table = [0] * 65536
    value, at = 0, 0
    for length, number in enumerate(counts, 1):
        for symbol in symbols[at : at + number]:
            low = value << (16 - length)
            if low + (1 << (16 - length)) <= 65536:
                table[low : low + (1 << (16 - length))] = [length << 8 | symbol] * (
                    1 << (16 - length)
                )
            value += 1
        at += number
        value <<= 1
    return table


def _differences(entropy: bytes, lookups: list[list[int]], total: int) -> list[int]:
    """Decode `total` differences (T.81 H.1.2.2); the one hot loop of this module."""
    out: list[int] = []
    keep, add, several = out.append, int.from_bytes, len(lookups) > 1
    table = lookups[0]
    held = bits = at = 0
    for number in range(total):
        if bits < 40:
            chunk = entropy[at : at + 16]
            at += 16
            held = (held & ((1 << bits) - 1)) << 128 | add(chunk.ljust(16, b"\xff"), "big")
            bits += 128
            if at > len(entropy) + 64:
                raise AttachmentError("its lossless JPEG data are cut short")
        if several:
            table = lookups[number % len(lookups)]
        found = table[(held >> (bits - 16)) & 0xFFFF]
        if not found:
            raise AttachmentError("its lossless JPEG data are damaged")
        size = found & 0xFF
        bits -= found >> 8
        if not size:
            keep(0)
        elif size >= 16:
            keep(32768)
        else:
            bits -= size
            value = (held >> bits) & ((1 << size) - 1)
            keep(value if value >> (size - 1) else value - (1 << size) + 1)
    return out


def _predicted(rows: np.ndarray, selection: int, first: int) -> np.ndarray:
    """Return samples from differences, modulo 65536 (T.81 H.1.2.1 and table H.1)."""
    out = rows.copy()
    out[0, 0] += first
    out[0] = np.cumsum(out[0])
    out[:, 0] = np.cumsum(out[:, 0])
    if selection == 1:
        return _by_left(out)
    if selection == 2:
        out[:, 1:] = np.cumsum(out[:, 1:], axis=0)
        return out & 0xFFFF
    return _one_by_one(out, selection)


def _by_left(out: np.ndarray) -> np.ndarray:
    """Predict each sample by its left neighbour; the first column and row are samples already."""
    below = np.cumsum(out[1:], axis=1)
    return np.concatenate([out[:1], below]) & 0xFFFF


def _one_by_one(out: np.ndarray, selection: int) -> np.ndarray:
    """Predict by combinations of left (a), above (b) and above left (c)."""
    predict: Callable[[int, int, int], int] = {
        3: lambda a, b, c: c,
        4: lambda a, b, c: a + b - c,
        5: lambda a, b, c: a + ((b - c) >> 1),
        6: lambda a, b, c: b + ((a - c) >> 1),
        7: lambda a, b, c: (a + b) >> 1,
    }[selection]
    rows = (out & 0xFFFF).tolist()
    for above, row in pairwise(rows):
        for x in range(1, len(row)):
            row[x] = (row[x] + predict(row[x - 1], above[x], above[x - 1])) & 0xFFFF
    return np.array(rows, np.int64)
