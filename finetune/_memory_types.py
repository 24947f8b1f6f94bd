"""What the estimates of memory are told and what they return. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """What a training runs on.

    Attributes:
        devices: how many train together.
        sharded: whether weights and optimiser are shared out among them (FSDP).
        cuda: whether they are GPUs.
        bf16: whether passes run in bfloat16.
        weights: shapes of the base's tensors by name; None to tell them from the config.
    """

    devices: int = 1
    sharded: bool = False
    cuda: bool = False
    bf16: bool = False
    weights: Mapping[str, tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A batch on one device.

    Attributes:
        rows: texts, or one where they are packed.
        columns: tokens of each, padding included.
        learned: tokens whose scores are computed.
    """

    rows: int
    columns: int
    learned: int

    @property
    def tokens(self) -> int:
        """All tokens, padding included."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Memory:
    """An estimate.

    Attributes:
        parts: bytes at the peak on one device, by what they hold.
        devices: how many there are.
        device: "CPU" or "GPU".
        assumes: what the figures rest on, in words.
    """

    parts: Mapping[str, int]
    devices: int
    device: str
    assumes: tuple[str, ...]

    @property
    def total(self) -> int:
        """Bytes at the peak on one device."""
        return sum(self.parts.values())
