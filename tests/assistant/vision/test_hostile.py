"""Hostile and broken files: a sentence or the right picture, in little time and memory."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from assistant.errors import AttachmentError
from assistant.intake import accept
from assistant.settings import Settings
from assistant.vision import decode as module
from retrieval import sandbox, sandbox_warm
from retrieval.errors import SourceError
from tests.assistant.vision.made import RAMP, dataset, dicom, encoded, written


def png_claiming(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    return head + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\4IDAT" + bytes(8)


def tiff_claiming(width: int, height: int, samples: int) -> bytes:
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
               (273, 4, 8), (277, 3, samples), (278, 4, height), (279, 4, 100)]  # fmt: skip
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4) + b"\0" * 100


def endless_pages() -> bytes:
    """Return a TIFF of 20,000 tiny pages."""
    out = bytearray(encoded(Image.fromarray(RAMP), "TIFF"))
    at = struct.unpack("<I", out[4:8])[0]
    count = struct.unpack("<H", out[at : at + 2])[0]
    first = bytes(out[at : at + 2 + 12 * count])
    link = at + 2 + 12 * count
    for _ in range(20_000):
        out[link : link + 4] = struct.pack("<I", len(out))
        out += first + bytes(4)
        link = len(out) - 4
    return bytes(out)


def nested(depth: int) -> bytes:
    empty = b"\x08\0\x15\x11SQ\0\0" + bytes(4)
    begin, end = (
        empty[:8] + b"\xff" * 4 + b"\xfe\xff\0\xe0" + b"\xff" * 4,
        b"\xfe\xff\x0d\xe0" + bytes(4),
    )
    close = end + b"\xfe\xff\xdd\xe0" + bytes(4)
    return dicom(RAMP, ReferencedSeriesSequence=[]).replace(empty, begin * depth + close * depth)


def deflate_bomb() -> bytes:
    made = dataset(RAMP)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made.PixelData = bytes(40_000_000)
    return written(made)


def without_meta(**tags: object) -> bytes:
    made = dataset(RAMP, ImplicitVRLittleEndian, **tags)
    made.preamble = None
    del made.file_meta
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, implicit_vr=True, little_endian=True)
    return stream.getvalue()


FILES = {
    "claims.png": (lambda: png_claiming(60_000, 60_000), "60000 by 60000 pixels"),
    "nothing.png": (lambda: png_claiming(100, 100), "damaged"),
    "claims.tif": (lambda: tiff_claiming(50_000, 50_000, 1), "50000 by 50000 pixels"),
    "samples.tif": (lambda: tiff_claiming(100, 100, 60_000), "damaged"),
    "pages.tif": (endless_pages, ""),
    "cut.webp": (lambda: encoded(Image.fromarray(RAMP).convert("RGB"), "WEBP")[:200], "damaged"),
    "claims.dcm": (lambda: dicom(RAMP, Rows=60_000, Columns=60_000), "60000 by 60000 pixels"),
    "frames.dcm": (lambda: dicom(RAMP, NumberOfFrames=2_000_000), "cut short"),
    "nested.dcm": (lambda: nested(400), "nested too deeply|damaged|stopped"),
    "bomb.dcm": (deflate_bomb, "inflates to more than"),
    "zero.dcm": (lambda: dicom(RAMP, Rows=0), "how large"),
    "bits.dcm": (lambda: without_meta(BitsAllocated=8, BitsStored=40), "damaged"),
    "samples.dcm": (lambda: dicom(RAMP, SamplesPerPixel=60_000), "cut short"),
    "j2k.dcm": (lambda: dicom(RAMP).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"),
                "damaged|can't be decoded"),
}  # fmt: skip


def said(data: bytes, settings: Settings, name: str = "film") -> str:
    """Return the sentence that a file is refused with, or "" for one that is read or is no image."""
    try:
        upload = accept(name, data, settings)
        if upload.kind == "image":
            assert module.decode(upload, settings).pixels.dtype == np.uint8
    except AttachmentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", list(FILES))
def test_a_sentence_or_a_picture(name: str, settings: Settings) -> None:
    make, words = FILES[name]
    if name == "bomb.dcm":
        settings = settings.model_copy(update={"max_pixels": 1_000_000})
    if words:
        with pytest.raises(AttachmentError, match=words) as caught:
            module.decode(accept(name, make(), settings), settings)
        assert "\n" not in str(caught.value)
    else:
        assert module.decode(accept(name, make(), settings), settings).pixels.shape == RAMP.shape


WHOLE = {
    "png": encoded(Image.fromarray(RAMP)),
    "jpg": encoded(Image.fromarray(RAMP), "JPEG"),
    "tif": encoded(Image.fromarray(RAMP.astype(np.uint16) * 9), "TIFF"),
    "webp": encoded(Image.fromarray(RAMP).convert("RGB"), "WEBP", lossless=True),
    "dcm": dicom(RAMP, PatientOrientation=["L", "F"], WindowCenter="128", WindowWidth="256"),
    "jls": dicom(RAMP, "1.2.840.10008.1.2.4.80"),
    "j2k": dicom(RAMP, "1.2.840.10008.1.2.4.90"),
    "rle": dicom(RAMP, "1.2.840.10008.1.2.5"),
}


@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(list(WHOLE)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20),
    cut=st.floats(0.05, 1),
)
def test_any_damage_ends_in_a_sentence_or_a_picture(
    kind: str, changes: list[tuple[float, int]], cut: float, settings: Settings
) -> None:
    data = bytearray(WHOLE[kind])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    data = data[: max(16, int(len(data) * cut))]
    assert "\n" not in said(bytes(data), settings)


@pytest.mark.shared
@pytest.mark.skipif(not sandbox_warm.SUPPORTED, reason="the child's use is measured on Linux")
@pytest.mark.parametrize("folder", ["hostile", "dicom/broken"])
def test_shared_files_take_little(
    folder: str, shared_data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[str, sandbox.Usage]] = []

    def run(target: str, payload: bytes, options: dict, limits: sandbox.Limits, name: str):  # type: ignore[no-untyped-def,type-arg]
        # 512 MiB of address space hold what the child's memory could ever be.
        tight = sandbox.Limits(512, 2, limits.max_output_bytes, patience=30)
        try:
            meta, body, use = sandbox.measured(target, payload, options, tight, name)
        except SourceError as error:
            raise AttachmentError(str(error)) from None
        used.append((name, use))
        return meta, body

    monkeypatch.setattr(module, "run", run)
    for path in sorted((shared_data / "images" / folder).iterdir()):
        words = said(path.read_bytes(), settings, path.name)
        assert not set(words) & {"\n", "\r"}
        assert "took longer" not in words, path.name
        assert "would take more than" not in words, path.name
    assert not [(name, use) for name, use in used if use.cpu_s > 2 or use.peak_kib > 2**19]
