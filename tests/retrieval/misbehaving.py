"""Functions that the child of the literature's sandbox is asked to run."""

from __future__ import annotations

import os
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
