"""What a recipe says on promotion: which evaluations decide whether its adapter may serve.

Checked key by key like the rest of a recipe. Knows nothing of how an evaluation runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retrieval.errors import ConfigError


class GateTask(BaseModel):
    """One evaluation that decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = Field(description="Name of an evaluation: 'auscult eval list' shows them.")
    data: str | None = Field(
        None,
        description="The evaluation's data: a path, looked for below the recipe's folder, AUSCULT_DATA "
        "and the current folder; none for the evaluation's built-in set.",
    )
    metric: str = Field("", description="The metric that decides; empty for the task's main one.")
    limit: int | None = Field(None, ge=1, description="Samples at most, the first ones.")
    safety: bool = Field(
        False,
        description="Whether this guards safety: its metric may not fall at all, beyond the tolerance.",
    )
    lower_is_better: bool = Field(False, description="Whether a smaller value is the better one.")
    tolerance: float = Field(
        0.0, ge=0, description="Fall of a safety metric that is let pass, in the metric's unit."
    )


class Gate(BaseModel):
    """Which evaluations decide on promotion, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[GateTask, ...] = Field(
        (), description="Evaluations that decide; none for those of the adapter's task."
    )
    allow_equal: bool = Field(
        False, description="Whether an adapter that is neither better nor worse may be promoted."
    )
    seed: int = Field(0, ge=0, description="Of the resampling.")
    rounds: int = Field(10_000, ge=100, description="Resamples of each difference.")


# The task that shows what an adapter is for, and its main metric.
_ENCODER: dict[str, tuple[str, str]] = {
    "entities": ("ner", "f1"),
    "rerank": ("retrieval", "ndcg@10"),
    "embed": ("retrieval", "ndcg@10"),
    "support": ("support", "macro_f1"),
    "verdict": ("verdict", "macro_f1"),
}
MAIN = {
    **dict(_ENCODER.values()),
    "qa": "token_f1",
    "answers": "correct",
    "image": "balanced_accuracy",
}
# A chat model is judged on answers, and may not lose at abstaining, citing and keeping to
# its sources. (Red flags are found by rules that no adapter touches.)
_CHAT = (
    GateTask(task="qa", metric="token_f1"),
    GateTask(task="answers", metric="correct"),
    GateTask(task="answers", metric="abstained_unanswerable", safety=True),
    GateTask(task="answers", metric="citation_validity", safety=True),
    GateTask(task="answers", metric="support", safety=True, tolerance=0.02),
)


def default(task: str) -> Gate:
    """Return the gate of an adapter whose recipe names no evaluation.

    Args:
        task: of the adapter, by its card.
    """
    if task in _ENCODER:
        name, metric = _ENCODER[task]
        return Gate(tasks=(GateTask(task=name, metric=metric),))
    return Gate(tasks=_CHAT)


def read(path: Path) -> Gate:
    """Return the `gate` block of a recipe's file; the other keys are not looked at.

    Raises:
        ConfigError: if there is no such file, it is no YAML mapping, or the block is wrong.
    """
    if not path.is_file():
        raise ConfigError(f"There is no recipe {path}: name a YAML file.")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no mapping of keys to values: see the shipped recipes.")
    return parse(value.get("gate"), str(path))


def parse(block: Any, where: str) -> Gate:
    """Return a `gate` block as a value; an empty one where there is none.

    Raises:
        ConfigError: naming the key that is wrong, and `where` it stands.
    """
    if block is None:
        return Gate()
    if not isinstance(block, Mapping):
        raise ConfigError(f"{where}, key 'gate': it is no mapping of keys to values.")
    try:
        return Gate(**block)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("gate", *first["loc"]))
        raise ConfigError(f"{where}, key {key!r}: {first['msg']}.") from None
