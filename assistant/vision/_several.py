"""Several pictures decoded in one process, since a fork costs as much as a small picture.

Runs inside the sandbox's child, and only for pictures that one asker sends together. What can't be
decoded here is left to a process of its own, which words it.
"""

from __future__ import annotations

from typing import Any

from assistant.vision import _dicom, _raster

_DECODERS = {"dicom": _dicom.decode, "raster": _raster.decode}


def warm() -> None:
    """Import what the decoders import late."""
    for module in (_dicom, _raster):
        getattr(module, "warm", int)()


def decode(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Decode pictures that lie one behind the other.

    Args:
        data: the files.
        options: "parts": for each file its "kind" (dicom or raster), "size" and "options".

    Returns:
        "found": what is known of each picture, or None where it could not be decoded; and the
        pictures' bytes, one behind the other.
    """
    found: list[dict[str, Any] | None] = []
    bodies = bytearray()
    at = 0
    for part in options["parts"]:
        file = data[at : at + part["size"]]
        at += part["size"]
        try:
            meta, body = _DECODERS[part["kind"]](file, part["options"])
        except Exception:  # noqa: BLE001 - hostile bytes raise anything; see the module's first lines
            found.append(None)
            continue
        found.append({**meta, "bytes": len(body)})
        bodies += body
    return {"found": found}, bytes(bodies)
