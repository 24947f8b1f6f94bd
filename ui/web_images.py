"""Films as small pictures for the page, decoded where every upload is decoded: in a limited child.

Knows nothing of Gradio.
"""

from __future__ import annotations

import base64
import io

from assistant.errors import AuscultError
from assistant.settings import Settings
from assistant.types import Attachment

SIDE = 640


def data_uri(attachment: Attachment, settings: Settings) -> str:
    """Return an image attachment as a JPEG data URI, 640 pixels wide or high; "" if unreadable."""
    from PIL import Image

    from assistant.vision import decode

    if attachment.kind != "image":
        return ""
    try:
        film = decode.decode(attachment, settings)
    except AuscultError:
        return ""
    picture = Image.fromarray(film.pixels)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
