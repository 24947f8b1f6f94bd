"""What the gate is told and what it says: frozen values, no input or output.

The evaluations are not of this package: whoever calls the gate passes a function that runs them, and
what it returns is described here by its attributes. Knows nothing of files and models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune.recipe_gate import GateTask

BASE, ADAPTER = "base", "adapter"


class Interval(Protocol):
    """A figure with its 95% interval; None where it can't be told."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


class Measured(Protocol):
    """One metric in all arms; `evals.compare.Measured` has these attributes."""

    @property
    def metric(self) -> str: ...
    @property
    def arms(self) -> Mapping[str, Interval]: ...
    @property
    def difference(self) -> Interval: ...
    @property
    def without(self) -> Interval | None: ...


class Comparison(Protocol):
    """One task in all arms; `evals.compare.Comparison` has these attributes."""

    @property
    def task(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def n(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def digests(self) -> Mapping[str, str]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def metrics(self) -> Sequence[Measured]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be run.

    Attributes:
        task: an evaluation's name.
        metrics: of it.
        data: its data; None for its built-in set.
        limit: samples at most, the first ones.
        seed: of the resampling.
        rounds: resamples of each difference.
        slot: the place in question.
        base: the adapter that serves there now, a shipped name or a folder; "" for none.
        adapter: the folder of the candidate.
    """

    task: str
    metrics: tuple[str, ...]
    data: Path | None
    limit: int | None
    seed: int
    rounds: int
    slot: str
    base: str
    adapter: str


class Evaluate(Protocol):
    """Runs one evaluation in all arms."""

    def __call__(self, asked: Asked, /) -> Comparison:
        """Return what it came to.

        Raises:
            AuscultError: if it can't be run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of the decision's table.

    Attributes:
        task: the evaluation.
        metric: of it.
        safety: whether it guards safety.
        dataset: what it was run on.
        n: samples.
        unit: what was resampled.
        arms: value, low and high of each arm that was run.
        difference: value, low and high of adapter minus base, as it serves.
        without: the same without passages, or None.
        outcome: "better", "worse", "no difference", "kept", "broken", or "not measured".
        note: why it was not measured, or why arms were left out; or "".
    """

    task: str
    metric: str
    safety: bool
    dataset: str = ""
    n: int = 0
    unit: str = ""
    arms: Mapping[str, Mapping[str, float | None]] | None = None
    difference: Mapping[str, float | None] | None = None
    without: Mapping[str, float | None] | None = None
    outcome: str = "not measured"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says on one adapter.

    Attributes:
        slot: where it was to serve.
        adapter: its name, folder and digest.
        base: what served when it was judged: name and folder.
        accepted: whether the gate let it pass.
        forced: whether it was promoted although the gate had not.
        promoted: whether it serves now.
        reasons: why it was refused, one clause each; none if it was accepted.
        rows: the table.
        gate: the rules that it was judged by.
        digests: SHA-256 of the data's files and of each arm's weights.
        environment: versions of what computed.
        when: UTC, ISO 8601.
        who: the account.
        seconds: what the evaluations took.
        file: the folder of the written decision, below the state folder's `adapters`.
    """

    slot: str
    adapter: Mapping[str, str]
    base: Mapping[str, str]
    accepted: bool
    forced: bool
    promoted: bool
    reasons: tuple[str, ...]
    rows: tuple[Row, ...]
    gate: Mapping[str, Any]
    digests: Mapping[str, str]
    environment: Mapping[str, str]
    when: str
    who: str
    seconds: float
    file: str

    def sentence(self) -> str:
        """Return the decision in one sentence."""
        name = f"The adapter {self.adapter['name']!r}"
        why = "; ".join(self.reasons)
        if self.accepted:
            better = [f"{r.task} {r.metric}" for r in self.rows if r.outcome == "better"]
            gain = f"better in {', '.join(better)}" if better else "no worse"
            return f"{name} is {gain} than what served, and serves in the slot {self.slot!r} now."
        if self.promoted:
            return f"{name} serves in the slot {self.slot!r} now by force, although: {why}."
        return f"{name} is refused: {why}; --force promotes it nevertheless, and is recorded."

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Group:
    """The gate's tasks that one run of an evaluation serves."""

    task: str
    data: Path | None
    limit: int | None
    tasks: tuple[GateTask, ...]
