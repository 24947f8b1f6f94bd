"""Functions that the child of the literature's sandbox is asked to run."""

from __future__ import annotations

import os
import time
from typing import Any

from retrieval.errors import SourceError


def echo(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    print("noise that must not reach the answer")
    return options, data[::-1]


def count(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {}, str(len(data)).encode()


def spin(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    while True:
        pass


def devour(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {"size": len(bytearray(8 << 30))}, b""


def crash(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    os.abort()


def flood(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {}, b"x" * 5_000_000


def refuse(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    raise SourceError("it is not to my taste")


def leak(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    raise ValueError("Mrs Doe, born 1950")


def remember(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    seen = globals().setdefault("_SEEN", [])
    seen.append(data.decode())
    return {"seen": seen, "parent": os.getppid()}, b""


def look_around(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    found = {}
    for number in range(64):
        try:
            found[str(number)] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
    return {"open": found, "environment": sorted(os.environ)}, b""


def leave_behind(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        left = os.fork()
    except OSError:  # The limit on processes holds for all but the superuser.
        return {"left": 0}, b""
    if not left:
        time.sleep(60)
        os._exit(0)
    return {"left": left}, b""
