"""What a chat server streams, as text and tool calls: server-sent events or one JSON object.

Takes what is there whatever the content type says, and promises that anything else ends in one
sentence: pages, broken JSON, broken UTF-8, no choices, an end without an end. A reply counts as whole
only if the server said why it ended, because half an answer may say the opposite of the whole.
Knows nothing of connections.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import ModelError
from assistant.models import _toolcalls_loose as loose
from assistant.models._openai_errors import Transient, clean
from assistant.models._toolcalls_read import UNREADABLE, ToolCall

MAX_LINE = 2_000_000
MAX_TEXT = 200_000
MAX_CALLS = 32
MAX_ARGUMENTS = 64_000


@dataclass(slots=True)
class _Call:
    identifier: str = ""
    name: str = ""
    arguments: str = ""
    known: dict[str, Any] | None = None  # some servers send an object instead of text


@dataclass(slots=True)
class Reply:
    """A reply as far as it has come.

    Attributes:
        host: who sends it, to be named.
        key: never to be shown.
        finish: why it ended: "stop", "length", "tool_calls", "content_filter" or the server's own
            word; "" while it has not.
        usage: tokens as the server counted them, or empty.
    """

    host: str
    key: str = ""
    finish: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    _choices: bool = False
    _length: int = 0
    _calls: dict[int, _Call] = field(default_factory=dict)

    def read(self, blocks: Iterable[bytes]) -> Iterator[str]:
        """Yield the text of a body piece by piece; afterwards the reply is whole.

        Raises:
            ModelError: if it is no reply, or no whole one.
            Transient: if it ended before its first event.
        """
        for row in _rows(blocks, self.host):
            if text := self._take(row):
                yield text
        if not self._choices:
            raise ModelError(
                f"The chat server {self.host} sent a reply without choices: check that it speaks "
                "the chat completions interface."
            )
        if not self.finish:
            raise ModelError(
                f"The chat server {self.host} broke the reply off before its end: ask again, or "
                "look at the server's log."
            )

    def calls(self) -> list[tuple[str, ToolCall]]:
        """Return the tool calls in order, each with the server's id for it or ""."""
        return [(call.identifier, _made(call)) for _, call in sorted(self._calls.items())]

    def _take(self, row: Any) -> str:
        if not isinstance(row, dict):
            raise self._odd("an event that is no JSON object")
        if row.get("error"):
            error = row["error"]
            said = error.get("message", "") if isinstance(error, dict) else error
            raise ModelError(
                f"The chat server {self.host} gave up the reply ({clean(str(said), self.key)}): ask "
                "again, or look at the server's log."
            )
        self._count(row.get("usage"))
        choices = row.get("choices")
        if not isinstance(choices, list):
            raise self._odd("an event without choices")
        text = ""
        for choice in choices:
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                text += self._choice(choice)
        return text

    def _choice(self, choice: dict[str, Any]) -> str:
        self._choices = True
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]
        delta = choice.get("delta", choice.get("message"))
        if not isinstance(delta, dict):
            return ""
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._call(call, place)
        text = _text(delta.get("content"))
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise ModelError(
                f"The chat server {self.host} wrote more than {MAX_TEXT:,} characters without an "
                "end: choose another model, or lower chat_max_new_tokens."
            )
        return text

    def _call(self, sent: dict[str, Any], place: int) -> None:
        index = sent.get("index")
        identifier = sent.get("id")
        identifier = identifier if isinstance(identifier, str) else ""
        if not isinstance(index, int) or isinstance(index, bool):
            index = self._numbered(identifier, place)
        call = self._calls.setdefault(index, _Call())
        function = sent.get("function")
        function = function if isinstance(function, dict) else {}
        name, arguments = function.get("name"), function.get("arguments")
        call.identifier = call.identifier or identifier[:64]
        if isinstance(name, str) and name != call.name:  # some repeat it in every piece
            call.name += name
        if isinstance(arguments, str):
            call.arguments += arguments
        elif isinstance(arguments, dict):
            call.known = arguments
        long = len(call.arguments) > MAX_ARGUMENTS or len(call.name) > MAX_ARGUMENTS
        if long or len(self._calls) > MAX_CALLS:
            raise ModelError(
                f"The chat server {self.host} wrote tool calls without an end: choose another model."
            )

    def _numbered(self, identifier: str, place: int) -> int:
        """Return the number of a call that the server did not number."""
        if not identifier:
            return max(self._calls, default=place)
        for number, call in self._calls.items():
            if call.identifier == identifier:
                return number
        return max(self._calls, default=-1) + 1

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            names = ("prompt_tokens", "completion_tokens")
            self.usage = {n: usage[n] for n in names if type(usage.get(n)) is int and usage[n] >= 0}

    def _odd(self, what: str) -> ModelError:
        return _odd(self.host, what)


def _made(call: _Call) -> ToolCall:
    name = call.name.strip() or UNREADABLE
    if call.known is not None:
        return ToolCall(name, call.known, str(call.known))
    written = call.arguments
    try:
        found = loose.mended(written) if written.strip() else {}
    except loose.LooseError as error:
        return ToolCall(name, raw=written, error=f"the arguments can't be read: {error}")
    if not isinstance(found, dict):
        return ToolCall(name, raw=written, error="the arguments are no JSON object")
    return ToolCall(name, found, written)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [p.get("text") for p in content if isinstance(p, dict) and p.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _rows(blocks: Iterable[bytes], host: str) -> Iterator[Any]:
    """Yield the JSON values of a body: one for each event, or the one that it is."""
    lines = _lines(blocks, host)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise Transient(
            f"The chat server {host} sent an empty reply: ask again, or look at its log."
        )
    begun = first.lstrip("\ufeff \t")
    if begun.startswith("<"):
        raise _odd(host, "a web page instead of a reply")
    if begun.startswith("{"):
        yield _json("\n".join([begun, *lines]), host)
        return
    if not begun.startswith(("data", ":", "event", "id", "retry")):
        raise _odd(host, "neither events nor JSON")
    yield from _events([begun], lines, host)


def _events(first: list[str], lines: Iterator[str], host: str) -> Iterator[Any]:
    """Yield the values of server-sent events (WHATWG HTML, 9.2.6)."""
    data: list[str] = []
    size = 0
    for source in (first, lines):
        for line in source:
            if line.startswith("data:"):
                value = line[5:].removeprefix(" ")
                if value.strip() == "[DONE]":
                    return
                data.append(value)
                size += len(value)
                if size > MAX_LINE:
                    raise _odd(host, "an event without an end")
            elif not line and data:
                yield _json("\n".join(data), host)
                data, size = [], 0
    if data:
        yield _json("\n".join(data), host)


def _lines(blocks: Iterable[bytes], host: str) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield _decoded(line, host)
        if len(rest) > MAX_LINE:
            raise _odd(host, "a line without an end")
    if rest:
        yield _decoded(rest, host)


def _decoded(line: bytes, host: str) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise _odd(host, "bytes that are no UTF-8") from error


def _json(text: str, host: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _odd(host, "what is no JSON") from error


def _odd(host: str, what: str) -> ModelError:
    return ModelError(
        f"The chat server {host} sent {what}: check that the address in chat_model is that of a "
        "chat completions interface and that no proxy answers in its place."
    )
