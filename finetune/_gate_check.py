"""An adapter before it is judged: whole, of a known task, and on the base that serves.

Everything here is looked at before an evaluation starts, so that a wrong folder costs seconds. Knows
nothing of figures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import _promoted_files as stored
from assistant.errors import ConfigError, InputError, ModelError
from assistant.models import _chat_files
from assistant.serving import Serving
from assistant.settings import Settings
from finetune import recipe_gate
from finetune._gate_types import Group
from finetune.recipe_gate import Gate, GateTask

CHAT = ("chat", "preference", "image_chat")
ENCODER = ("entities", "rerank", "embed", "support", "verdict")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter that could serve.

    Attributes:
        folder: absolute.
        slot: where.
        name: by its card.
        task: by its card.
        digest: SHA-256 over its files.
        card: the card.
        base: what serves in the slot now: a shipped name or a folder; "" for a bare chat model.
    """

    folder: Path
    slot: str
    name: str
    task: str
    digest: str
    card: dict[str, Any]
    base: str


def candidate(folder: Path, settings: Settings) -> Candidate:
    """Return what a folder holds, after it was loaded on the base that serves.

    Raises:
        ModelError: if it is damaged, holds a pickle, or sits on another base.
        ConfigError: if the settings serve no model of its kind.
        InputError: if there is no such folder, or it serves already.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: give the folder of a trained adapter.")
    folder = folder.resolve()
    facts = stored.inspect(folder)
    task = str(facts.card["task"])
    if task in CHAT:
        _check_chat(folder, settings)
    elif task in ENCODER:
        _check_encoder(folder, task, settings)
    else:
        known = ", ".join((*ENCODER, *CHAT))
        raise ModelError(f"The adapter in {folder} is for {task!r}, not for one of {known}.")
    slot = "chat" if task in CHAT else task
    serving = Serving(settings).name(slot)
    if serving and Path(serving).is_absolute() and stored.inspect(Path(serving)) == facts:
        raise InputError(f"The adapter in {folder} serves in the slot {slot!r} already.")
    return Candidate(folder, slot, facts.name, task, facts.digest, dict(facts.card), serving)


def gate(found: Candidate, recipe: Path | None, limit: int | None) -> Gate:
    """Return the rules to judge by: of a recipe's file, else of the card's recipe, else the usual.

    Args:
        found: the adapter.
        recipe: a YAML file whose `gate` block counts.
        limit: replaces every task's limit.

    Raises:
        ConfigError: if a rule is wrong, naming its key.
    """
    if recipe is not None:
        rules = recipe_gate.read(recipe)
    else:
        own = found.card.get("recipe")
        block = own.get("gate") if isinstance(own, dict) else None
        rules = recipe_gate.parse(block, f"{found.folder}/card.json")
    if not rules.tasks:
        rules = rules.model_copy(update={"tasks": recipe_gate.default(found.task).tasks})
    return rules.model_copy(update={"tasks": tuple(_filled(t, limit) for t in rules.tasks)})


def groups(rules: Gate, recipe: Path | None) -> list[Group]:
    """Return the gate's tasks by what has to be run, in the recipe's order."""
    out: dict[tuple[str, str | None, int | None], list[GateTask]] = {}
    for task in rules.tasks:
        out.setdefault((task.task, task.data, task.limit), []).append(task)
    return [
        Group(name, _place(data, recipe) if data else None, limit, tuple(tasks))
        for (name, data, limit), tasks in out.items()
    ]


def read_in_training(card: dict[str, Any]) -> dict[str, str]:
    """Return the part ("train", "validation") of each file that a card's training read, by digest."""
    told = card.get("data_card")
    listed = told.get("files") if isinstance(told, dict) else None
    found = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return {str(item.get("sha256")): str(item.get("part")) for item in found}


def _filled(task: GateTask, limit: int | None) -> GateTask:
    metric = task.metric or recipe_gate.MAIN.get(task.task, "")
    if not metric:
        raise ConfigError(
            f"The gate's evaluation {task.task!r} has no main metric: name one with 'metric'."
        )
    return task.model_copy(update={"metric": metric, "limit": limit or task.limit})


def _place(data: str, recipe: Path | None) -> Path:
    """Return where a recipe's data is: beside the recipe, in the data folder, or here."""
    folders = [recipe.parent] if recipe is not None else []
    folders += [Path(os.environ["AUSCULT_DATA"])] if "AUSCULT_DATA" in os.environ else []
    for folder in folders:
        if (folder / data).exists():
            return folder / data
    return Path(data)


def _check_encoder(folder: Path, task: str, settings: Settings) -> None:
    from retrieval import adapters
    from retrieval.encoder import Encoder

    encoder = Encoder.load(settings.encoder)
    if task == "rerank":
        adapters.PairScorer.load(encoder, str(folder))
    elif task == "entities":
        adapters.Tagger.load(encoder, str(folder))
    elif task == "embed":
        if settings.embed_adapter != type(settings).model_fields["embed_adapter"].default:
            raise ConfigError(
                f"The setting embed_adapter names {settings.embed_adapter!r}, which a promoted "
                "adapter does not replace: remove the setting first."
            )
        encoder.asking_with(str(folder))
    else:
        from retrieval.classifier import Classifier

        Classifier.load(encoder, str(folder), task)


def _check_chat(folder: Path, settings: Settings) -> None:
    kind, _, argument = settings.chat_model.partition(":")
    if kind.strip() != "transformers":
        raise ConfigError(
            f"The setting chat_model is {settings.chat_model!r}, which takes no adapter: set it to "
            "transformers:<base> to judge and serve one."
        )
    spec = _chat_files.parse(argument.strip())
    if spec.adapter:
        raise ConfigError(
            f"The setting chat_model names the adapter {spec.adapter}, which a promoted one does "
            f"not replace: set it to transformers:{spec.base}."
        )
    _chat_files.check_adapter(folder, _chat_files.base_digest(_chat_files.locate(spec.base)))
