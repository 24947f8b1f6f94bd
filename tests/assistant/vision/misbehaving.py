"""Functions that the sandbox's child is asked to run."""

from __future__ import annotations

import os
import time
from typing import Any

from assistant.errors import AttachmentError


def echo(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    print("noise that must not reach the answer")
    return {"options": options, "environment": sorted(os.environ)}, data[::-1]


def sleep(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    time.sleep(60)
    return {}, b""


def spin(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    while True:
        pass


def devour(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {"size": len(bytearray(8 << 30))}, b""


def crash(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    os.abort()


def flood(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {}, b"x" * 5_000_000


def bypass(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    for descriptor in range(3, 8):
        try:
            while True:
                os.write(descriptor, b"\0" * 65536)
        except OSError:
            continue
    return {}, b""


def nest(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return nest(data, options)


def refuse(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    raise AttachmentError("it is not to my taste")


def leak(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    raise ValueError("Mrs Doe, born 1950")


def scribble(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    with open(options["path"], "wb") as stream:
        stream.write(b"x" * 100)
    return {}, b""
