from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant.errors import AttachmentError
from assistant.intake import accept, accept_file, display_name, looks_like_dicom
from assistant.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64
DICOM = b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0" + b"\0" * 60
SETTINGS = Settings(max_upload_mb=1)


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(AttachmentError) as caught:
        accept(name, data, SETTINGS)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("name", "data", "kind", "format_"),
    [
        ("film.png", PNG, "image", "png"),
        ("film.jpeg", JPEG, "image", "jpeg"),
        ("film.png", JPEG, "image", "jpeg"),
        ("film", DICOM, "image", "dicom"),
        ("film.tif", b"II*\0" + b"\0" * 20, "image", "tiff"),
        ("film", b"MM\0+" + b"\0" * 20, "image", "tiff"),
        ("film.webp", b"RIFF\x10\0\0\0WEBPVP8 ", "image", "webp"),
        ("note.txt", b"BMI 31. Penicillin allergy.", "record", "text"),
        ("note", "Körpertemperatur 38,5 °C".encode("latin-1"), "record", "text"),
        ("note.txt", "血压 120/80".encode(), "record", "text"),
        ("note.txt", "Allergies: none".encode("utf-16"), "record", "text"),
        ("note.txt", "Allergies: none".encode("utf-16-le"), "record", "text"),
        ("bundle.json", b'{"resourceType": "Bundle"}', "record", "json"),
        ("bundle", b' [{"resourceType": "Patient"}]', "record", "json"),
        ("note.txt", b"{patient} seen today", "record", "text"),
    ],
)
def test_accepts_by_bytes(name: str, data: bytes, kind: str, format_: str) -> None:
    found = accept(name, data, SETTINGS, number=3)
    assert (found.kind, found.format, found.id) == (kind, format_, "A3")


def test_text_comes_out_as_utf8() -> None:
    assert accept("n.txt", "38,5 °C".encode("cp1252"), SETTINGS).data == "38,5 °C".encode()
    assert accept("n.txt", "\ufeff38 °C".encode("utf-16"), SETTINGS).data == "38 °C".encode()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("film.png", b"", "empty"),
        ("film.png", b"just some words", "plain text"),
        ("film.dcm", b'{"a": 1}', "JSON"),
        ("note.txt", PNG, "a PNG picture"),
        ("a.pdf", b"%PDF-1.7 ...", "a PDF document"),
        ("note.txt", b"II*\0" + b"\0" * 20, "a TIFF picture"),
        ("a.gif", b"GIF89a\0\0", "a GIF picture"),
        ("a.bmp", b"BM\x10\0\0\0\0\0", "a BMP picture"),
        ("a.zip", b"PK\x03\x04\0\0", "a ZIP archive"),
        ("a.bin", bytes(range(256)) * 4, "unknown kind"),
        ("a.svg", b"<svg xmlns='x'><script/></svg>", "an SVG drawing"),
        ("a.html", b"<!DOCTYPE html><p>x", "XML or HTML"),
        ("a.json", b'{"a": ', "not valid JSON"),
        ("a.json", b"[" * 200_000, "nested too deeply"),
        ("a.txt", b" \n\t ", "no text"),
        ("a.txt", b"x" * 1_000_001, "too large"),
    ],
)
def test_refuses_in_words(name: str, data: bytes, words: str) -> None:
    assert words in refusal(name, data)


def test_what_is_accepted_is_said() -> None:
    assert "PNG, JPEG, TIFF, WebP and DICOM" in refusal("a.pdf", b"%PDF-1.7")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\chest.png", "chest.png"),
        ("a\x00b\x1b[31m\u202egnp.exe", "ab[31mgnp.exe"),
        ("", "upload"),
        ("..", "upload"),
        ("x" * 300 + ".png", "x" * 100 + "…" + "x" * 15 + ".png"),
    ],
)
def test_names_are_for_display(given: str, shown: str) -> None:
    assert display_name(given) == shown


def test_dicom_without_preamble() -> None:
    assert looks_like_dicom(b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100" + b"\0" * 60)
    assert looks_like_dicom(b"\x08\0\x05\0CS\x0a\0ISO_IR 100" + b"\0" * 60)
    assert not looks_like_dicom(b"\x08\0\xff\xff\xff\xff\xff\xff" + b"\0" * 60)
    assert not looks_like_dicom(b"Chest film of today" * 10)


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "note.txt"
    good.write_bytes(b"Aspirin 75 mg daily")
    assert accept_file(good, SETTINGS).data == b"Aspirin 75 mg daily"
    with pytest.raises(AttachmentError, match="no file"):
        accept_file(tmp_path / "absent.png", SETTINGS)
    with pytest.raises(AttachmentError, match="folder"):
        accept_file(tmp_path, SETTINGS)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as stream:
        stream.truncate(200_000_000)  # Sparse: takes no room.
    with pytest.raises(AttachmentError, match="200 MB"):
        accept_file(huge, Settings())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(AttachmentError, match="not a regular file"):
        accept_file(pipe, SETTINGS)
