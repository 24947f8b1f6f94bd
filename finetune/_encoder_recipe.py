"""What a training run of an encoder adapter is told: a YAML file, checked key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError

from finetune._recipe_common import Common, OwnData
from retrieval.encoder import EMBEDDED
from retrieval.errors import ConfigError

RECIPES = Path(__file__).parent / "recipes"


class Recipe(Common):
    """One training run. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["rerank", "entities", "embed", "support", "verdict"] = Field(
        description="What the adapter is to do."
    )
    name: str = Field(description="Name of the adapter: its folder in the weights.")
    encoder: str = Field(EMBEDDED, description="The base that the adapter sits on.")
    seed: int = Field(0, ge=0, description="Of sampling, order, initial weights and dropout.")
    rank: int = Field(32, ge=1, le=256, description="LoRA's rank r.")
    saved_rank: int | None = Field(
        None, ge=1, description="Rank that the trained adapter is cut to when it is saved."
    )
    layers: tuple[int, ...] = Field(
        (0, 1, 2, 3, 4, 5), min_length=1, description="Transformer blocks that get an adapter."
    )
    alpha: int = Field(64, ge=1, description="LoRA's alpha; deltas are scaled by alpha / r.")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout on LoRA's input.")
    encoder_dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout on the output of every sublayer of the encoder."
    )
    averaging: float = Field(
        0.0, ge=0, lt=1,
        description="Decay of the running mean of the weights that is validated and kept; 0 for none.",
    )  # fmt: skip
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of LoRA's matrices.")
    head_learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of the head.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay.")
    warmup: float = Field(0.06, ge=0, lt=1, description="Share of the steps that warm up.")
    epochs: int = Field(1, ge=1, description="Passes over the training data.")
    batch_tokens: int = Field(4096, ge=256, description="Padded tokens a step.")
    max_tokens: int = Field(192, ge=16, le=512, description="Tokens that a text or pair is cut to.")
    validate_every: int = Field(200, ge=1, description="Steps between validations.")
    checkpoint_every: int | None = Field(
        None, ge=1, description="Steps between checkpoints; by default validate_every."
    )
    patience: int = Field(5, ge=1, description="Validations without gain before stopping early.")
    threads: int = Field(2, ge=0, description="CPU threads; 0 leaves it to torch.")
    hidden: int = Field(128, ge=8, description="Width of the head's inner layer.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own options.")
    data: OwnData | None = Field(
        None, description="Files of your own instead of the public sets that the task reads."
    )


def load(name_or_path: str, changes: dict[str, Any] | None = None) -> Recipe:
    """Return a shipped recipe by name, or one from a YAML file, with single values replaced.

    Raises:
        ConfigError: if there is no such file, it is no YAML mapping, or a key or value is wrong.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = RECIPES / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise ConfigError(
            f"There is no recipe {name_or_path!r}: name a YAML file or one of {known}."
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping of keys to values: see the shipped recipes.")
    try:
        return Recipe(**{**values, **(changes or {})})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}, key {key!r}: {first['msg']}.") from None
