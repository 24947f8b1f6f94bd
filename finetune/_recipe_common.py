"""The keys that every recipe has, whatever it trains: consent, origin, gate and search."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from finetune._search_space import Space
from finetune.recipe_gate import Gate


class Common(BaseModel):
    """Keys that a schema of recipes inherits. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    licence: str = Field(
        "", description="Licence of the adapter, for its card; empty says that none is given."
    )
    language: str = Field(
        "en",
        pattern="^[a-z]{2}$",
        description="Language of the data as an ISO 639-1 code; rows in another are counted.",
    )
    allow_personal_data: bool = Field(
        False,
        description="Train although the scan finds personal data; by default that stops the run.",
    )
    allow_leakage: bool = Field(
        False,
        description="Train although training and validation share patients, documents or texts; "
        "the validation figures then say too much.",
    )
    gate: Gate = Field(
        default_factory=Gate, description="The measurements that decide on a promotion."
    )
    search: Space = Field(
        default_factory=dict,
        description="What --search varies: a key (with dots into blocks) and either "
        "{low, high, log} or {choices}.",
    )


class OwnData(BaseModel):
    """Data files of your own for an encoder task, JSON lines, .gz or not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str = Field(description="File to train on; a relative path is looked for in --data.")
    validation: str = Field(
        description="File that selects the step and gives the card's figures: other patients, "
        "other documents."
    )


# Keys that say nothing about the weights that come out: a run may go on after they were changed.
ASIDE = ("gate", "search", "licence", "language", "allow_personal_data", "allow_leakage")
