"""Lossless JPEG is decoded as the standard codes it, for each way of prediction."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless

from assistant.errors import AttachmentError
from assistant.vision import _jpeg_frames
from tests.assistant.vision.made import dataset

PREDICT = {
    1: lambda a, b, c: a,
    2: lambda a, b, c: b,
    3: lambda a, b, c: c,
    4: lambda a, b, c: a + b - c,
    5: lambda a, b, c: a + ((b - c) >> 1),
    6: lambda a, b, c: b + ((a - c) >> 1),
    7: lambda a, b, c: (a + b) >> 1,
}


def lossless(values: np.ndarray, selection: int, bits: int) -> bytes:
    """Code (H, W) samples with one table in which every length has a code of 5 bits."""
    height, width = values.shape
    out = []
    for y in range(height):
        for x in range(width):
            left, above = int(values[y, x - 1]), int(values[y - 1, x])
            corner = int(values[y - 1, x - 1])
            if y == 0:
                guess = left if x else 1 << (bits - 1)
            else:
                guess = PREDICT[selection](left, above, corner) if x else above
            step = (int(values[y, x]) - guess + 32768) % 65536 - 32768
            size = 16 if step == -32768 else abs(step).bit_length()
            out.append(f"{size:05b}")
            if 0 < size < 16:
                out.append(f"{step if step > 0 else step + (1 << size) - 1:0{size}b}")
    text = "".join(out)
    text += "1" * (-len(text) % 8)
    entropy = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    table = b"\0" + bytes([0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    return b"".join([
        b"\xff\xd8\xff\xc4", struct.pack(">H", 2 + len(table)), table,
        b"\xff\xc3", struct.pack(">HBHHB", 11, bits, height, width, 1), b"\1\x11\0",
        b"\xff\xda", struct.pack(">HB", 8, 1), b"\1\0", bytes([selection, 0, 0]),
        entropy, b"\xff\xd9",
    ])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.sampled_from([8, 12, 16]), st.integers(0, 99), st.booleans())
def test_what_was_coded_comes_back(selection: int, bits: int, seed: int, smooth: bool) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 2**bits, (9, 11))
    if smooth:
        values = np.add.outer(np.arange(9), np.arange(11)) * 2 + 5
    kind = np.uint8 if bits == 8 else np.uint16
    made = dataset(values.astype(kind), BitsStored=bits)
    made.PixelData = encapsulate([lossless(values, selection, bits)])
    made.file_meta.TransferSyntaxUID = JPEGLossless
    assert (_jpeg_frames.first_frame(made) == values).all()


def test_damage_is_said() -> None:
    values = np.arange(5000).reshape(50, 100) % 4096
    made = dataset(values.astype(np.uint16), BitsStored=12)
    made.file_meta.TransferSyntaxUID = JPEGLossless
    whole = lossless(values, 1, 12)
    for data in (whole[:200], whole[:30], b"\xff\xd8" + b"\0" * 50):
        made.PixelData = encapsulate([data])
        with pytest.raises(AttachmentError):
            _jpeg_frames.first_frame(made)
