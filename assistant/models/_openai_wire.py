"""A conversation as the chat completions interface takes it: plain values, ready for JSON.

Text of people and documents is cleaned of what templates use as marks, because the server writes
the conversation into one. Images go along as data URLs where the caller gives them. Sends nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assistant.models import _hf_messages, _prompting

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# What a message costs beside its text, and an image at the size that servers scale it to.
_MESSAGE_TOKENS = 8
_IMAGE_TOKENS = 1024
_ASCII_PER_TOKEN = 3.2


def messages(given: Sequence[BaseMessage], images: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return messages as the interface takes them.

    Args:
        given: a conversation.
        images: data URLs that stand before the text of the last question.
    """
    left = list(images)
    out: list[dict[str, Any]] = []
    for message in _hf_messages.as_dicts(given, len(left)):
        content = message["content"]
        if isinstance(content, str):
            content = _text(content)
        else:
            content = [_part(part, left) for part in content]
        made = {**message, "content": content}
        if "tool_calls" in made:
            made["tool_calls"] = [_call(call) for call in made["tool_calls"]]
        out.append(made)
    return out


def tokens(made: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    """Return about how many tokens a server's model reads: on the safe side for plain words.

    The server's tokenizer is not known here, so this is an estimate: a token for every 3.2
    characters of ASCII and for every other character. What the server says of a conversation that
    is too long corrects it.
    """
    whole = [json.dumps(tool, ensure_ascii=False) for tool in tools]
    images = 0
    for message in made:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        whole += [part["text"] for part in parts if part["type"] == "text"]
        images += sum(part["type"] == "image_url" for part in parts)
        whole += [json.dumps(call, ensure_ascii=False) for call in message.get("tool_calls", ())]
    plain = sum(len(text.encode("ascii", "ignore")) for text in whole)
    other = sum(map(len, whole)) - plain
    return (
        math.ceil(plain / _ASCII_PER_TOKEN)
        + other
        + _MESSAGE_TOKENS * len(made)
        + _IMAGE_TOKENS * images
    )


def _part(part: Mapping[str, Any], left: list[str]) -> dict[str, Any]:
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": left.pop(0)}}
    return {"type": "text", "text": _text(str(part["text"]))}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.dumps(_neutral(function["arguments"]), ensure_ascii=False)
    return {
        "id": str(call["id"]),
        "type": "function",
        "function": {"name": _text(function["name"]), "arguments": arguments},
    }


def _text(text: str) -> str:
    """Return text without marks, and without halves of characters, which can't be sent."""
    return _prompting.neutral(text).encode("utf-8", "replace").decode("utf-8")


def _neutral(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(str(key)): _neutral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_neutral(item) for item in value]
    return value
