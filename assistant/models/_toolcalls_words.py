"""Tools and tool calls in words, for chat templates that have no place for them.

What `render_calls` writes is what `render_tools` asks for, and a `StreamParser` of the same style
reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assistant.models._toolcalls_forms import Style

_EXAMPLE = {"name": "tool_name", "arguments": {"argument": "value"}}
_CLOSING = (
    "Write nothing else when you call a tool, and wait for its result. Answer in words, without "
    "a call, once you have what you need."
)


def render_tools(style: Style, tools: Sequence[Mapping[str, Any]]) -> str:
    """Return what a system message says of the tools, and how a model of this style calls them.

    Args:
        style: of the model.
        tools: schemas as OpenAI writes them, {"type": "function", "function": {...}}.
    """
    lines = [json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools]
    return "\n".join(
        [
            "You can call these tools, described in JSON, one per line:",
            *lines,
            "",
            "To call one, reply in exactly this form:",
            render_calls(style, [_EXAMPLE]),
            _CLOSING,
        ]
    )


def render_calls(style: Style, calls: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of an assistant's turn that makes calls.

    Args:
        style: of the model.
        calls: each with `name` and `arguments`, an object.
    """
    if style.name == "mistral":
        rows = [{"name": c["name"], "arguments": c["arguments"]} for c in calls]
        return "[TOOL_CALLS] " + _json(rows)
    return "\n".join(_one(style, str(call["name"]), call["arguments"]) for call in calls)


def _one(style: Style, name: str, arguments: Mapping[str, Any]) -> str:
    if style.name == "llama":
        return _json({"name": name, "parameters": arguments})
    if style.name == "json":
        return _json({"name": name, "arguments": arguments})
    if style.name == "gemma":
        inner = ", ".join(f"{key}={_python(value)}" for key, value in arguments.items())
        return f"```tool_code\n{name}({inner})\n```"
    if style.name == "gemma4":
        return f"<|tool_call>call:{name}{_json(arguments)}<tool_call|>"
    if style.name == "function_gemma":
        return f"<start_function_call>call:{name}{_json(arguments)}<end_function_call>"
    return f"<tool_call>\n{_json({'name': name, 'arguments': arguments})}\n</tool_call>"


def _json(value: Any) -> str:
    """Return JSON whose strings can't close a mark or a fence."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("`", "\\u0060")


def _python(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_json(str(k))}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_python, value)) + "]"
    return _json(value)
