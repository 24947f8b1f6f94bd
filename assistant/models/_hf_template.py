"""A model's own chat template: what it can write, found by trying, and a conversation in its terms.

Promises that the content of every message is in the text, whatever roles the template knows: a
system prompt moves into the first question, tools into the system prompt, a tool's result into a
user's turn, several calls into one turn each. Knows no model by name.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.errors import ModelError

Message = dict[str, Any]
_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "probetool",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What for."}},
            "required": ["query"],
        },
    },
}
_USER = {"role": "user", "content": "probeuser"}
_CALL_NAME_LENGTH = 9

_known: dict[tuple[str, bool], Template] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Template:
    """What a chat template can write.

    Attributes:
        system: whether it takes a system message.
        tools: whether it writes the tools that it is given.
        results: whether it writes an assistant's calls and a tool's result.
        several: whether one turn may hold several calls.
        parts: whether content has to be a list of typed parts.
        source: the template itself.
    """

    system: bool
    tools: bool
    results: bool
    several: bool
    parts: bool
    source: str

    @classmethod
    def of(cls, holder: Any) -> Template:
        """Return the template of a tokenizer or processor; tried once for each template.

        Raises:
            ModelError: if there is none, or it can't write a plain question.
        """
        source = _source(holder)
        key = (source, hasattr(holder, "tokenizer"))
        with _lock:
            found = _known.get(key)
        if found is None:
            found = _probe(holder, source)
            with _lock:
                _known[key] = found
        return found

    def write(
        self,
        holder: Any,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool,
    ) -> str:
        """Return the text of a conversation; `messages` as `_prompting.render` has cleaned them.

        Raises:
            ModelError: if the template refuses the conversation.
        """
        adapted: list[Message] = [dict(message) for message in messages]
        given = [dict(tool) for tool in tools]
        if given and not self.tools:
            adapted = _tools_in_words(self._style(holder), adapted, given)
            given = []
        if not self.results:
            adapted = _results_in_words(self._style(holder), adapted)
        elif not self.several:
            adapted = _one_call_a_turn(adapted)
        if not self.system:
            adapted = _system_in_question(adapted)
        adapted = _named_calls(_merged(adapted))
        if self.parts:
            adapted = [_in_parts(message) for message in adapted]
        try:
            return _apply(holder, adapted, given or None, add_generation_prompt)
        except Exception as error:  # the template is foreign code: jinja's errors and any other
            raise ModelError(
                f"The model's chat template can't write this conversation ({error}): choose a "
                "model with a chat template for instructions."
            ) from error

    def _style(self, holder: Any) -> Any:
        from assistant.models import _toolcalls

        tokenizer = getattr(holder, "tokenizer", holder)
        return _toolcalls.detect(self.source, tokenizer.get_vocab(), "")


def _source(holder: Any) -> str:
    source = getattr(holder, "chat_template", None)
    if source is None and hasattr(holder, "tokenizer"):
        source = getattr(holder.tokenizer, "chat_template", None)
    if isinstance(source, dict):  # several named ones: the one with tools where there is one
        source = source.get("tool_use") or source.get("default")
    if not isinstance(source, str) or not source:
        raise ModelError(
            "The model has no chat template: choose an instruction-tuned model, not a bare base."
        )
    return source


def _apply(
    holder: Any, messages: Sequence[Message], tools: list[Message] | None, prompt: bool
) -> str:
    """Write with the template as it is; `enable_thinking` is what Qwen's ask about."""
    chosen = holder
    if getattr(holder, "chat_template", None) is None and hasattr(holder, "tokenizer"):
        chosen = holder.tokenizer
    text = chosen.apply_chat_template(
        list(messages),
        tools=tools,
        tokenize=False,
        add_generation_prompt=prompt,
        enable_thinking=False,
    )
    return str(text)


def _probe(holder: Any, source: str) -> Template:
    def shows(words: Sequence[str], messages: list[Message], tools: list[Message] | None) -> bool:
        try:
            text = _apply(holder, messages, tools, prompt=True)
        except Exception:  # noqa: BLE001 - any refusal of the foreign template is the answer
            return False
        return all(word in text for word in words)

    parts = not shows(["probeuser"], [_USER], None)
    shape: Callable[[Message], Message] = _in_parts if parts else dict
    if parts and not shows(["probeuser"], [shape(_USER)], None):
        raise ModelError(
            "The model's chat template can't write a plain question: choose another model."
        )
    told = [{"role": "system", "content": "probesystem"}, _USER]
    system = shows(["probesystem", "probeuser"], [shape(m) for m in told], None)
    tools = shows(["probetool", "probeuser"], [shape(_USER)], [_PROBE_TOOL])
    once = [shape(m) for m in (_USER, *_exchange(1))]
    twice = [shape(m) for m in (_USER, *_exchange(2))]
    results = shows(["probearg0", "proberesult0"], once, [_PROBE_TOOL])
    several = shows(["probearg1", "proberesult1"], twice, [_PROBE_TOOL])
    return Template(system, tools, results, several, parts, source)


