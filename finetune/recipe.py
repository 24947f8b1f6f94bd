"""Recipes: a YAML file that says what to train, checked key by key by the schema of its task.

`load` reads one, `explain` describes what its task takes. A wrong key or value is one sentence that
names the nearest right one. Knows nothing of data, models or training.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from pydantic import BaseModel, ValidationError

from finetune import _explain
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune._encoder_recipe import Recipe
    from finetune.image.recipe import ImageRecipe, ToolRecipe

    TextRecipe: TypeAlias = Recipe | ChatRecipe
    AnyRecipe: TypeAlias = TextRecipe | ImageRecipe | ToolRecipe

RECIPES = Path(__file__).parent / "recipes"
ENCODER_TASKS = ("rerank", "entities", "embed", "support", "verdict")
CHAT_TASKS = ("chat", "preference", "image_chat")
IMAGE_TASKS = ("image", "image_gate", "image_samples")
TASKS = (*ENCODER_TASKS, *CHAT_TASKS, *IMAGE_TASKS)


def schema(task: str) -> type[BaseModel]:
    """Return the schema that a recipe of `task` follows.

    Raises:
        ConfigError: if there is no such task; the message offers the nearest one.
    """
    if task in ENCODER_TASKS:
        from finetune._encoder_recipe import Recipe

        return Recipe
    if task in CHAT_TASKS:
        from finetune._chat_recipe import ChatRecipe

        return ChatRecipe
    if task in IMAGE_TASKS:
        from finetune.image.recipe import ImageRecipe, ToolRecipe

        return ImageRecipe if task == "image" else ToolRecipe
    raise ConfigError(f"There is no task {task!r}.{_near(task, TASKS)} Known: {', '.join(TASKS)}.")


def names() -> list[str]:
    """Return the names of the shipped recipes."""
    return sorted(p.stem for p in RECIPES.glob("*.yaml") if not p.stem.endswith(".accelerate"))


def find(name_or_path: str) -> Path:
    """Return the file of a shipped recipe's name, or the path of a YAML file.

    Raises:
        ConfigError: if there is no such file.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = RECIPES / f"{name_or_path}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"There is no recipe {name_or_path!r}.{_near(name_or_path, names())} "
            f"Name a YAML file or one of {', '.join(names())}."
        )
    return path


def values(path: Path) -> dict[str, Any]:
    """Return the keys and values of a recipe's file, unchecked.

    Raises:
        ConfigError: if it is no YAML mapping with a `task`.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict) or not isinstance(found.get("task"), str):
        raise ConfigError(
            f"{path} is no recipe: it needs keys and values, 'task' first; "
            f"the tasks are {', '.join(TASKS)}."
        )
    return found


def load(name_or_path: str, changes: Mapping[str, Any] | None = None) -> AnyRecipe:
    """Return a shipped recipe by name, or one from a YAML file, with single values replaced.

    Args:
        name_or_path: a name in `names()`, or a file that ends in .yaml or .yml.
        changes: values by key; a dotted key reaches into a block (`data.train`).

    Raises:
        ConfigError: if there is no such file, it is no YAML mapping, or a key or value is wrong.
    """
    path = find(name_or_path)
    return build(changed(values(path), changes or {}), str(path))


def build(found: Mapping[str, Any], origin: str) -> AnyRecipe:
    """Check keys and values by the schema of their task and return the recipe.

    Args:
        found: keys and values, `task` among them.
        origin: where they come from, for messages.

    Raises:
        ConfigError: if a key or value is wrong.
    """
    model = schema(str(found.get("task")))
    try:
        recipe: Any = model.model_validate(dict(found))
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_sentence(model, error)}") from None
    return recipe


def changed(found: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `found` with values replaced; a dotted key reaches into a block."""
    out = dict(found)
    for key, value in changes.items():
        first, dot, rest = key.partition(".")
        if dot:
            block = out.get(first)
            out[first] = changed(block if isinstance(block, Mapping) else {}, {rest: value})
        else:
            out[first] = value
    return out


def pairs(given: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` texts, the values as YAML.

    Raises:
        ConfigError: if one has no '=' or its value is no YAML.
    """
    out: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {pair!r} has no key and '=': write --set key=value.")
        try:
            out[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {pair!r}: the value is not valid YAML: quote it.") from None
    return out


def explain(task: str) -> str:
    """Return a readable description of every key that a recipe of `task` takes.

    Raises:
        ConfigError: if there is no such task.
    """
    return _explain.text(task, schema(task))


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    """Return what the first thing wrong is, and what to do."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if not str(part)[:1].isupper()]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        known = [name for name in _explain.keys(model) if name.count(".") == key.count(".")]
        return f"unknown key {key!r}.{_near(key, known)} --explain lists the keys."
    if first["type"] == "missing":
        return f"the key {key!r} is missing. --explain says what it takes."
    said = first["msg"].removeprefix("Value error, ")
    if not key:
        return f"{said}."
    return f"key {key!r} is {first['input']!r}: {said}."


def _near(word: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""
