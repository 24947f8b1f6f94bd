"""What a recipe's `search:` block may say of a key: a range of numbers, or a list of choices."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; whole ones where both ends are whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float = Field(description="Smallest value.")
    high: int | float = Field(description="Largest value.")
    log: bool = Field(False, description="Whether to draw evenly by order of magnitude.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) has to lie below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"with log, low ({self.low}) has to be above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Choices(BaseModel):
    """One value of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: tuple[Any, ...] = Field(min_length=1, description="The values to choose from.")


Space = dict[str, Range | Choices]
