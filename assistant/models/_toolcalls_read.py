"""From the body of a tool call to its name and arguments, in every notation that models use.

Promises that no body raises: what can't be read becomes a call with an `error`, which goes back to
the model. Knows nothing of marks around a body, nor of which tools there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from assistant.models import _toolcalls_loose as loose

# The name of a call whose own name can't be read: no tool has it, so the model is told which there are.
UNREADABLE = "unreadable_call"
_NAME = r"[A-Za-z_][\w.-]{0,63}"
_SAID = re.compile(rf'"(?:name|function|tool)"\s*:\s*"({_NAME})"')
_XML_NAME = re.compile(rf"<function=\s*({_NAME})\s*>")
_XML_PARAMETER = re.compile(
    rf"<parameter=\s*({_NAME})\s*>(.*?)(?:</parameter>|(?=<parameter=)|(?=</function>)|\Z)",
    re.DOTALL,
)
_CALL = re.compile(rf"(?:call:)?\s*({_NAME})\s*(?=\{{)")
_PYTHON = re.compile(rf"(?:[A-Za-z_]\w*\s*=\s*)?(print\s*\(\s*)?({_NAME})\s*\(")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model wrote.

    Attributes:
        name: the tool's name as it was written, or `UNREADABLE`.
        arguments: by name; empty if there is an error.
        raw: the very text, marks included; "" for the further calls of one block.
        error: why name or arguments can't be read, or "".
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    raw: str = ""
    error: str = ""


def from_tags(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the calls between a pair of marks: JSON, or the XML of Qwen's coder models."""
    if "<function=" in body:
        return (_xml(body, raw),)
    return _calls(body, raw) or _python(body, raw) or (_broken(body, raw),)


def from_json(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the calls of a JSON value that has to have name and arguments; () if it has not."""
    if _parsed(body) is not None:
        return _calls(body, raw, strict=True)
    meant = _SAID.search(body) and re.search(r'"(?:arguments|parameters)"\s*:', body)
    return (_broken(body, raw),) if meant else ()


def from_named(name: str, body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the call of a name that stands outside of its arguments."""
    try:
        arguments = loose.mended(body)
    except loose.LooseError as error:
        return (ToolCall(name, raw=raw, error=f"the arguments can't be read: {error}"),)
    return (_made(name, arguments, raw),)


def from_function(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the call of `name>{...}` or `name><parameter=...>...`, the opening `<function=` cut."""
    name, mark, rest = body.partition(">")
    name = name.strip()
    if not mark or not re.fullmatch(_NAME, name):
        return (_broken(body, raw),)
    if "<parameter=" in rest or not rest.strip():
        return (_xml(f"<function={name}>{rest}", raw),)
    return from_named(name, rest, raw)


def from_gemma(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the call of `call:name{key:value, ...}`, Gemma's own notation."""
    match = _CALL.match(body.strip())
    if not match:
        return (_broken(body, raw),)
    return from_named(match[1], body.strip()[match.end() :], raw)


def from_code(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Return the calls of a block of code: JSON with name and arguments, or Python; () if neither."""
    found = from_json(body, raw) or _python(body, raw)
    # Code that only looks like a call is code.
    return () if any(call.error for call in found) and not _SAID.search(body) else found


def _calls(body: str, raw: str, *, strict: bool = False) -> tuple[ToolCall, ...]:
    """Read one JSON value, or several behind one another; () if one of them is no call."""
    parsed = _parsed(body) or []
    rows = [row for item in parsed for row in (item if isinstance(item, list) else [item])]
    made = [_row(row, raw if n == 0 else "", strict=strict) for n, row in enumerate(rows)]
    return tuple(call for call in made if call is not None) if all(made) else ()


def _parsed(body: str) -> list[Any] | None:
    """Return the JSON values of a text, or None if it holds anything else."""
    body = body.strip().rstrip(";")
    try:
        return [loose.mended(body)]
    except loose.LooseError:
        pass
    found: list[Any] = []
    at = 0
    while at < len(body):
        try:
            item, at = loose.value(body, at)
        except loose.LooseError:
            return None
        found.append(item)
        at = loose.skip(body, at)
        if body[at : at + 1] in (";", ","):
            at = loose.skip(body, at + 1)
    return found


def _row(row: Any, raw: str, *, strict: bool) -> ToolCall | None:
    if not isinstance(row, dict):
        return None
    inner = row.get("function")
    if isinstance(inner, dict):
        row = inner
    name = next((row[k] for k in ("name", "function", "tool") if isinstance(row.get(k), str)), "")
    keys = [k for k in ("arguments", "parameters", "args") if k in row]
    if not re.fullmatch(_NAME, name) or (strict and not keys):
        return None
    return _made(name, row[keys[0]] if keys else {}, raw)


def _made(name: str, arguments: Any, raw: str) -> ToolCall:
    if isinstance(arguments, str):  # JSON within JSON
        try:
            arguments = loose.mended(arguments) if arguments.strip() else {}
        except loose.LooseError:
            return ToolCall(name, raw=raw, error="the arguments are text, not a JSON object")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return ToolCall(name, raw=raw, error="the arguments are no JSON object")
    return ToolCall(name, {str(key): item for key, item in arguments.items()}, raw)


def _xml(body: str, raw: str) -> ToolCall:
    name = _XML_NAME.search(body)
    if not name:
        return _broken(body, raw)
    arguments: dict[str, Any] = {}
    for match in _XML_PARAMETER.finditer(body, name.end()):
        written = match[2].removeprefix("\n").removesuffix("\n")
        arguments[match[1]] = _typed(written)
    return ToolCall(name[1], arguments, raw)


def _typed(written: str) -> Any:
    """Return an object or list as what it is; anything else is text, which the tool converts."""
    if written.lstrip()[:1] in ("{", "["):
        try:
            return loose.mended(written)
        except loose.LooseError:
            return written
    return written


def _python(body: str, raw: str) -> tuple[ToolCall, ...]:
    """Read `name(key=value)`, several in a list or behind one another."""
    body = body.strip()
    if body.startswith("["):
        body = body.removeprefix("[").removesuffix("]")
    made: list[ToolCall] = []
    at = loose.skip(body, 0)
    while at < len(body):
        match = _PYTHON.match(body, at)
        if not match:
            return ()
        name = match[2].rpartition(".")[2]
        text = raw if not made else ""
        try:
            arguments, at = loose.keywords(body, match.end(), ")")
        except loose.LooseError as error:
            made.append(ToolCall(name, raw=text, error=f"the arguments can't be read: {error}"))
            return tuple(made)
        made.append(ToolCall(name, arguments, text))
        if match[1]:  # print( ... )
            at = loose.skip(body, at)
            at += body.startswith(")", at)
        at = loose.skip(body, at)
        if body[at : at + 1] in (";", ","):
            at = loose.skip(body, at + 1)
    return tuple(made)


def _broken(body: str, raw: str) -> ToolCall:
    said = _SAID.search(body)
    if said:
        return ToolCall(said[1], raw=raw, error="the arguments can't be read as a JSON object")
    return ToolCall(UNREADABLE, raw=raw, error="the call can't be read")
