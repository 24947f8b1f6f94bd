"""PNG, JPEG, TIFF and WebP to grey pixels. Runs inside the sandbox's child; numpy and Pillow only.

The same film gives the same pixels in every encoding that holds them: orientation is applied,
more than 8 bits become 8, transparency is laid on black, and colour becomes luminance.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from assistant.errors import AttachmentError
from assistant.vision import burned_in, windows
from assistant.vision.tint import colourfulness as colourfulness

# Pages of a TIFF or frames of a WebP that are counted, so that a chain of millions takes no time.
_COUNTED = 100


def decode(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Decode a picture.

    Args:
        data: the file.
        options: "format" ("png", "jpeg", "tiff" or "webp") and "max_pixels"; "window", the name of
            a preset.

    Returns:
        What is known of the picture (height, width, colour, notes), and its uint8 grey pixels.

    Raises:
        AttachmentError: if it is larger than allowed or not what its first bytes say.
    """
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # The bound below is ours, and comes before any decoding.
    kind = options["format"]
    with Image.open(io.BytesIO(data), formats=[kind.upper()]) as picture:
        width, height = picture.size
        if width * height > options["max_pixels"]:
            raise AttachmentError(
                f"it is {width} by {height} pixels and at most {options['max_pixels'] / 1e6:g} "
                "million pixels are accepted"
            )
        frames = _frames(picture)
        turned = picture.getexif().get(0x0112, 1) not in (None, 0, 1)
        picture.load()
        white = kind == "tiff" and picture.tag_v2.get(262) == 0  # type: ignore[attr-defined]
        upright = ImageOps.exif_transpose(picture)
    notes = []
    if turned:
        notes.append("turned upright as its EXIF orientation says")
    if frames > 1:
        many = f"more than {_COUNTED}" if frames > _COUNTED else str(frames)
        notes.append(f"the first of its {many} {'pages' if kind == 'tiff' else 'frames'} was read")
    if kind == "jpeg" and _torn(np.asarray(upright.convert("L"))):
        raise AttachmentError("its JPEG data are corrupt (torn rows); export it again")
    pixels, colour, note = _grey(upright)
    if white and upright.mode.startswith(("I", "F")):  # Pillow turns over 8 bits only.
        pixels = 255 - pixels
    notes += [note] if note else []
    pixels = windows.apply(pixels, options.get("window") or windows.AS_STORED)
    meta = {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "colour": colour,
        "notes": notes,
        "frames": frames,
        "photometric": upright.mode,
        "burned_in": burned_in.warnings(pixels),
    }
    return meta, np.ascontiguousarray(pixels).tobytes()


def warm() -> None:
    """Bring in what Pillow and the search for writing import late."""
    from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401
    from scipy import ndimage  # noqa: F401

    Image.preinit()
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, "PNG")
    decode(stream.getvalue(), {"format": "png", "max_pixels": 64})


def _frames(picture: Image.Image) -> int:
    """Count pages or frames, up to one more than `_COUNTED`, and return to the first."""
    if picture.format != "TIFF":
        return int(getattr(picture, "n_frames", 1))
    count = 1
    try:
        while count <= _COUNTED:
            picture.seek(count)
            count += 1
    except (EOFError, OSError, ValueError, SyntaxError, KeyError):
        pass  # A damaged later page doesn't spoil the first.
    picture.seek(0)
    return count


def _grey(picture: Image.Image) -> tuple[np.ndarray, float, str]:
    """Return (H, W) uint8 pixels, how colourful they were in [0, 1], and a note or ""."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        values = np.asarray(picture)
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
    try:
        colours = picture.convert("RGB")
    except ValueError:
        raise AttachmentError(
            f"its colour model ({picture.mode}) can't be read; export it as grey or RGB"
        ) from None
    return np.asarray(colours.convert("L")), colourfulness(np.asarray(colours)), note


def _eight_bits(values: np.ndarray) -> tuple[np.ndarray, float, str]:
    """Scale values of more than 8 bits; a film that uses few of its bits is stretched to its range.

    The range is that of the fewest usual bits (8, 10, 12, 14, 16) that hold the brightest value, as
    the same film in DICOM would say; 16 bits already from a quarter on.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        finite = values[np.isfinite(values)]
        values = np.where(np.isfinite(values), values, finite.min() if finite.size else 0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and values.dtype.kind in "iu" and high <= 65535:
        bits = 16 if high >= 16384 else next(b for b in (8, 10, 12, 14) if high < 2**b)
        if bits == 16 or high - low >= (2**bits - 1) / 2:
            table = np.rint(np.arange(int(high) + 1) / (2**bits - 1) * 255).astype(np.uint8)
            return table[values], 0.0, ""
    span = max(high - low, 1e-12)
    scaled = (values.astype(np.float64) - low) / span * 255
    return np.rint(scaled).astype(np.uint8), 0.0, "stretched to its own range"


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
