"""Tool calls in the text that a chat model writes: found while it streams, written for its template.

Promises that the pieces given out, joined, are the text that came in; that they are the same
however the text was cut; that no text raises; and that no more than `MAX_CALL` characters are held
back. Reads the marks of every family whatever the style, because models mix them: Hermes and Qwen
(JSON or XML in tags), Llama (bare JSON, python tag, Python lists), Mistral (with names or lists),
Gemma (fenced code, function calls of its own). Knows nothing of tokens or of which tools there are.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.models._toolcalls_forms import THOUGHTS, Bare, Form, Scan, Style, Thinking
from assistant.models._toolcalls_read import UNREADABLE, ToolCall
from assistant.models._toolcalls_words import render_calls, render_tools

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

__all__ = [
    "MAX_CALL",
    "STYLES",
    "UNREADABLE",
    "Event",
    "StreamParser",
    "Style",
    "TextDelta",
    "Thought",
    "ToolCall",
    "as_chunk",
    "detect",
    "parse",
    "render_calls",
    "render_tools",
]

MAX_CALL = 32_000
STYLES = {
    style.name: style
    for style in (
        Style("hermes", bare=True),
        Style("qwen_xml"),
        Style("llama", bare=True),
        Style("mistral"),
        Style("gemma", bare=True, fences=True),
        Style("function_gemma"),
        Style("gemma4"),
        Style("json", bare=True, fences=True),
        Style("server"),  # for text that a server should have parsed itself
    )
}
_BARE = (Bare("{"), Bare("["))
_BETWEEN = " \t\r\n;,"  # what may stand between one bare call and the next
_BARE_PLACE = re.compile(r"\n[ \t\r\n;,]*\{")


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model thinks, marks included: not for the reader."""

    text: str


Event = TextDelta | Thought | ToolCall


def detect(template: str, vocab: Collection[str], model_type: str = "") -> Style:
    """Return the style that a model's template shows, else its vocabulary, else its type.

    Args:
        template: the chat template's source.
        vocab: the tokenizer's tokens.
        model_type: as in its config, or "".
    """
    for marks, name in (
        (("[TOOL_CALLS]",), "mistral"),
        (("<|tool_call>",), "gemma4"),
        (("<start_function_call>",), "function_gemma"),
        (("<function=", "<parameter="), "qwen_xml"),
        (("<tool_call>",), "hermes"),
        (("<|python_tag|>",), "llama"),
        (("<|start_header_id|>", '"parameters"'), "llama"),
        (("<start_of_turn>",), "gemma"),
    ):
        if all(mark in template for mark in marks):
            return STYLES[name]
    for mark, name in (
        ("[TOOL_CALLS]", "mistral"),
        ("<|tool_call>", "gemma4"),
        ("<start_function_call>", "function_gemma"),
        ("<tool_call>", "hermes"),
        ("<|python_tag|>", "llama"),
        ("<start_of_turn>", "gemma"),
    ):
        if mark in vocab:
            return STYLES[name]
    return STYLES["gemma" if model_type.startswith("gemma") else "json"]


