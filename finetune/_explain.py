"""A recipe's schema as text for a person: every key's type, range, default and meaning."""

from __future__ import annotations

import json
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

WIDTH = 96
_WORDS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "mapping",
    list: "list",
    tuple: "list",
    Any: "anything",
}


def text(task: str, model: type[BaseModel]) -> str:
    """Return the description of `model`, the schema of `task`."""
    lines = [f"Keys of a recipe with `task: {task}`", ""]
    for name, field in _fields(model):
        indent = "  " * name.count(".")
        lines.append(f"{indent}{name}: {_facts(field)}")
        lines += textwrap.wrap(
            field.description or "",
            WIDTH,
            initial_indent=f"{indent}    ",
            subsequent_indent=f"{indent}    ",
        )
    return "\n".join(lines) + "\n"


def keys(model: type[BaseModel]) -> list[str]:
    """Return every key's name, those inside a block with dots."""
    return [name for name, _ in _fields(model)]


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        block = _block(field.annotation)
        if block is not None:
            yield from _fields(block, f"{prefix}{name}.")


def _block(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a key holds one of, or a list of; None for plain values and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (Union, types.UnionType, list, tuple):
        found = [_block(part) for part in typing.get_args(annotation)]
        return next((block for block in found if block is not None), None)
    return None


def _facts(field: FieldInfo) -> str:
    facts = [kind(field.annotation)]
    if bounds := _bounds(field):
        facts.append(bounds)
    if field.is_required():
        facts.append("required")
    else:
        facts.append(f"default {_shown(field)}")
    return ", ".join(facts)


def kind(annotation: Any) -> str:
    """Return a type in words."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        said = [kind(part) for part in parts if part is not type(None)]
        return " or ".join([*dict.fromkeys(said), *(["null"] if type(None) in parts else [])])
    if origin in (list, tuple, set, frozenset):
        inner = dict.fromkeys(kind(part) for part in parts if part is not Ellipsis)
        return f"list of ({' or '.join(inner)})" if inner else "list"
    if origin is dict:
        return f"mapping of {kind(parts[0])} to ({kind(parts[1])})"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _bounds(field: FieldInfo) -> str:
    said = []
    for rule in field.metadata:
        for cls, attribute, words in (
            (annotated_types.Ge, "ge", "at least"),
            (annotated_types.Gt, "gt", "above"),
            (annotated_types.Le, "le", "at most"),
            (annotated_types.Lt, "lt", "below"),
        ):
            if isinstance(rule, cls):
                said.append(f"{words} {getattr(rule, attribute)}")
        if isinstance(rule, annotated_types.MinLen):
            said.append(f"{rule.min_length} or more of them")
    return " and ".join(said)


def _shown(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel):
        value = json.loads(value.model_dump_json())
    return json.dumps(value, default=str, ensure_ascii=False)
