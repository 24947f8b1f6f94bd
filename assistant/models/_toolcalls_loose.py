"""Values as models write them: JSON with the faults that small models make, and Python literals.

Reads strings in `"`, `'`, Gemma's `<escape>` and `<|"|>`, bare keys, trailing commas, `=` for `:`,
Python's and JSON's constants, and what was cut off before its closing brackets. Evaluates nothing.
Depth and length are bounded, so no text can exhaust the stack.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 32
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")
_SPACE = re.compile(r"\s*")
_CONSTANTS = {
    "true": True, "True": True, "false": False, "False": False,
    "null": None, "None": None, "none": None,
}  # fmt: skip
_QUOTES = ("<escape>", '<|"|>', '"', "'")
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class LooseError(ValueError):
    """The text is no value, whatever faults are forgiven."""


def value(text: str, at: int = 0) -> tuple[Any, int]:
    """Return the value that begins at `at`, and where it ends.

    Strict JSON is read as JSON. A string or bracket that the text's end cuts off raises.

    Raises:
        LooseError: if there is none.
    """
    at = skip(text, at)
    try:
        found, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        found, end = _value(text, at, 0)
    return _clean(found, 0), end


def _refuse(word: str) -> Any:
    raise LooseError(f"{word} is no value")  # NaN and Infinity could not be written as JSON again


_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


def skip(text: str, at: int) -> int:
    """Return the place of the next character that is no white space."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def mended(text: str) -> Any:
    """Return the value that a text is, with brackets closed that its end cuts off.

    Anything but white space and stray closing brackets behind it is an error. A string that is cut
    off is not mended: half a question is no question.

    Raises:
        LooseError: if it can't be read.
    """
    for missing in ("", "}", "]", "}}", "]}"):
        try:
            found, end = value(text + missing)
        except LooseError:
            continue
        if not (text + missing)[end:].strip("}]) \t\r\n;"):
            return found
    raise LooseError("it is no JSON")


def keywords(text: str, at: int, close: str) -> tuple[dict[str, Any], int]:
    """Return `key: value` or `key=value` pairs up to a closing bracket, and the place after it.

    Raises:
        LooseError: if they can't be read.
    """
    found, end = _pairs(text, at, close, 0)
    return _clean(found, 0), end


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    at = skip(text, at)
    if depth > MAX_DEPTH:
        raise LooseError(f"it is nested deeper than {MAX_DEPTH}")
    first = text[at : at + 1]
    if first == "{":
        return _pairs(text, at + 1, "}", depth + 1)
    if first in ("[", "("):
        return _items(text, at + 1, _CLOSERS[first], depth + 1)
    if any(text.startswith(quote, at) for quote in _QUOTES):
        return _string(text, at)
    number = _NUMBER.match(text, at)
    if number:
        return _number(number[0]), number.end()
    word = _WORD.match(text, at)
    if word and word[0] in _CONSTANTS:
        return _CONSTANTS[word[0]], word.end()
    raise LooseError(f"{text[at : at + 20]!r} is no value")


def _clean(found: Any, depth: int) -> Any:
    """Return a value whose text can be encoded, or raise if it is nested too deep."""
    if depth > MAX_DEPTH:
        raise LooseError(f"it is nested deeper than {MAX_DEPTH}")
    if isinstance(found, str):
        return found.encode("utf-8", "replace").decode("utf-8")
    if isinstance(found, dict):
        return {_clean(k, depth): _clean(v, depth + 1) for k, v in found.items()}
    if isinstance(found, list):
        return [_clean(item, depth + 1) for item in found]
    return found


def _number(digits: str) -> int | float:
    if len(digits) > 40:
        raise LooseError("a number has more than 40 digits")
    if not any(c in digits for c in ".eE"):
        return int(digits)
    found = float(digits)
    if found in (float("inf"), float("-inf")):
        raise LooseError("a number is too large")
    return found


def _items(text: str, at: int, close: str, depth: int) -> tuple[list[Any], int]:
    out: list[Any] = []
    while True:
        at = skip(text, at)
        if text.startswith(close, at):
            return out, at + len(close)
        item, at = _value(text, at, depth)
        out.append(item)
        at = _comma(text, at, close)


def _pairs(text: str, at: int, close: str, depth: int) -> tuple[dict[str, Any], int]:
    out: dict[str, Any] = {}
    while True:
        at = skip(text, at)
        if text.startswith(close, at):
            return out, at + len(close)
        key, at = _key(text, at)
        at = skip(text, at)
        if text[at : at + 1] not in (":", "="):
            raise LooseError(f"a ':' is missing after {key[:20]!r}")
        out[key], at = _value(text, at + 1, depth)
        at = _comma(text, at, close)


def _key(text: str, at: int) -> tuple[str, int]:
    if any(text.startswith(quote, at) for quote in _QUOTES):
        return _string(text, at)
    word = _WORD.match(text, at)
    if not word:
        raise LooseError(f"{text[at : at + 20]!r} is no key")
    return word[0], word.end()


def _comma(text: str, at: int, close: str) -> int:
    at = skip(text, at)
    if text.startswith(",", at):
        return at + 1
    if text.startswith(close, at):
        return at
    raise LooseError("a ',' or a closing bracket is missing")


def _string(text: str, at: int) -> tuple[str, int]:
    quote = next(q for q in _QUOTES if text.startswith(q, at))
    at += len(quote)
    if len(quote) > 1:  # Gemma's marks: what stands between them stands for itself
        end = text.find(quote, at)
        if end < 0:
            raise LooseError("a string is cut off")
        return text[at:end], end + len(quote)
    out: list[str] = []
    while at < len(text):
        character = text[at]
        if character == quote:
            return "".join(out), at + 1
        if character == "\\":
            piece, at = _escape(text, at + 1)
            out.append(piece)
        else:
            out.append(character)
            at += 1
    raise LooseError("a string is cut off")


def _escape(text: str, at: int) -> tuple[str, int]:
    character = text[at : at + 1]
    if character == "u":
        try:
            return chr(int(text[at + 1 : at + 5], 16)), at + 5
        except ValueError:
            return "\\u", at + 1
    return _ESCAPES.get(character, character), at + 1
