"""One picture's file to the squashed grey square that a network learns from.

Plain pictures are decoded here with the rules of the serving path; DICOM and what is unusual goes
through the serving path itself. Training data are the operator's own: they are bounded in size but
not parsed in a process of their own. Knows nothing of labels.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from assistant.errors import InputError
from assistant.vision.inputs import squash

MOST_PIXELS = 64_000_000
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
_PLAIN = {"L", "RGB", "1"}


def square(path: Path, side: int, where: str) -> np.ndarray:
    """Return a picture as (side, side) uint8, grey, dense bright, its aspect ratio given up.

    Args:
        path: PNG, JPEG, TIFF, WebP or DICOM.
        side: 224 gives the very pixels that serving sees.
        where: index and line, for messages.

    Raises:
        InputError: if the file is missing, too large or can't be read.
    """
    pixels = _pixels(path, where)
    square = squash(pixels)
    if side == square.shape[0]:
        return square
    if side > square.shape[0]:
        # Finer than serving's square: straight from the original, by the same filter.
        square = pixels
    picture = Image.fromarray(np.ascontiguousarray(square))
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _pixels(path: Path, where: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise InputError(f"{where}: {path.name} has more than {MOST_PIXELS:,} pixels.")
                if picture.mode in _PLAIN:
                    return np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    except UnidentifiedImageError:
        pass
    except (OSError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{where}: {path} can't be read ({error}).") from error
    return _served(path, where)


def _served(path: Path, where: str) -> np.ndarray:
    """Decode as an upload would be."""
    from assistant import intake
    from assistant.errors import AuscultError
    from assistant.settings import Settings
    from assistant.vision.decode import decode

    try:
        settings = Settings()
        return decode(intake.accept_file(path, settings), settings).pixels
    except (AuscultError, OSError) as error:
        raise InputError(f"{where}: {path} can't be read ({error}).") from error
