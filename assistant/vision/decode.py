"""An image attachment to a `RadiographImage`: pixels and what the file says of them.

Decoding happens in a child process with limits, because films come from anywhere. Knows nothing of
what may be judged; that is the gate's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from assistant.errors import AttachmentError
from assistant.sandbox import Limits, run
from assistant.settings import Settings
from assistant.types import Attachment


@dataclass(frozen=True, eq=False)
class RadiographImage:
    """A decoded image.

    Attributes:
        pixels: (H, W) uint8, bright where dense, as MONOCHROME2 shows it; read-only.
        format: png, jpeg or dicom.
        modality: DICOM modality such as DX, or "" where the file has none.
        body_part: DICOM body part such as CHEST, or "".
        view: DICOM view position such as PA, or "".
        laterality: DICOM laterality, L or R, or "".
        age_years: the patient's age, or None.
        colour: mean spread between the colour channels, in [0, 1]; 0 is grey.
        notes: what was done to read it.
    """

    pixels: np.ndarray = field(repr=False)
    format: str
    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    age_years: float | None = None
    colour: float = 0.0
    notes: tuple[str, ...] = ()


def decode(attachment: Attachment, settings: Settings) -> RadiographImage:
    """Decode an image attachment within the limits that `settings` gives.

    Raises:
        AttachmentError: if it is no image, damaged, too large, or takes too much time or memory.
    """
    if attachment.kind != "image":
        raise AttachmentError(f"{attachment.name} is a record, not an image: send a film.")
    module = "_dicom" if attachment.format == "dicom" else "_raster"
    limits = Limits(
        memory_mb=settings.decode_memory_mb,
        timeout_s=settings.decode_timeout_s,
        max_output_bytes=settings.max_pixels,
    )
    options = {"format": attachment.format, "max_pixels": settings.max_pixels}
    meta, body = run(
        f"assistant.vision.{module}:decode", attachment.data, options, limits, attachment.name
    )
    height, width = meta["height"], meta["width"]
    if len(body) != height * width:
        raise AttachmentError(f"{attachment.name} is damaged and can't be read: export it again.")
    return RadiographImage(
        pixels=np.frombuffer(body, np.uint8).reshape(height, width),
        format=attachment.format,
        modality=meta.get("modality", ""),
        body_part=meta.get("body_part", ""),
        view=meta.get("view", ""),
        laterality=meta.get("laterality", ""),
        age_years=meta.get("age_years"),
        colour=meta["colour"],
        notes=tuple(meta["notes"]),
    )
