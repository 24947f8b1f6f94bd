"""PNG and JPEG to grey pixels. Runs inside the sandbox's child; imports numpy and Pillow only.

The same film gives the same pixels in every encoding that holds them: orientation is applied,
16 bits become 8, transparency is laid on black, and colour becomes luminance.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from assistant.errors import AttachmentError


def decode(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Decode a PNG or JPEG.

    Args:
        data: the file.
        options: "format" ("png" or "jpeg") and "max_pixels".

    Returns:
        What is known of the picture (height, width, colour, notes), and its uint8 grey pixels.

    Raises:
        AttachmentError: if it is larger than allowed or not what its first bytes say.
    """
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # The bound below is ours, and comes before any decoding.
    with Image.open(io.BytesIO(data), formats=[options["format"].upper()]) as picture:
        width, height = picture.size
        if width * height > options["max_pixels"]:
            raise AttachmentError(
                f"it is {width} by {height} pixels and at most {options['max_pixels'] / 1e6:g} "
                "million pixels are accepted"
            )
        frames = getattr(picture, "n_frames", 1)
        turned = picture.getexif().get(0x0112, 1) not in (None, 0, 1)
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    notes = []
    if turned:
        notes.append("turned upright as its EXIF orientation says")
    if frames > 1:
        notes.append(f"the first of its {frames} frames was read")
    if options["format"] == "jpeg" and _torn(np.asarray(picture.convert("L"))):
        raise AttachmentError("its JPEG data are corrupt (torn rows); export it again")
    pixels, colour, note = _grey(upright)
    notes += [note] if note else []
    meta = {"height": pixels.shape[0], "width": pixels.shape[1], "colour": colour, "notes": notes}
    return meta, pixels.tobytes()


def _grey(picture: Image.Image) -> tuple[np.ndarray, float, str]:
    """Return (H, W) uint8 pixels, how colourful they were in [0, 1], and a note or ""."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture, dtype=np.float64)
        return (*_eight_bits(values),)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L")), 0.0, ""
    note = ""
    if picture.mode in ("P", "PA", "LA", "RGBA", "RGBa", "La"):
        layered = picture.convert("RGBA")
        if np.asarray(layered.getchannel("A")).min() < 255:
            note = "its transparent parts were laid on black"
            black = Image.new("RGBA", layered.size, (0, 0, 0, 255))
            layered = Image.alpha_composite(black, layered)
        picture = layered
    colours = picture.convert("RGB")
    return np.asarray(colours.convert("L")), colourfulness(np.asarray(colours)), note


def _eight_bits(values: np.ndarray) -> tuple[np.ndarray, float, str]:
    """Scale 16-bit values; a film that uses few of its bits is stretched to its own range."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and 16384 <= high <= 65535:
        return np.rint(values / 257).astype(np.uint8), 0.0, ""
    span = max(high - low, 1e-12)
    return np.rint((values - low) / span * 255).astype(np.uint8), 0.0, "stretched to its own range"


def _torn(pixels: np.ndarray) -> bool:
    """Say whether (H, W) pixels jump between block rows as a damaged JPEG scan does.

    Decoders carry on after damaged data and only warn. What follows is shifted or of the wrong
    grey, so rows that begin a block (each 8) differ far more from the row above than others do.
    """
    if len(pixels) < 64:
        return False
    rows = pixels[:, :: max(1, pixels.shape[1] // 512)].astype(np.int16)
    jumps = np.abs(np.diff(rows, axis=0)).mean(1)
    high = jumps > 4 + 5 * np.median(jumps)
    edges = high[7::8].sum()
    return bool(edges >= 4 and edges >= 0.7 * high.sum())


def colourfulness(pixels: np.ndarray) -> float:
    """Return the mean spread between the channels of (..., 3) uint8 pixels, in [0, 1]."""
    thinned = pixels[:: max(1, len(pixels) // 256), :: max(1, pixels.shape[1] // 256)]
    spread = thinned.max(-1).astype(np.int16) - thinned.min(-1).astype(np.int16)
    return float(spread.mean() / 255)
