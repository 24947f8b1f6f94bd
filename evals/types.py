"""What an evaluation is: samples in, one prediction a sample, figures with intervals out.

A task is one file in `evals/tasks`; its `build(settings, seed, arm)` returns a `Task`. Frozen values,
no input or output here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from assistant.settings import Settings

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
class Figure:
    """A figure that can be taken on any draw of the samples.

    Attributes:
        statistic: from the rows of the samples drawn (with repetition), int64, to the figure; None
            where the draw can't give it.
        units: the independent unit of each sample. They depend on the data alone, never on what was
            predicted, so that two sets of predictions can be drawn alike.
    """

    statistic: Callable[[NDArray[np.int64]], float | None]
    units: Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class Arm:
    """What an evaluation is run with, beyond the settings.

    Attributes:
        adapters: the adapter of some slots, a shipped name or an absolute folder; for "chat" also ""
            for the bare model. The others are what serves.
        retrieval: whether the answers may draw on passages, where a task has both.
    """

    adapters: Mapping[str, str] = field(default_factory=dict)
    retrieval: bool = True

    def adapter(self, settings: Settings, slot: str) -> str:
        """Return the adapter of a slot: the one given, else what serves by these settings."""
        from assistant.serving import Serving

        return Serving(settings, self.adapters).name(slot)


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


class Comparable(Task, Protocol):
    """A task whose figures on the same samples can be set against each other.

    One that can be run both with passages and without has `OPTIONAL_PASSAGES = True` in its module.
    """

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return the metrics as figures; `score` gives their values and intervals."""
        ...
