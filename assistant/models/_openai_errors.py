"""What a chat server's refusal means, in one sentence that names the next step.

Some refusals can be met by asking otherwise or later: those are exceptions of their own, which never
leave the backend. The server's own words are shown shortened, without the key. Sends nothing.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from assistant.errors import ModelError
from assistant.models._openai_spec import Place

KEY_SETTING = "openai_api_key (AUSCULT_OPENAI_API_KEY)"
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_SHOWN = 200
_LIMIT = (
    re.compile(r"maximum context (?:length|size|window)\D{0,20}?(?:is|of)\s+([\d,]+)", re.I),
    re.compile(r"max(?:imum)?[_ ]model[_ ]len\D{0,20}([\d,]+)", re.I),
    re.compile(r"context (?:size|window|length)\D{0,20}([\d,]+)", re.I),
)
_ASKED = (
    re.compile(r"([\d,]+) (?:tokens? )?(?:in|from) (?:the|your) (?:messages|prompt|input)", re.I),
    re.compile(r"([\d,]+) input tokens", re.I),
    re.compile(r"(?:messages|prompt|request|input)\D{0,40}?([\d,]+) tokens", re.I),
)
_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|too (?:long|many tokens)|max_model_len", re.I
)
_FIELD = re.compile(r"\b(?:max_completion_tokens|max_tokens|temperature|stream|stop)\b")
_REFUSES = re.compile(
    r"unsupported|not supported|unrecognized|unknown|not permitted|extra|only", re.I
)


class Transient(ModelError):
    """It may work in a moment.

    Attributes:
        pause_s: how long the server asks to wait, or None.
    """

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class TooLong(ModelError):
    """The conversation is longer than the model can read.

    Attributes:
        limit: tokens of its window, or 0 if the server does not say.
        asked: tokens that the conversation has, or 0.
    """

    def __init__(self, message: str, limit: int, asked: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.asked = asked


class Unsupported(ModelError):
    """The server does not take a field of the request.

    Attributes:
        field: its name.
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class NoModel(ModelError):
    """There is no such model, or no such address on the server."""


def judge(
    place: Place, status: int, headers: Mapping[str, str], body: bytes, key: str
) -> ModelError:
    """Return what an answer that is no success means.

    Args:
        place: who answered.
        status: of HTTP.
        headers: by lower-case name.
        body: the begin of it.
        key: the key that was sent, or "".
    """
    said = message(body, key)
    shown = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if 300 <= status < 400:
        to = re.sub(r"^\w+://", "", headers.get("location", "")).split("/")[0] or "another address"
        return ModelError(
            f"The chat server {place.host} redirects to {to[:80]}, which is not followed: put the "
            "address that is meant into chat_model."
        )
    if status in (401, 403, 407):
        what = f"refuses the key in {KEY_SETTING}" if key else "wants a key"
        mend = "correct it" if key else f"set {KEY_SETTING}"
        return ModelError(f"The chat server {place.host} {what} ({shown}): {mend}.")
    if status == 404 or ("model" in said.lower() and "not exist" in said.lower()):
        return NoModel(
            f"The chat server {place.host} has no model {place.model!r} at {place.url} ({shown}): "
            "check the name, and the address, which usually ends in /v1."
        )
    if status in _RETRIED and "insufficient_quota" not in body.decode("utf-8", "replace"):
        return Transient(
            f"The chat server {place.host} can't answer now ({shown}): ask again in a moment, or "
            "look at the server's log.",
            retry_after(headers.get("retry-after")),
        )
    return _refused(place, shown, said, body)


def _refused(place: Place, shown: str, said: str, body: bytes) -> ModelError:
    who = f"The chat server {place.host}"
    if _TOO_LONG.search(said) or b"context_length_exceeded" in body:
        limit, asked = _window(said, body)
        return TooLong(
            f"{who} says that the conversation is too long for {place.model!r} ({shown}): ask a "
            "shorter question, attach less, or begin a new conversation.",
            limit,
            asked,
        )
    if "tool" in said.lower() and ("enable-auto-tool-choice" in said or "parser" in said):
        return ModelError(
            f"{who} does not accept tools: start vLLM with --enable-auto-tool-choice and the "
            "--tool-call-parser of the model."
        )
    if re.search(r"image|multimodal|vision", said, re.I):
        return ModelError(f"{who} can't read images ({shown}): set chat_images to false.")
    if _REFUSES.search(said) and (named := _FIELD.search(said)):  # the first is what it is about
        return Unsupported(f"{who} does not take {named[0]!r} ({shown}).", named[0])
    return ModelError(
        f"{who} refuses the request ({shown}): check that it speaks the chat completions interface "
        "and serves a chat model that can call tools."
    )


def _window(said: str, body: bytes) -> tuple[int, int]:
    error = _error(body)
    limit = error.get("n_ctx") or next(filter(None, (_number(p, said) for p in _LIMIT)), 0)
    asked = error.get("n_prompt_tokens") or next(
        filter(None, (_number(p, said) for p in _ASKED)), 0
    )
    good = [n if isinstance(n, int) and 0 < n < 10**9 else 0 for n in (limit, asked)]
    return good[0], good[1]


def _number(pattern: re.Pattern[str], said: str) -> int:
    match = pattern.search(said)
    digits = match[1].replace(",", "") if match else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def message(body: bytes, key: str = "") -> str:
    """Return what a server says of an error: short, on one line, without the key; "" for a page."""
    error = _error(body)
    said = error.get("message") or error.get("detail") or error.get("error")
    if said is None and body.lstrip()[:1] not in (b"<", b"{", b"["):
        said = body.decode("utf-8", "replace")
    return clean(str(said), key) if said else ""


def clean(text: str, key: str = "") -> str:
    """Return foreign text as it may be shown: one line, printable, short, without the key."""
    if key:
        text = text.replace(key, "***")
    shown = "".join(c if c.isprintable() else " " for c in text[: 10 * _SHOWN])
    shown = " ".join(shown.split())
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"


def _error(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list) and found:  # Google's compatible server wraps it so
        found = found[0]
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    return found if isinstance(found, dict) else {}


def retry_after(value: str | None) -> float | None:
    """Return how many seconds a Retry-After header asks for, or None (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())