class StreamParser:
    """Splits one reply into text, thoughts and tool calls."""

    def __init__(self, style: Style, *, thinking: bool = False) -> None:
        """Begin a reply.

        Args:
            style: of the model.
            thinking: whether the prompt has opened a thought already.
        """
        self._style = style
        self._buffer = ""
        self._form: Form | None = None
        self._scan = Scan()
        self._thinking: Thinking | None = THOUGHTS[0] if thinking else None
        self._fresh = True  # nothing but blanks since the line began
        self._begun = False
        forms: list[Form | Thinking] = [*style.forms, *THOUGHTS]
        self._openers = tuple(form.opener for form in forms)
        self._by_opener: dict[str, Form | Thinking] = {form.opener: form for form in forms}
        self._marks = re.compile("|".join(map(re.escape, self._openers)))

    def feed(self, text: str) -> list[Event]:
        """Return what is certain once this piece has come."""
        self._buffer += text
        return self._drain(final=False)

    def close(self) -> list[Event]:
        """Return the rest, now that nothing more comes."""
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> list[Event]:
        out: list[Event] = []
        while self._step(out, final=final):
            pass
        return out

    def _step(self, out: list[Event], *, final: bool) -> bool:
        """Take the next piece off the buffer; False if more text is needed for that."""
        if self._thinking is not None:
            return self._think(out, self._thinking, final=final)
        if self._form is not None:
            return self._judge(out, self._form, final=final)
        at, form = self._next()
        if form is None:
            held = 0 if final else _held(self._buffer, self._openers)
            self._say(out, len(self._buffer) - held)
            return False
        self._say(out, at)
        if isinstance(form, Thinking):
            self._thinking = form
            self._take(out, len(form.opener), thought=True)
        else:
            self._form, self._scan = form, Scan()
        return True

    def _next(self) -> tuple[int, Form | Thinking | None]:
        """Return where the next candidate begins, and what it would be."""
        found = self._marks.search(self._buffer)
        at: int = found.start() if found else len(self._buffer)
        form: Form | Thinking | None = self._by_opener[found[0]] if found else None
        if not self._style.bare:
            return at, form
        first = len(self._buffer) - len(self._buffer.lstrip(_BETWEEN))
        opens = self._buffer[first : first + 1]
        if opens and any(mark.startswith(self._buffer[first:]) for mark in self._openers):
            return at, form  # a mark may come yet, and it would go first
        if self._fresh and first < at and (opens == "{" or (opens == "[" and not self._begun)):
            return first, _BARE["{[".index(opens)]
        place = _BARE_PLACE.search(self._buffer, 0, at)
        return (place.end() - 1, _BARE[0]) if place else (at, form)

    def _judge(self, out: list[Event], form: Form, *, final: bool) -> bool:
        window = self._buffer[:MAX_CALL]
        verdict = form.match(window, self._scan, final=final or len(self._buffer) >= MAX_CALL)
        if verdict is None:
            return False
        self._form = None
        if not verdict.calls:
            self._say(out, verdict.end)
            return bool(self._buffer)
        self._buffer = self._buffer[verdict.end :]
        self._fresh = self._begun = True
        out.extend(verdict.calls)
        return bool(self._buffer)

    def _think(self, out: list[Event], marks: Thinking, *, final: bool) -> bool:
        at = self._buffer.find(marks.closer)
        if at >= 0:
            self._thinking = None
            self._take(out, at + len(marks.closer), thought=True)
            return True
        held = 0 if final else _held(self._buffer, (marks.closer,))
        self._take(out, len(self._buffer) - held, thought=True)
        return False

    def _say(self, out: list[Event], length: int) -> None:
        line = self._buffer[:length].rpartition("\n")
        self._fresh = not line[2].strip(_BETWEEN) and (self._fresh or bool(line[1]))
        self._begun = self._begun or bool(self._buffer[:length].strip(_BETWEEN))
        self._take(out, length, thought=False)

    def _take(self, out: list[Event], length: int, *, thought: bool) -> None:
        if length:
            text = self._buffer[:length]
            out.append(Thought(text) if thought else TextDelta(text))
            self._buffer = self._buffer[length:]


def parse(style: Style, text: str, *, thinking: bool = False) -> list[Event]:
    """Return the pieces of a whole reply; neighbours of one kind are joined."""
    parser = StreamParser(style, thinking=thinking)
    return joined([*parser.feed(text), *parser.close()])


def joined(events: Iterable[Event]) -> list[Event]:
    """Return events with neighbouring texts, and neighbouring thoughts, joined."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            out[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, Thought) and isinstance(last, Thought):
            out[-1] = Thought(last.text + event.text)
        else:
            out.append(event)
    return out


def as_chunk(event: Event, identifier: str = "") -> AIMessageChunk | None:
    """Return an event as LangChain streams it; None for a thought.

    A call that can't be read becomes a call that its tool refuses, so that the model hears of it.

    Args:
        event: of a `StreamParser`.
        identifier: of the call; by default a new one of nine letters and digits, which the
            templates that check it (Mistral's) accept.
    """
    from langchain_core.messages import AIMessageChunk

    if isinstance(event, Thought):
        return None
    if isinstance(event, TextDelta):
        return AIMessageChunk(content=event.text)
    arguments = {"unreadable_arguments": event.raw[:500]} if event.error else event.arguments
    identifier = identifier or uuid.uuid4().hex[:9]
    return AIMessageChunk(
        content="",
        tool_call_chunks=[
            {
                "type": "tool_call_chunk",
                "name": event.name,
                "args": json.dumps(arguments, ensure_ascii=False),
                "id": identifier,
                "index": int(uuid.uuid4().int % 1_000_000_007),  # apart from every other call's
            }
        ],
    )


def _held(buffer: str, openers: tuple[str, ...]) -> int:
    """Return how many characters at the end may be the begin of a mark."""
    for length in range(min(max(map(len, openers)) - 1, len(buffer)), 0, -1):
        tail = buffer[-length:]
        if any(opener.startswith(tail) for opener in openers):
            return length
    return 0
