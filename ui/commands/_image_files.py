"""Which files `auscult image` looks at: those named, and what looks like a picture in folders.

A file that is named is always looked at, whatever it is. In a folder, hidden files, DICOM
directories and what is no picture by its first bytes or its name are passed over and counted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import AttachmentError, InputError

PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".dcm", ".dicom", ".tif", ".tiff", ".webp")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
_DIRECTORY = "DICOMDIR"


@dataclass(frozen=True, slots=True)
class Found:
    """The films, in order and each once, and how many other files were passed over."""

    films: tuple[Path, ...]
    others: int


def find(paths: tuple[Path, ...]) -> Found:
    """Return the films at `paths`; folders are searched to their depth, links to folders are not.

    Raises:
        AttachmentError: if there is nothing at one of the paths.
        InputError: if there is no film at all.
    """
    films: dict[str, Path] = {}
    others = 0
    for path in paths:
        if path.is_dir():
            inside, passed = _inside(path)
            others += passed
        elif path.exists():
            inside = [path]
        else:
            raise AttachmentError(f"There is no file or folder {path}: check the path.")
        for film in inside:
            films.setdefault(os.path.abspath(film), film)
    if not films:
        where = ", ".join(str(path) for path in paths)
        raise InputError(
            f"There is no picture in {where} ({others} other files): name a film, or a folder "
            "with PNG, JPEG, TIFF, WebP or DICOM films."
        )
    return Found(tuple(films.values()), others)


def _inside(folder: Path) -> tuple[list[Path], int]:
    found, others = [], 0
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if _promising(path):
                found.append(path)
            elif not name.startswith("."):
                others += 1
    return found, others


def _promising(path: Path) -> bool:
    if path.name.startswith(".") or path.name.upper() == _DIRECTORY or not path.is_file():
        return False
    # A file that can't be opened, or is broken, is named in the results rather than passed over.
    if path.suffix.lower() in PICTURES:
        return True
    from assistant.intake import looks_like_dicom

    try:
        with path.open("rb") as stream:
            head = stream.read(256)
    except OSError:
        return False
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return head.startswith(_MAGIC) or webp or looks_like_dicom(head)
