"""The formats of training rows: which columns each has, and the messages that they become.

A format is a function from a row to messages; `FORMATS` lists them. Grounded questions are written
by the code that serves them (`assistant.models._prompting`), so a model is trained on the very
prompt that it will meet. Knows nothing of files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.models import _prompting
from retrieval.errors import InputError

Message = dict[str, Any]
_ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "tool": "tool",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant",
    "observation": "tool", "function": "tool",
}  # fmt: skip
NOTE = "Write the clinical note of this conversation between a doctor and a patient."
SECTION = (
    "Write the section {section} of the clinical note of this conversation between a doctor and a "
    "patient."
)
SUMMARY = "Summarise this clinical note for the next clinician."
EXTRACTION = "Extract what this clinical note states as JSON with the keys {keys}. Null where it states nothing."


@dataclass(frozen=True, slots=True)
class Read:
    """What a row says."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One format of rows.

    Attributes:
        name: as in a recipe.
        needs: groups of columns; of each group one is needed.
        reader: gives messages without a system prompt.
        served: whether `system: auto` puts the assistant's system prompt first.
    """

    name: str
    needs: tuple[tuple[str, ...], ...]
    reader: Callable[[Mapping[str, Any]], Read]
    served: bool = True

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has the columns."""
        return all(any(name in row for name in group) for group in self.needs)

    def columns(self) -> str:
        """Return the columns in words."""
        return ", ".join(" or ".join(group) for group in self.needs)


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a grounded question, as the prompt takes it."""

    key: str
    title: str
    section: str
    text: str


def choose(name: str, row: Mapping[str, Any], where: object) -> Format:
    """Return the format that is named, or for "auto" the one whose columns a row has.

    Raises:
        InputError: if the row has not the columns; names those there and those needed.
    """
    there = ", ".join(sorted(str(column) for column in row)) or "none"
    if name != "auto":
        wanted = next(f for f in FORMATS if f.name == name)
        if not wanted.fits(row):
            raise InputError(
                f"{where} has the columns {there}, but the format {name} needs {wanted.columns()}: "
                "rename its columns or name another data.format."
            )
        return wanted
    for one in FORMATS:
        if one.fits(row):
            return one
    known = "; ".join(f"{f.name}: {f.columns()}" for f in FORMATS)
    raise InputError(
        f"{where} has the columns {there}, which are those of no format: rename them to one of {known}."
    )


def read(kind: Format, row: Mapping[str, Any], where: str, system: str = "auto") -> Read:
    """Return a row's messages, with the system prompt that is asked for.

    Raises:
        InputError: if a value is missing, empty or of the wrong kind; names row and column.
    """
    if not kind.fits(row):
        there = ", ".join(sorted(str(column) for column in row)) or "none"
        raise InputError(f"{where} has the columns {there}; the others have {kind.columns()}.")
    try:
        found = kind.reader(row)
    except ValueError as error:
        raise InputError(f"{where}: {error}; mend or remove the row.") from None
    if found.messages[0]["role"] == "system" or system == "none":
        return found
    if system == "auto" and not kind.served:
        return found
    text = _prompting.system_prompt() if system == "auto" else system
    return Read(({"role": "system", "content": text}, *found.messages), found.tools, found.rejected)


def _messages(row: Mapping[str, Any]) -> Read:
    if "messages" in row or "conversations" in row:
        turns = row.get("messages", row.get("conversations"))
    else:
        prompt = row.get("prompt")
        opening = prompt if isinstance(prompt, list) else [_user(_text(row, "prompt"))]
        ending = row["completion"]
        turns = [
            *opening,
            *(ending if isinstance(ending, list) else [_said(_text(row, "completion"))]),
        ]
    if isinstance(turns, str):  # a table's cell
        turns = _parsed(turns, "messages")
    messages = tuple(_turn(turn) for turn in turns) if isinstance(turns, list) else ()
    if not any(m["role"] == "assistant" and m.get("weight", 1) for m in messages):
        raise ValueError("there is no turn of the assistant to learn from")
    if messages[0]["role"] == "assistant" and len(messages) == 1:
        raise ValueError("nobody asks anything before the assistant answers")
    tools = row.get("tools") or ()
    tools = _parsed(tools, "tools") if isinstance(tools, str) else tools
    if not isinstance(tools, Sequence) or any(not isinstance(tool, dict) for tool in tools):
        raise ValueError("the column 'tools' is no list of JSON schemas")
    return Read(messages, tuple(tools))


def _turn(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise ValueError("a message is no JSON object")
    role = _ROLES.get(str(turn.get("role", turn.get("from", ""))).lower())
    if role is None:
        raise ValueError(f"a message has the role {turn.get('role', turn.get('from'))!r}")
    content = turn.get("content", turn.get("value"))
    if content is None and turn.get("tool_calls"):
        content = ""
    if not isinstance(content, str) or not (content.strip() or turn.get("tool_calls")):
        raise ValueError(f"a message of the role {role} has no text")
    kept = {k: turn[k] for k in ("tool_calls", "tool_call_id", "name", "weight") if k in turn}
    return {"role": role, "content": content, **kept}


def _dialogue_note(row: Mapping[str, Any]) -> Read:
    section = str(row.get("section_header") or "").strip()
    asked = SECTION.format(section=section) if section else NOTE
    answer = _text(row, "section_text" if "section_text" in row else "note")
    return Read((_user(f"{asked}\n\n{_text(row, 'dialogue')}"), _said(answer)))


def _note_summary(row: Mapping[str, Any]) -> Read:
    return Read((_user(f"{SUMMARY}\n\n{_text(row, 'note')}"), _said(_text(row, "summary"))))


def _extraction(row: Mapping[str, Any]) -> Read:
    facts = next(row[k] for k in ("json", "extraction", "facts") if k in row)
    facts = _parsed(facts, "json") if isinstance(facts, str) else facts
    if not isinstance(facts, dict) or not facts:
        raise ValueError("the facts are no JSON object with keys")
    asked = EXTRACTION.format(keys=", ".join(facts))
    answer = json.dumps(facts, ensure_ascii=False)
    return Read((_user(f"{asked}\n\n{_text(row, 'note')}"), _said(answer)))


def _grounded(row: Mapping[str, Any]) -> Read:
    given = row.get("passages", row.get("contexts"))
    given = _parsed(given, "passages") if isinstance(given, str) else given
    if not isinstance(given, list):
        raise ValueError("the passages are no list")
    passages = [_passage(one, f"S{n}") for n, one in enumerate(given, start=1)]
    names = {
        str(one[k]): f"S{n}"
        for n, one in enumerate(given, start=1)
        if isinstance(one, dict)
        for k in ("key", "id")
        if one.get(k) is not None
    } or {str(n): f"S{n}" for n in range(1, len(given) + 1)}
    answer = re.sub(
        r"\[([^\[\]]{1,200})\]", lambda m: _cited(m[1], names) or m[0], _text(row, "answer")
    )
    unknown = sorted(set(re.findall(r"\[(S\d+)\]", answer)) - {p.key for p in passages})
    if unknown:
        raise ValueError(f"the answer cites [{unknown[0]}], which is none of its passages")
    history = row.get("history") or ()
    messages = _prompting.grounded_messages(
        _text(row, "question"), passages, [_turn(turn) for turn in history]
    )
    # The call of the tool is what the agent does, so it is shown and not trained on.
    shown = [{**m, "weight": 0} if m["role"] == "assistant" else m for m in messages]
    return Read((*shown, _said(answer)))


def _cited(inside: str, names: Mapping[str, str]) -> str | None:
    """Return the keys of one bracket with one or several names of passages; None if it has none."""
    parts = [part.strip() for part in re.split(r"[,;]", inside)]
    if not all(part in names for part in parts):
        return None
    return "".join(f"[{names[part]}]" for part in parts)


def _passage(one: Any, key: str) -> Passage:
    if isinstance(one, str) and one.strip():
        return Passage(key, "", "", one)
    if isinstance(one, dict) and isinstance(one.get("text"), str) and one["text"].strip():
        title, section = str(one.get("title") or ""), str(one.get("section") or "")
        return Passage(key, title, section, one["text"])
    raise ValueError(f"passage {key} has no text")


def _preference(row: Mapping[str, Any]) -> Read:
    prompt = row["prompt"]
    opening = (
        [_turn(t) for t in prompt] if isinstance(prompt, list) else [_user(_text(row, "prompt"))]
    )
    if not opening or opening[-1]["role"] == "assistant":
        raise ValueError("the prompt does not end with a question")
    chosen, rejected = _answer(row, "chosen"), _answer(row, "rejected")
    if chosen == rejected:
        raise ValueError("the chosen and the rejected answer are the same")
    return Read((*opening, _said(chosen)), rejected=rejected)


def _answer(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if isinstance(value, list) and value:
        return str(_turn(value[-1])["content"])
    return _text(row, column)


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"the column {column!r} has no text")
    return value.strip()


def _parsed(text: str, column: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"the column {column!r} is no valid JSON") from None


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _said(text: str) -> Message:
    return {"role": "assistant", "content": text}


# In the order in which "auto" tries them.
FORMATS = (
    Format("preference", (("prompt",), ("chosen",), ("rejected",)), _preference, served=False),
    Format("messages", (("messages", "conversations", "completion"),), _messages, served=False),
    Format("dialogue_note", (("dialogue",), ("section_text", "note")), _dialogue_note),
    Format("note_summary", (("note",), ("summary",)), _note_summary),
    Format("extraction", (("note",), ("json", "extraction", "facts")), _extraction),
    Format("grounded_qa", (("question",), ("passages", "contexts"), ("answer",)), _grounded),
)
