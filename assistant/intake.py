"""Uploads in: from bytes and a name to an `Attachment` that has been sniffed and bounded.

What a file is, is decided by its bytes; its name is for display only. Nothing is parsed here beyond
what tells the formats apart. Knows nothing of films, records or sessions.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from assistant.errors import AttachmentError
from assistant.settings import Settings
from assistant.types import Attachment

ACCEPTED = "Accepted are PNG, JPEG, TIFF, WebP and DICOM films, and records as plain text or JSON."

# What the first bytes say of formats that are recognised and not accepted.
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"\0\0\0\x0cjP  ", "a bare JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 picture"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"8BPS", "a Photoshop file"),
    (b"\x01\xda", "an SGI picture"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
# Classic and big TIFF, little and big endian.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURE_NAMES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".dcm", ".dicom", ".gif", ".bmp", ".tif", ".tiff",
    ".webp", ".svg", ".pdf",
)  # fmt: skip
_TEXT_NAMES = (".txt", ".text", ".md", ".json", ".csv", ".log", ".note")
_WORDS = {"png": "a PNG picture", "jpeg": "a JPEG picture", "dicom": "a DICOM file",
          "tiff": "a TIFF picture", "webp": "a WebP picture", "text": "plain text", "json": "JSON text"}  # fmt: skip


def accept_file(path: Path, settings: Settings, number: int = 1) -> Attachment:
    """Read the file at `path` and accept it; its size is bounded before it is read.

    Args:
        path: the file.
        settings: for `max_upload_mb`.
        number: the attachment's place in its session, from 1.

    Raises:
        AttachmentError: if there is no such file, or `accept` refuses it.
    """
    name = display_name(path.name)
    if path.is_dir():
        raise AttachmentError(f"{name} is a folder: name one file in it.")
    if not path.exists():
        raise AttachmentError(f"There is no file {name} at the place given: check the path.")
    if not path.is_file():
        raise AttachmentError(f"{name} is not a regular file: name a file on disk.")
    try:
        _bound(name, path.stat().st_size, settings)
        with path.open("rb") as stream:
            data = stream.read(settings.max_upload_mb * 1_000_000 + 1)
    except OSError as error:
        raise AttachmentError(
            f"{name} can't be opened ({error.strerror}): check its permissions."
        ) from error
    return accept(path.name, data, settings, number)


def accept(name: str, data: bytes, settings: Settings, number: int = 1) -> Attachment:
    """Return the upload as a typed attachment; text is brought to UTF-8.

    Args:
        name: what the sender calls the file; shown, never used as a path.
        data: its bytes.
        settings: for `max_upload_mb`.
        number: the attachment's place in its session, from 1; its id is `A<number>`.

    Raises:
        AttachmentError: one sentence that says what the bytes are and what is accepted.
    """
    name = display_name(name)
    _bound(name, len(data), settings)
    picture = _sniff_picture(name, data)
    if picture is not None:
        _agree(name, picture)
        return Attachment(f"A{number}", name, "image", picture, data)
    text = _text_of(name, data)
    kind = "json" if _is_json(name, text) else "text"
    _agree(name, kind)
    return Attachment(f"A{number}", name, "record", kind, text.encode("utf-8"))


def display_name(name: str) -> str:
    """Return the last part of `name` without control and direction characters, at most 120 long."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if len(shown) > 120:
        shown = shown[:100] + "…" + shown[-19:]
    return shown if shown.strip(".") else "upload"


def looks_like_dicom(data: bytes) -> bool:
    """Say whether bytes are DICOM: by the mark after the preamble, or without one, by first tags.

    A file without preamble (PS3.10 section 7.1 wants one, old exports lack it) begins with an
    element of group 0002 or 0008, little or big endian, whose length stays small.
    """
    if data[128:132] == b"DICM":
        return True
    if len(data) < 64 or data[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    order = "big" if data[:2] == b"\x00\x08" else "little"
    element = int.from_bytes(data[2:4], order)  # type: ignore[arg-type]
    if data[4:6].isalpha() and data[4:6].isupper():
        length = int.from_bytes(data[6:8], order)  # type: ignore[arg-type]
    else:
        length = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    return element <= 0x0070 and length <= 1024


def _bound(name: str, size: int, settings: Settings) -> None:
    if size == 0:
        raise AttachmentError(f"{name} is empty (0 bytes): send the file again.")
    if size > settings.max_upload_mb * 1_000_000:
        raise AttachmentError(
            f"{name} is too large ({size / 1e6:.0f} MB): at most {settings.max_upload_mb} MB "
            "are accepted, so send a smaller export."
        )


def _sniff_picture(name: str, data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if looks_like_dicom(data):
        return "dicom"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith(_TIFF):
        return "tiff"
    for magic, words in _FOREIGN:
        # Two-letter marks also begin ordinary words ("BMI 31"), so they need a binary file.
        if data.startswith(magic) and (len(magic) > 2 or b"\0" in data[:512]):
            raise AttachmentError(f"{name} is {words}, which is not accepted. {ACCEPTED}")
    return None


def _text_of(name: str, data: bytes) -> str:
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _readable(text):
            break
    else:
        raise AttachmentError(f"{name} is binary data of an unknown kind. {ACCEPTED}")
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise AttachmentError(f"{name} has no text in it, only white space: send the file again.")
    start = text.lstrip()[:200].lower()
    if "<svg" in start:
        raise AttachmentError(f"{name} is an SVG drawing, which is not accepted. {ACCEPTED}")
    if start.startswith(("<?xml", "<!doctype", "<html")):
        raise AttachmentError(f"{name} is XML or HTML, which is not accepted. {ACCEPTED}")
    return text


def _encodings(data: bytes) -> tuple[str, ...]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if b"\0" in data[:4096]:
        # Without a mark: Western text in UTF-16 has its zeros on one side.
        even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
        return ("utf-16-le",) if odd > even else ("utf-16-be",)
    return ("utf-8-sig", "cp1252", "latin-1")


def _readable(text: str) -> bool:
    sample = text[:65536]
    bad = sum(
        1 for c in sample if unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\t\n\r\f\v"
    )
    return bad <= len(sample) // 1000


def _is_json(name: str, text: str) -> bool:
    named = name.lower().endswith(".json")
    if not named and text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except RecursionError:
        raise AttachmentError(f"{name} is JSON that is nested too deeply to be read.") from None
    except ValueError as error:
        if not named:
            return False
        raise AttachmentError(f"{name} is not valid JSON ({error}): export it again.") from None
    return True


def _agree(name: str, kind: str) -> None:
    """Refuse a picture that is named as text, or the other way round."""
    lowered = name.lower()
    text = kind in ("text", "json")
    if lowered.endswith(_PICTURE_NAMES if text else _TEXT_NAMES):
        ending = lowered[lowered.rfind(".") :]
        raise AttachmentError(
            f"{name} is named {ending}, but its bytes are {_WORDS[kind]}: give it its right name."
        )
