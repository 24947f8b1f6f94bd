"""The sandbox for uploads: `retrieval.sandbox`, with what goes wrong as an `AttachmentError`.

Knows no file formats.
"""

from __future__ import annotations

from typing import Any

from assistant.errors import AttachmentError
from retrieval import sandbox
from retrieval.errors import SourceError
from retrieval.sandbox import Limits

__all__ = ["Limits", "run"]


def run(
    target: str, payload: bytes, options: dict[str, Any], limits: Limits, name: str
) -> tuple[dict[str, Any], bytes]:
    """Call `target` with (payload, options) in a child process; see `retrieval.sandbox.run`.

    Raises:
        AttachmentError: if the function refuses, raises, crashes, or breaks a limit.
    """
    try:
        return sandbox.run(target, payload, options, limits, name)
    except SourceError as error:
        raise AttachmentError(str(error)) from None
