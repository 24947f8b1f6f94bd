"""What an evaluation is: samples in, one prediction a sample, figures with intervals out.

A task is one file in `evals/tasks`; its `build(settings, seed)` returns a `Task`. Frozen values, no
input or output here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Prediction = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95% bootstrap interval.

    Attributes:
        value: the figure on all samples; None where the samples can't give it.
        low: 2.5th percentile of the resampled figures, or None.
        high: 97.5th percentile, or None.
    """

    value: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """Return the contract's form, rounded to six places."""
        return {
            key: None if part is None else round(part, 6)
            for key, part in (("value", self.value), ("low", self.low), ("high", self.high))
        }


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a task has read and checked before anything is computed.

    Attributes:
        name: where it comes from, for the report.
        samples: one mapping a sample.
        files: the files it was read from, for their digests.
        unit: the independent unit that the bootstrap resamples, in the plural.
    """

    name: str
    samples: tuple[dict[str, Any], ...]
    files: tuple[Path, ...]
    unit: str
    extra: dict[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """Dataset, solver and scorer of one evaluation."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read and check the samples; the built-in set where `data` is None.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        ...

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield one prediction a sample, in order; `progress` is called with (done, total)."""
        ...

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the metrics of the predictions."""
        ...

    def weights(self) -> Sequence[Path]:
        """Return the weight files that were used, for their digests."""
        ...
