"""LangChain's messages as the plain ones that templates take, and replies' tokens as text.

Knows the roles and the marks; knows nothing of models or of what is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assistant.models import _prompting

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# Special tokens that carry meaning in a reply: they open and close tool calls and thoughts.
_TELLING = re.compile(r"tool|python_tag|function|ARGS|CALL_ID|think|channel|\|message\|", re.I)


def as_dicts(messages: Sequence[BaseMessage], images: int = 0) -> list[_prompting.Message]:
    """Return messages as `_prompting.render` takes them.

    Args:
        messages: a conversation.
        images: how many images stand before the text of the last question.
    """
    last = max((n for n, m in enumerate(messages) if m.type == "human"), default=-1)
    out: list[_prompting.Message] = []
    for number, message in enumerate(messages):
        text = message.content if isinstance(message.content, str) else str(message.text)
        if message.type == "ai":
            made: _prompting.Message = {"role": "assistant", "content": text}
            if calls := getattr(message, "tool_calls", None):
                made["tool_calls"] = [_call(call) for call in calls]
            out.append(made)
        elif message.type == "tool":
            out.append(
                {
                    "role": "tool",
                    "name": message.name or "tool",
                    "tool_call_id": str(getattr(message, "tool_call_id", "")),
                    "content": text,
                }
            )
        elif message.type == "human":
            text = _prompting.question(text, message.additional_kwargs)
            shown = images if number == last else 0
            parts = [{"type": "image"} for _ in range(shown)]
            content = [*parts, {"type": "text", "text": text}] if shown else text
            out.append({"role": "user", "content": content})
        else:
            out.append({"role": "system", "content": text})
    return out


def _call(call: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "id": str(call.get("id") or _prompting.CALL_ID),
        "function": {"name": call["name"], "arguments": dict(call["args"])},
    }


class Speech:
    """Turns tokens into text as soon as it is certain; half a character waits for its rest.

    Special tokens are left out, but for those that mark tool calls and thoughts.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._silent = {
            number
            for token, number in tokenizer.get_added_vocab().items()
            if number in set(tokenizer.all_special_ids) and not _TELLING.search(token)
        }
        self._ids: list[int] = []
        self._before = 0  # where the tokens begin that the next piece is decoded with
        self._said = 0  # how many tokens have been said

    def feed(self, token: int) -> str:
        """Take a token and return the text that is certain now, or ""."""
        if token in self._silent:
            return ""
        self._ids.append(token)
        return self._next(final=False)

    def close(self) -> str:
        """Return what is left."""
        return self._next(final=True)

    def _next(self, *, final: bool) -> str:
        before = self._decode(self._ids[self._before : self._said])
        now = self._decode(self._ids[self._before :])
        if len(now) <= len(before) or (now.endswith("\ufffd") and not final):
            return ""
        self._before, self._said = self._said, len(self._ids)
        return now[len(before) :]

    def _decode(self, ids: list[int]) -> str:
        text = self._tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return str(text)


class Halt:
    """Passes text on until a stop string appears; the stop string itself is not passed on."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.over = False

    def feed(self, text: str) -> str:
        """Return the text that can't be the beginning of a stop string any more."""
        if self.over or not self._stops:
            return "" if self.over else text
        held = self._held + text
        found = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            self.over, self._held = True, ""
            return held[: min(found)]
        keep = max(_overlap(held, stop) for stop in self._stops)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def close(self) -> str:
        """Return what was held back."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of a text begin a stop string."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
