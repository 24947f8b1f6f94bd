"""The marks that open and close a tool call, and where the call between them ends.

A form looks at text that begins with its opening mark and says that it needs more, or how much of
the text it takes and what that is. Its verdict on a text never changes when more text follows:
that is why a stream gives the same calls however it is cut into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from assistant.models import _toolcalls_read as read
from assistant.models._toolcalls_read import ToolCall

Reader = Callable[[str, str], tuple[ToolCall, ...]]
_CALL_KEYS = {"name", "function", "type", "tool", "arguments", "parameters", "id"}
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}")
_HEAD = re.compile(r"(?:\[CALL_ID\][\w-]{1,64})?\s*(?:\[ARGS\])?\s*\{")
_HEAD_SO_FAR = re.compile(r"[\w\s\[\]-]*")
_HEAD_LENGTH = 160


class Verdict(NamedTuple):
    """How much of the text is taken, and the calls that it holds; none means that it is text."""

    end: int
    calls: tuple[ToolCall, ...]


@dataclass(slots=True)
class Scan:
    """How far a candidate has been looked at, so that no character is looked at twice."""

    at: int = 0
    depth: int = 0
    quote: str = ""
    escaped: bool = False


class Form(Protocol):
    """A notation of tool calls."""

    @property
    def opener(self) -> str:
        """The mark that it begins with."""

    def match(self, text: str, scan: Scan, *, final: bool) -> Verdict | None:
        """Judge text that begins with the mark; None if more is needed, never when `final`."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A body between an opening and a closing mark; the end of the text closes it too.

    Attributes:
        opener: the opening mark.
        closers: marks that close and are taken.
        others: marks that close and begin something of their own.
        read: the body's reader.
    """

    opener: str
    closers: tuple[str, ...]
    read: Reader
    others: tuple[str, ...] = ()

    def match(self, text: str, scan: Scan, *, final: bool) -> Verdict | None:
        """See `Form`."""
        begin = len(self.opener)
        marks = self.closers + self.others
        back = max(len(mark) for mark in marks) - 1
        since = max(begin, scan.at - back)
        found = [(at, mark) for mark in marks if (at := text.find(mark, since)) >= 0]
        if found:
            at, mark = min(found)
            end = at + len(mark) if mark in self.closers else at
            return Verdict(end, self.read(text[begin:at], text[:end]))
        if final:
            return Verdict(len(text), self.read(text[begin:], text))
        scan.at = len(text)
        return None


@dataclass(frozen=True, slots=True)
class Listed:
    """Mistral's: a mark, then a JSON list, or a name and a JSON object."""

    opener: str = "[TOOL_CALLS]"

    def match(self, text: str, scan: Scan, *, final: bool) -> Verdict | None:
        """See `Form`."""
        if scan.at == 0:
            head = self._head(text, final=final)
            if head is None:
                return None
            if head < 0:
                return Verdict(len(self.opener), ())
            scan.at = head
            scan.depth = 0
        end = balanced(text, scan, '"')
        if end is None and not final:
            return None
        end = len(text) if end is None else end
        return Verdict(end, self._read(text[:end]))

    def _read(self, raw: str) -> tuple[ToolCall, ...]:
        body = raw[len(self.opener) :].lstrip()
        name = _NAME.match(body)
        if name:
            return read.from_named(name[0], body[body.index("{") :], raw)
        return read.from_tags(body, raw)

    def _head(self, text: str, *, final: bool) -> int | None:
        """Return where the value begins, None if that is open yet, -1 if there is none."""
        at = len(self.opener)
        while text[at : at + 1].isspace():
            at += 1
        if text[at : at + 1] in ("[", "{"):
            return at
        name = _NAME.match(text, at)
        if name and name.end() < len(text):
            brace = text.find("{", name.end())
            head = text[name.end() : brace + 1 if brace >= 0 else len(text)]
            if brace >= 0:
                good = len(head) <= _HEAD_LENGTH and _HEAD.fullmatch(head)
                return brace if good else -1
            if final or len(head) > _HEAD_LENGTH or not _HEAD_SO_FAR.fullmatch(head):
                return -1
            return None
        still = at == len(text) or name is not None
        return None if still and not final else -1


