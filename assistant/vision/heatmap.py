"""A film and its map as pictures: overlay, bare map for a reader's slider, and the film alone.

PNG bytes without metadata. Drawn by table and packed by run lengths alone, because they come with every
finding and a film's noise packs badly at any price. Knows nothing of networks.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Most of the short and long side of the overlay, in pixels.
SHORT_SIDE = 384
LONG_SIDE = 1200
# Longest side of the bare map and of the film alone, in pixels; neither is made larger than the film.
BARE_SIDE = 256
PLAIN_SIDE = 768
# Anchors of the inferno colour map (van der Walt & Smith 2015), dark to bright: its lightness rises
# evenly, so that what looks stronger is stronger, also in grey and to colour-blind readers.
_INFERNO = np.array(
    [
        [0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103], [188, 55, 84],
        [221, 81, 58], [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164],
    ],
    dtype=np.float64,
)  # fmt: skip
# Strongest cover, and the heat below which the film stays as it is.
_ALPHA = 0.6
_FLOOR = 0.2


def overlay(pixels: NDArray[np.uint8], heat: NDArray[np.floating]) -> bytes:
    """Return a PNG of the film in grey with the heat over it.

    Args:
        pixels: (H, W) uint8, the film as judged.
        heat: (h, w) in [0, 1], over the same field of view.

    Returns:
        PNG bytes in the film's own aspect ratio, short side at most about 384 px; never enlarged.
    """
    height, width = pixels.shape
    factor = min(1.0, SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    grey = np.asarray(_scaled(pixels, size), dtype=np.uint16)
    levels = np.asarray(_levels(heat).resize(size, Image.Resampling.BICUBIC))
    film_part, colour_part = _tables()
    mixed = np.empty((*grey.shape, 3), dtype=np.uint8)
    kept = grey * film_part[levels]
    for channel in range(3):
        mixed[..., channel] = (kept + colour_part[channel][levels]) >> 8
    return _png(Image.fromarray(mixed))


def bare(heat: NDArray[np.floating], shape: tuple[int, ...]) -> bytes:
    """Return the map alone as an 8-bit grey PNG, 255 where the heat is 1.

    Args:
        heat: (h, w) in [0, 1].
        shape: (H, W) of the film that it lies over: the picture has its aspect ratio.
    """
    return _png(_levels(heat).resize(_within(shape, BARE_SIDE), Image.Resampling.BICUBIC))


def plain(pixels: NDArray[np.uint8]) -> bytes:
    """Return the film as judged as an 8-bit grey PNG, its long side 768 px at most."""
    return _png(_scaled(pixels, _within(pixels.shape, PLAIN_SIDE)))


def _within(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return width and height of a picture of this shape, its long side `side` at most."""
    height, width = shape
    factor = min(1.0, side / max(height, width))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _scaled(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    film = Image.fromarray(np.ascontiguousarray(pixels))
    if film.size == size:
        return film
    return film.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _levels(heat: NDArray[np.floating]) -> Image.Image:
    """Return heat in [0, 1] as 8-bit levels; what is not a number counts as no heat."""
    known = np.nan_to_num(np.asarray(heat, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    return Image.fromarray(np.rint(known.clip(0, 1) * 255).astype(np.uint8))


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return, by level of heat, the film's part (256,) and the colour's (3, 256), in 1 / 256."""
    strength = np.arange(256) / 255
    anchors = np.linspace(0, 1, len(_INFERNO))
    cover = _ALPHA * ((strength - _FLOOR) / (1 - _FLOOR)).clip(0, 1)
    colours = np.stack([np.interp(strength, anchors, channel) for channel in _INFERNO.T])
    film_part = np.rint((1 - cover) * 256).astype(np.uint16)
    return film_part, np.floor(colours * (256 - film_part)).astype(np.uint16)


def _png(picture: Image.Image) -> bytes:
    """Return an 8-bit grey or RGB picture as PNG (W3C PNG, third edition, clauses 5, 9 and 10).

    Every row is stored as its difference from the one above (filter 2). Pillow's own writer tries all
    filters and takes three times as long for a tenth fewer bytes.
    """
    values = np.asarray(picture)
    height, width = values.shape[:2]
    rows = values.reshape(height, -1)
    lines = np.empty((height, rows.shape[1] + 1), dtype=np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    colour = 2 if values.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = packer.compress(lines.tobytes()) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(name, body) for name, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
