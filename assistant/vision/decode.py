"""An image attachment to a `RadiographImage`: pixels and what the file says of them.

Decoding happens in a child process with limits, because films come from anywhere. Knows nothing of
what may be judged; that is the gate's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from assistant.errors import AttachmentError
from assistant.sandbox import Limits, run
from assistant.settings import Settings
from assistant.types import Attachment
from assistant.vision import pseudonyms, windows

# Pictures that share a child in bulk, and the bytes that they may have together.
TOGETHER = 8
TOGETHER_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Study:
    """Where an image belongs, in pseudonyms: keyed hashes, and a date moved by a keyed shift.

    Attributes:
        patient: the same for all images of one patient under one installation's key, or "".
        study: a valid DICOM UID that stands for the study's.
        series: likewise of the series.
        instance: likewise of the image itself.
        acquired: ISO date and time, moved by the same number of days for all images of a patient,
            so that order and intervals are true and the dates are not; or "".
        sop_class: the file's SOP class UID where it is a standard one, or "".
    """

    patient: str = ""
    study: str = ""
    series: str = ""
    instance: str = ""
    acquired: str = ""
    sop_class: str = ""


@dataclass(frozen=True, eq=False)
class RadiographImage:
    r"""A decoded image.

    Attributes:
        pixels: (H, W) uint8, bright where dense, as MONOCHROME2 shows it; read-only.
        format: png, jpeg, tiff, webp or dicom.
        modality: DICOM modality such as DX, or "" where the file has none.
        body_part: DICOM body part such as CHEST, or "".
        view: DICOM view position such as PA, or "".
        laterality: DICOM laterality, L or R, or "".
        age_years: the patient's age, 90 for all older, or None.
        colour: mean spread between the colour channels, in [0, 1]; 0 is grey.
        notes: what was done to read it.
        photometric: DICOM photometric interpretation or the picture's colour mode, or "".
        sex: M, F or O as DICOM says, or "".
        frames: how many frames or pages the file has; the first is shown.
        pixel_spacing: millimetres between rows and between columns, or None.
        burned_in: sentences that warn of writing in the pixels.
        study: pseudonyms of where it belongs, or None.
        orientation: DICOM patient orientation of rows and columns such as "L\F", or "".
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
    photometric: str = ""
    sex: str = ""
    frames: int = 1
    pixel_spacing: tuple[float, float] | None = None
    burned_in: tuple[str, ...] = ()
    study: Study | None = None
    orientation: str = ""


def decode(
    attachment: Attachment, settings: Settings, window: str | None = None
) -> RadiographImage:
    """Decode an image attachment within the limits that `settings` gives.

    Args:
        attachment: an image.
        settings: for the limits, and the folder of the pseudonyms' key.
        window: a preset of `windows.PRESETS` to show it in; by default as the file says, which is
            what may be judged.

    Raises:
        AttachmentError: if it is no image, damaged, too large, or takes too much time or memory.
        InputError: if there is no such window.
    """
    kind, options = _asked(attachment, settings, window)
    meta, body = run(
        f"assistant.vision._{kind}:decode",
        attachment.data,
        options,
        _limits(settings),
        attachment.name,
    )
    return _image(attachment, meta, body)


def decode_together(
    attachments: Sequence[Attachment], settings: Settings
) -> list[RadiographImage | AttachmentError]:
    """Decode a few attachments of one asker, small ones in one child; a refusal stops nothing.

    A child costs as much as a small picture does. Where it fails, each is decoded in its own.
    """
    if len(attachments) > 1 and sum(len(a.data) for a in attachments) <= TOGETHER_BYTES:
        with suppress(AttachmentError):
            return _together(attachments, settings)
    return [_alone(attachment, settings) for attachment in attachments]


def _together(
    attachments: Sequence[Attachment], settings: Settings
) -> list[RadiographImage | AttachmentError]:
    parts = []
    for attachment in attachments:
        kind, options = _asked(attachment, settings, None)
        parts.append({"kind": kind, "size": len(attachment.data), "options": options})
    meta, body = run(
        "assistant.vision._several:decode",
        b"".join(attachment.data for attachment in attachments),
        {"parts": parts},
        _limits(settings),
        "The pictures",
    )
    out: list[RadiographImage | AttachmentError] = []
    at = 0
    for attachment, known in zip(attachments, meta["found"], strict=True):
        if known is None:
            out.append(_alone(attachment, settings))
            continue
        out.append(_image(attachment, known, body[at : at + known["bytes"]]))
        at += known["bytes"]
    return out


def _alone(attachment: Attachment, settings: Settings) -> RadiographImage | AttachmentError:
    try:
        return decode(attachment, settings)
    except AttachmentError as error:
        return error


def _asked(
    attachment: Attachment, settings: Settings, window: str | None
) -> tuple[str, dict[str, Any]]:
    """Return which decoder an attachment needs, and its options."""
    if attachment.kind != "image":
        raise AttachmentError(f"{attachment.name} is a record, not an image: send a film.")
    windows.preset(window or windows.AS_STORED)
    options: dict[str, Any] = {
        "format": attachment.format,
        "max_pixels": settings.max_pixels,
        "window": window or "",
    }
    if attachment.format != "dicom":
        return "raster", options
    return "dicom", {**options, "key": pseudonyms.key(settings).hex()}


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_mb=settings.decode_memory_mb,
        timeout_s=settings.decode_timeout_s,
        max_output_bytes=settings.max_pixels,
    )


def decode_many(
    attachments: Iterable[Attachment], settings: Settings, workers: int = 0
) -> Iterator[RadiographImage | AttachmentError]:
    """Decode many attachments in several children at once, in order.

    Lazily: two handfuls for each worker are read ahead, so any number fits in memory.

    Args:
        attachments: images; taken as they are needed.
        settings: as for `decode`.
        workers: children at a time; 0 takes one for each processor.

    Yields:
        The image, or the refusal where one can't be decoded; a refusal stops nothing.
    """
    count = workers or os.cpu_count() or 1

    def some(given: list[Attachment]) -> list[RadiographImage | AttachmentError]:
        return decode_together(given, settings)

    stream = iter(attachments)
    with ThreadPoolExecutor(count, "decode") as pool:
        waiting: deque[Future[list[RadiographImage | AttachmentError]]] = deque()
        try:
            while True:
                while len(waiting) < 2 * count and (given := list(islice(stream, TOGETHER))):
                    waiting.append(pool.submit(some, given))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _image(attachment: Attachment, meta: dict[str, Any], body: bytes) -> RadiographImage:
    height, width = meta["height"], meta["width"]
    if len(body) != height * width:
        raise AttachmentError(f"{attachment.name} is damaged and can't be read: export it again.")
    spacing, study = meta.get("pixel_spacing"), meta.get("study")
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
        photometric=meta.get("photometric", ""),
        sex=meta.get("sex", ""),
        frames=meta.get("frames", 1),
        pixel_spacing=(spacing[0], spacing[1]) if spacing else None,
        burned_in=tuple(meta.get("burned_in", ())),
        study=Study(**study) if study else None,
        orientation=meta.get("orientation", ""),
    )