@dataclass(frozen=True, slots=True)
class Bare:
    """JSON without marks, `{"name": ..., "parameters": ...}`, or a list of such or of Python calls.

    What turns out to be anything else is text.
    """

    opener: str

    def match(self, text: str, scan: Scan, *, final: bool) -> Verdict | None:
        """See `Form`."""
        if scan.at == 0:
            likely = self._likely(text)
            if likely is None and not final:
                return None
            if not likely:
                return Verdict(1, ())
        end = balanced(text, scan, "\"'" if self._is_python(text) else '"')
        if end is None and not final:
            return None
        end = len(text) if end is None else end
        found = (read.from_code if self._is_python(text) else read.from_json)(
            text[:end], text[:end]
        )
        return Verdict(end, found)

    def _likely(self, text: str) -> bool | None:
        """Whether the text begins as a call does; None if that is open yet."""
        at = _skip(text, 1)
        if self.opener == "[":
            if text[at : at + 1] != "{":
                name = _NAME.match(text, at)
                if name is None:
                    return None if at == len(text) else False
                return None if name.end() == len(text) else text[name.end()] == "("
            at = _skip(text, at + 1)
        if at == len(text):
            return None
        if text[at] != '"':
            return False
        end = text.find('"', at + 1)
        if end < 0:
            return None if any(k.startswith(text[at + 1 :]) for k in _CALL_KEYS) else False
        colon = _skip(text, end + 1)
        if text[at + 1 : end] not in _CALL_KEYS:
            return False
        return None if colon == len(text) else text[colon] == ":"

    def _is_python(self, text: str) -> bool:
        return self.opener == "[" and text[_skip(text, 1) : _skip(text, 1) + 1] != "{"


def balanced(text: str, scan: Scan, quotes: str) -> int | None:
    """Return the end of the bracketed value at `scan.at`, or None if it does not close yet."""
    for at in range(scan.at, len(text)):
        character = text[at]
        if scan.quote:
            if scan.escaped:
                scan.escaped = False
            elif character == "\\":
                scan.escaped = True
            elif character == scan.quote:
                scan.quote = ""
        elif character in quotes:
            scan.quote = character
        elif character in "{[(":
            scan.depth += 1
        elif character in "}])":
            scan.depth -= 1
            if scan.depth <= 0:
                return at + 1
    scan.at = len(text)
    return None


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


_TURN_ENDS = ("<|eom_id|>", "<|eot_id|>")
TAGS: tuple[Form, ...] = (
    Tagged("<tool_call>", ("</tool_call>",), read.from_tags, others=("<tool_call>",)),
    Tagged("<function=", ("</function>",), read.from_function, others=("<function=",)),
    Tagged("<start_function_call>", ("<end_function_call>",), read.from_gemma),
    Tagged("<|tool_call>", ("<tool_call|>",), read.from_gemma),
    Tagged("<|python_tag|>", _TURN_ENDS, read.from_tags, others=("<|python_tag|>",)),
    Listed(),
)
FENCES: tuple[Form, ...] = (
    Tagged("```tool_code", ("```",), read.from_tags),
    Tagged("```tool_call", ("```",), read.from_tags),
    Tagged("```json", ("```",), read.from_code),
    Tagged("```python", ("```",), read.from_code),
)


@dataclass(frozen=True, slots=True)
class Thinking:
    """Marks around what a model thinks before it answers."""

    opener: str
    closer: str


THOUGHTS = (
    Thinking("<think>", "</think>"),
    Thinking("[THINK]", "[/THINK]"),
    Thinking("<|channel>thought", "<channel|>"),
)


@dataclass(frozen=True, slots=True)
class Style:
    """How a family of models writes tool calls.

    Attributes:
        name: for example "hermes".
        bare: whether JSON that stands alone at the begin of a line may be a call.
        fences: whether a fenced block of code may be one.
        forms: all that is looked for; the marks of every family are, because models mix them.
    """

    name: str
    bare: bool = False
    fences: bool = False
    forms: tuple[Form, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "forms", TAGS + (FENCES if self.fences else ()))
