"""Uploads as pictures for the page, decoded where every upload is decoded: in a limited child.

Knows nothing of Gradio or HTML.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

from assistant.errors import AuscultError
from assistant.settings import Settings
from assistant.types import Attachment, Finding

if TYPE_CHECKING:
    import numpy as np

SIDE = 1536
# An upload and the image as judged are one picture if their shapes and greys differ by less than this.
_SAME_SHAPE, _SAME_GREYS = 0.01, 3.0
# What the films that come with the package, and others drawn by a model, say of themselves.
_SAYS_SYNTHETIC = b"tEXtComment\0synthetic"


@dataclass(frozen=True, slots=True)
class Upload:
    """An image attachment as the page shows it.

    Attributes:
        attachment: the upload itself.
        png: at most 1,536 pixels wide or high; b"" where it can't be decoded.
        size: width and height of the whole picture, in pixels.
        synthetic: whether it is a film that comes with the package, or says that it is no patient's.
    """

    attachment: Attachment
    png: bytes = field(default=b"", repr=False)
    size: tuple[int, int] = (0, 0)
    synthetic: bool = False


def upload(attachment: Attachment, settings: Settings, window: str | None = None) -> Upload:
    """Return an image attachment as a picture, in a window of `assistant.vision.windows` if named."""
    from assistant.vision import decode

    if attachment.kind != "image":
        return Upload(attachment)
    try:
        film = decode.decode(attachment, settings, window)
    except AuscultError:
        return Upload(attachment)
    height, width = film.pixels.shape
    return Upload(attachment, png(film.pixels), (width, height), synthetic(attachment.data))


def png(pixels: np.ndarray) -> bytes:
    """Return (H, W) uint8 pixels as a PNG of at most 1,536 pixels a side, without metadata."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def grey(png: bytes) -> np.ndarray:
    """Return a PNG that was made here as (H, W) uint8 pixels."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("L"))


def sharper(whole: bytes, finding: Finding) -> bytes:
    """Return an upload put right as the gate did with it, larger than the image as judged; or b"".

    b"" too where the result isn't the image as judged, so that a heatmap over it could be off.
    """
    import numpy as np
    from PIL import Image

    report = finding.gate
    if not whole or not finding.picture or report is None:
        return b""
    judged, pixels = grey(finding.picture), grey(whole)
    if report.inverted:
        pixels = 255 - pixels
    turned = np.rot90(pixels, -(report.turned // 90))
    if report.mirrored:
        turned = np.fliplr(turned)
    size = (judged.shape[1], judged.shape[0])
    if turned.shape[0] <= judged.shape[0]:
        return b""
    small = Image.fromarray(np.ascontiguousarray(turned)).resize(
        size, Image.Resampling.BILINEAR, reducing_gap=3.0
    )
    apart = np.abs(np.asarray(small, np.float32) - judged).mean()
    same_shape = abs(turned.shape[1] / turned.shape[0] - size[0] / size[1]) < _SAME_SHAPE
    return png(turned) if same_shape and apart < _SAME_GREYS else b""


def synthetic(data: bytes) -> bool:
    """Say whether a file is a synthetic film of the package or carries its mark."""
    return _SAYS_SYNTHETIC in data[:4096] or sha256(data).hexdigest() in _samples()


@cache
def _samples() -> frozenset[str]:
    folder = resources.files("assistant.vision").joinpath("samples")
    return frozenset(
        sha256(file.read_bytes()).hexdigest()
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.name.endswith((".png", ".dcm"))
    )
