"""DICOM without identifiers, before any of it is stored, logged or sent.

The Basic Application Level Confidentiality Profile (PS3.15 Annex E), applied in a limited child
process. One key gives one pseudonym: UIDs of a study stay a study's. It cleans the header; writing in
the pixels is `burned_in`'s to find, and a file's name is the sender's.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from assistant.sandbox import Limits, run
from assistant.settings import Settings
from assistant.types import Attachment
from assistant.vision import pseudonyms

_PROCESS_KEY = secrets.token_bytes(32)
# Room for the new codes and for elements that grow.
_MORE = 1_000_000


def header(
    data: bytes,
    key: bytes | None = None,
    *,
    keep: bool = False,
    name: str = "The file",
    limits: Limits | None = None,
) -> bytes:
    """Return a DICOM file without identifiers; its pixels are untouched.

    Names, numbers, addresses, free text and private attributes go, dates are emptied, and UIDs are
    replaced by keyed ones, the same for the same. A deflated file comes back uncompressed.

    Args:
        data: the file.
        key: secret for the UIDs; by default one that lasts as long as this process.
        keep: keep sex, the age up to 90, and dates that are moved by a keyed number of days.
        name: what to call the file in a message.
        limits: of the child; by default 2 GB and 30 s.

    Raises:
        AttachmentError: if it can't be read as DICOM.
    """
    base = limits or Limits()
    room = replace(base, max_output_bytes=max(4 * len(data), 64_000_000) + _MORE)
    options = {"key": (key or _PROCESS_KEY).hex(), "keep": keep, "most": 3 * 64_000_000}
    _, cleaned = run("assistant.vision._deidentify:clean", data, options, room, name)
    return cleaned


def attachment(found: Attachment, settings: Settings) -> Attachment:
    """Return an upload as it may be kept: a DICOM file is cleaned, anything else is as it was.

    Sex, age and moved dates stay, so that what is said of the image stays the same.

    Raises:
        AttachmentError: if it is DICOM that can't be read.
    """
    if found.format != "dicom":
        return found
    limits = Limits(memory_mb=settings.decode_memory_mb, timeout_s=settings.decode_timeout_s)
    key = pseudonyms.key(settings)
    return replace(found, data=header(found.data, key, keep=True, name=found.name, limits=limits))