def _exchange(calls: int) -> list[Message]:
    made = [
        {
            "type": "function",
            "id": f"probe000{n}",
            "function": {"name": "probetool", "arguments": {"query": f"probearg{n}"}},
        }
        for n in range(calls)
    ]
    results = [
        {
            "role": "tool",
            "name": "probetool",
            "tool_call_id": f"probe000{n}",
            "content": f"proberesult{n}",
        }
        for n in range(calls)
    ]
    return [{"role": "assistant", "content": "", "tool_calls": made}, *results]


def _tools_in_words(style: Any, messages: list[Message], tools: list[Message]) -> list[Message]:
    from assistant.models import _toolcalls

    words = _toolcalls.render_tools(style, tools)
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{_text(messages[0]['content'])}\n\n{words}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def _results_in_words(style: Any, messages: list[Message]) -> list[Message]:
    from assistant.models import _toolcalls

    out: list[Message] = []
    for message in messages:
        if message.get("tool_calls"):
            calls = [call["function"] for call in message["tool_calls"]]
            said = _text(message["content"])
            words = _toolcalls.render_calls(style, calls)
            content = f"{said}\n{words}" if said else words
            out.append({"role": "assistant", "content": content})
        elif message["role"] == "tool":
            name = message.get("name") or "tool"
            words = f"Result of {name}:\n{_text(message['content'])}"
            out.append({"role": "user", "content": words})
        else:
            out.append(message)
    return out


def _one_call_a_turn(messages: list[Message]) -> list[Message]:
    """Give every call its own turn, followed by its result."""
    out: list[Message] = []
    taken: set[int] = set()
    for at, message in enumerate(messages):
        calls = message.get("tool_calls") or []
        if at in taken:
            continue
        if len(calls) < 2:
            out.append(message)
            continue
        results = _results_after(messages, at)
        for number, call in enumerate(calls):
            said = message["content"] if number == 0 else ""
            out.append({**message, "content": said, "tool_calls": [call]})
            for place in results:
                if messages[place].get("tool_call_id") == call["id"] and place not in taken:
                    out.append(messages[place])
                    taken.add(place)
    return out


def _results_after(messages: list[Message], at: int) -> list[int]:
    places = []
    for place in range(at + 1, len(messages)):
        if messages[place]["role"] != "tool":
            break
        places.append(place)
    return places


def _system_in_question(messages: list[Message]) -> list[Message]:
    system = [_text(m["content"]) for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    if not system:
        return rest
    words = "\n\n".join(system)
    for at, message in enumerate(rest):
        if message["role"] == "user":
            rest[at] = {**message, "content": _joined(words, message["content"])}
            return rest
    return [{"role": "user", "content": words}, *rest]


def _merged(messages: list[Message]) -> list[Message]:
    """Join turns of one role that follow each other: many templates want them to alternate."""
    out: list[Message] = []
    for message in messages:
        before = out[-1] if out else None
        if (
            before is not None
            and before["role"] == message["role"]
            and message["role"] in {"user", "assistant", "system"}
            and not before.get("tool_calls")
            and not message.get("tool_calls")
        ):
            out[-1] = {**before, "content": _joined(before["content"], message["content"])}
        else:
            out.append(message)
    return out


def _named_calls(messages: list[Message]) -> list[Message]:
    """Give calls ids of nine letters or digits, which is what Mistral's templates take."""
    out = []
    for message in messages:
        if message.get("tool_calls"):
            calls = [{**call, "id": _short(call["id"])} for call in message["tool_calls"]]
            out.append({**message, "tool_calls": calls})
        elif message["role"] == "tool":
            out.append({**message, "tool_call_id": _short(message.get("tool_call_id", ""))})
        else:
            out.append(message)
    return out


def _short(name: str) -> str:
    if len(name) == _CALL_NAME_LENGTH and name.isascii() and name.isalnum():
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:_CALL_NAME_LENGTH]


def _in_parts(message: Mapping[str, Any]) -> Message:
    content = message.get("content") or ""
    if isinstance(content, str):
        return {**message, "content": [{"type": "text", "text": content}]}
    return dict(message)


def _joined(before: Any, after: Any) -> Any:
    if isinstance(before, str) and isinstance(after, str):
        return f"{before}\n\n{after}" if before and after else before or after
    return [*_as_parts(before), *_as_parts(after)]


def _as_parts(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"type": "text", "text": f"{content}\n\n"}] if content else []
    return list(content)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in content if part.get("type") == "text")
