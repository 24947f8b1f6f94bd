"""Rows of chat data: read by the code that trains on them, then checked turn by turn.

Says what is wrong without quoting anything. Knows nothing of files or of chat templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finetune._validation_formats import Sample, units
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune.chat.formats import Format

# What each role may follow; "" is the beginning.
_AFTER = {
    "system": {"", "system"},
    "user": {"", "system", "assistant"},
    "assistant": {"user", "tool"},
    "tool": {"assistant", "tool"},
}
_NAMES = {
    "": "nothing",
    "system": "the system's",
    "user": "the user's",
    "assistant": "the assistant's",
    "tool": "a tool's",
}


def sample(kind: Format, row: Mapping[str, Any], system: str) -> Sample:
    """Return what the checks need of a row.

    Args:
        kind: the format as training reads it.
        row: with the columns of the format.
        system: the recipe's `data.system`.
    """
    from finetune.chat import formats

    try:
        read = formats.read(kind, row, "", system)
    except InputError as error:
        fault = str(error).removeprefix(": ").removesuffix("; mend or remove the row.").rstrip(".")
        return Sample("(unread)", "(unread)", units(row), (fault.strip(),))
    given = [_words(m) for m in read.messages if m["role"] in {"user", "tool"}]
    said = [_words(m) for m in read.messages if m["role"] == "assistant" and m.get("weight", 1)]
    faults = order(read.messages)
    return Sample(
        "\n".join(given).strip(), "\n".join([*said, read.rejected]).strip(), units(row), faults
    )


def order(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the first fault in the order of messages, as a tuple of at most one."""
    before = ""
    for message in messages:
        role = str(message["role"])
        if before not in _AFTER[role]:
            return (f"{_NAMES[role]} message follows {_NAMES[before]}",)
        if role == "assistant" and not _words(message).strip() and not message.get("tool_calls"):
            return ("an assistant's message is empty",)
        before = role
    if before != "assistant" or messages[-1].get("tool_calls"):
        return ("the last message is not an answer of the assistant",)
    return ()


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))
