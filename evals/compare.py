"""Two adapters on the same samples: both are run, and their figures are set against each other.

Four arms: what serves now and the candidate, each without passages and with them. Where a task knows
only one of the two ways, the other two arms are left out and the result says why. Differences are
paired: every draw of samples is put to both. Knows nothing of what follows from a difference.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from assistant.settings import Settings
from evals import metrics, runner
from evals.metrics import PAIRED_ROUNDS
from evals.types import Arm, Comparable, Dataset, Figure, Interval, Prediction
from retrieval import plugins
from retrieval.errors import InputError

ARMS = ("base", "adapter", "base + retrieval", "adapter + retrieval")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be compared.

    Attributes:
        task: an evaluation's name.
        metrics: of it.
        data: its data; None for its built-in set.
        limit: samples at most, the first ones; None for all.
        seed: of the resampling.
        rounds: resamples of each difference.
    """

    task: str
    metrics: tuple[str, ...]
    data: Path | None = None
    limit: int | None = None
    seed: int = 0
    rounds: int = PAIRED_ROUNDS


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one task in all arms.

    Attributes:
        metric: its name.
        arms: its value and interval in each arm that was run.
        difference: candidate minus base in the way that serves: with passages where a task can have
            them. The value is None where an arm could not give the metric.
        without: the same without passages, where a task was run so too.
    """

    metric: str
    arms: dict[str, Interval]
    difference: Interval
    without: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the arms of one task came to.

    Attributes:
        task: its name.
        dataset: what it was run on.
        n: samples.
        unit: what was resampled, in the plural.
        note: why arms were left out, or "".
        digests: SHA-256 of the data's files, and of each arm's weights under its name.
        seconds: all arms together.
        metrics: those asked for, in that order.
    """

    task: str
    dataset: str
    n: int
    unit: str
    note: str
    digests: dict[str, str]
    seconds: float
    metrics: tuple[Measured, ...]


def compare(asked: Asked, base: Arm, candidate: Arm, settings: Settings) -> Comparison:
    """Run a task with two arms on the same samples.

    Args:
        asked: the task, its data and metrics.
        base: what serves now.
        candidate: what is to serve.
        settings: what the assistant's parts are run with.

    Raises:
        ConfigError: if there is no such task.
        InputError: if the data can't be used, the task can't compare, or it has no such metric.
        ModelError: if an arm's adapter can't be loaded.
    """
    task = asked.task
    module = plugins.load(runner.PACKAGE, task)
    runner.set_threads(settings)
    both = bool(getattr(module, "OPTIONAL_PASSAGES", False))
    chosen = {"base": base, "adapter": candidate}
    began = time.monotonic()
    figures: dict[str, dict[str, Figure]] = {}
    digests: dict[str, str] = {}
    # The data is read once; all arms get the very same samples.
    dataset = module.build(settings, asked.seed, base).load(asked.data, asked.limit)
    for name in ARMS if both else ARMS[:2]:
        arm = chosen[name.partition(" ")[0]]
        if both:
            arm = Arm(arm.adapters, retrieval=name in ARMS[2:])
        part = module.build(settings, asked.seed, arm)
        if not hasattr(part, "figures"):
            raise InputError(f"The evaluation {task!r} can't be compared sample by sample.")
        figures[name] = part.figures(_solve(part, dataset, f"{task}, {name}"))
        digests |= _digests(part, dataset, name)
    return Comparison(
        task=task,
        dataset=dataset.name,
        n=len(dataset.samples),
        unit=dataset.unit,
        note="" if both else "passages are no choice in this task: two arms only",
        digests=digests,
        seconds=round(time.monotonic() - began, 2),
        metrics=tuple(_measured(asked, metric, figures) for metric in asked.metrics),
    )


def _solve(part: Comparable, dataset: Dataset, name: str) -> list[Prediction]:
    with runner.progress(name) as progress:
        return list(part.solve(dataset, progress))


def _measured(asked: Asked, metric: str, figures: dict[str, dict[str, Figure]]) -> Measured:
    pair = ARMS[2:] if ARMS[2] in figures else ARMS[:2]
    known = sorted(set(figures[pair[0]]) & set(figures[pair[1]]))
    if metric not in known:
        raise InputError(
            f"The evaluation {asked.task!r} gives no {metric!r} on this data: name one of "
            f"{', '.join(known) or 'none'}."
        )
    taken = {arm: found[metric] for arm, found in figures.items() if metric in found}
    alone = pair != ARMS[:2] and {*ARMS[:2]} <= set(taken)

    def difference(first: str, second: str) -> Interval:
        return metrics.paired(taken[first], taken[second], asked.seed, asked.rounds)

    return Measured(
        metric=metric,
        arms={a: metrics.bootstrap(f.statistic, f.units, asked.seed) for a, f in taken.items()},
        difference=difference(*pair),
        without=difference(*ARMS[:2]) if alone else None,
    )


def _digests(part: Comparable, dataset: Dataset, arm: str) -> dict[str, str]:
    found = runner.digests(dataset, part.weights())
    return {
        name if name.startswith("data/") else f"{arm}: {name}": digest
        for name, digest in found.items()
    }
