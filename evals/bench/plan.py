"""What a library of tens of millions of abstracts would take, worked out from measured slopes.

    python -m evals.bench.plan --growth growth.json --encoding encoding.json --out plan.json

Nothing here is measured: every line follows from figures that the other benchmarks wrote and from the
assumptions that are printed beside it. Disk goes with the passages and, for text and words, with
their length; memory and latency go with the passages of a shard along the straight line through the
measured sizes. A shard is an index of its own on a machine of its own; each is asked and the lists
are joined by score.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from retrieval import files

ABSTRACTS = 37_000_000


class Line(NamedTuple):
    """A straight line: `at + slope * x`."""

    at: float
    slope: float

    def value(self, x: float) -> float:
        """Return the value at `x`."""
        return self.at + self.slope * x

    def reaches(self, limit: float) -> float:
        """Return the x at which the line reaches a limit; infinite where it does not rise."""
        return (limit - self.at) / self.slope if self.slope > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Slopes:
    """What was measured.

    Attributes:
        vector_bytes: of disk a passage that do not hang on its length.
        word_bytes: of disk a word of text, for text and inverted lists.
        memory_mb: of an open index, over its passages.
        latency_ms: 95th percentile of a hybrid question, over the passages.
        add_us: microseconds to add and compact a passage, without embedding.
        words_per_s: words that the encoder reads a second of one processor thread.
        measured_to: the most passages that were measured.
    """

    vector_bytes: float
    word_bytes: float
    memory_mb: Line
    latency_ms: Line
    add_us: float
    words_per_s: float
    measured_to: int


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is assumed, not measured; each can be given on the command line.

    Attributes:
        abstracts: documents to hold.
        words: words an abstract, with its title; as measured on 1,037 abstracts of SciFact.
        passages: passages an abstract; as measured on the same.
        latency_ms: what the 95th percentile of one shard may be.
        memory_gb: what a shard's index may hold of a machine's memory.
        generations: copies of the files at the worst moment of a compaction.
        cpu_threads: threads that embed at the same time.
        gpu_speedup: one accelerator against one processor thread; an estimate to be replaced.
        cpu_thread_hour: price of a processor thread, in a currency of your own.
        gpu_hour: price of an accelerator.
        disk_gb_month: price of a GB of disk for a month.
    """

    abstracts: int = ABSTRACTS
    words: float = 212.0
    passages: float = 1.18
    latency_ms: float = 150.0
    memory_gb: float = 16.0
    generations: float = 2.0
    cpu_threads: int = 32
    gpu_speedup: float = 20.0
    cpu_thread_hour: float = 0.05
    gpu_hour: float = 2.0
    disk_gb_month: float = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes, with `Assumptions` and `Slopes` as they were given.

    Attributes:
        passages: in all.
        disk_gb: of one generation, over all shards.
        disk_peak_gb: while a compaction writes the next.
        shards: indexes, each on a machine of its own.
        shard_passages: passages of one.
        shard_memory_gb: resident memory of one, open.
        shard_latency_ms: 95th percentile of a question to one, by the straight line.
        beyond_measured: how many times more passages a shard has than the largest measured index.
        build_hours: to add and compact everything without embedding, shards one after the other.
        cpu_hours: to embed everything, with `Assumptions.cpu_threads`.
        gpu_hours: to embed everything on one accelerator, by the assumed factor.
        cpu_cost: of embedding on the processor.
        gpu_cost: of embedding on one accelerator.
        disk_cost_month: of the disk at its peak.
    """

    passages: int
    disk_gb: float
    disk_peak_gb: float
    shards: int
    shard_passages: int
    shard_memory_gb: float
    shard_latency_ms: float
    beyond_measured: float
    build_hours: float
    cpu_hours: float
    gpu_hours: float
    cpu_cost: float
    gpu_cost: float
    disk_cost_month: float


def plan(slopes: Slopes, given: Assumptions) -> Plan:
    """Return what `given.abstracts` take.

    Raises:
        ValueError: if a single passage already breaks a limit.
    """
    passages = round(given.abstracts * given.passages)
    words = given.abstracts * given.words
    fits = min(
        slopes.memory_mb.reaches(1_000 * given.memory_gb),
        slopes.latency_ms.reaches(given.latency_ms),
    )
    if fits < 1:
        raise ValueError("no index is small enough for these limits: raise the memory or the time")
    shards = max(1, math.ceil(passages / fits))
    each = math.ceil(passages / shards)
    disk_gb = (passages * slopes.vector_bytes + words * slopes.word_bytes) / 1e9
    thread_hours = words / slopes.words_per_s / 3_600
    gpu_hours = thread_hours / given.gpu_speedup
    peak = disk_gb * given.generations
    return Plan(
        passages=passages,
        disk_gb=disk_gb,
        disk_peak_gb=peak,
        shards=shards,
        shard_passages=each,
        shard_memory_gb=slopes.memory_mb.value(each) / 1_000,
        shard_latency_ms=slopes.latency_ms.value(each),
        beyond_measured=each / slopes.measured_to,
        build_hours=passages * slopes.add_us / 1e6 / 3_600,
        cpu_hours=thread_hours / given.cpu_threads,
        gpu_hours=gpu_hours,
        cpu_cost=thread_hours * given.cpu_thread_hour,
        gpu_cost=gpu_hours * given.gpu_hour,
        disk_cost_month=peak * given.disk_gb_month,
    )


def line(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Return the straight line of least squares, level through the mean where it would not rise.

    Neither memory nor latency falls as an index grows: a falling line is noise.
    """
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    if not spread:
        return Line(mean_y, 0.0)
    both = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope = max(both / spread, 0.0)
    return Line(mean_y - slope * mean_x, slope)


def slopes(growth: Mapping[str, Any], encoding: Mapping[str, Any]) -> Slopes:
    """Return the slopes from what `growth` and `encoding` wrote.

    Raises:
        KeyError: if a figure is missing there.
    """
    sizes = sorted(int(size) for size in growth["facts"]["layouts"])

    def series(name: str) -> list[float]:
        return [float(growth["figures"][f"{size:,}: {name}"]["median"]) for size in sizes]

    largest = growth["figures"]

    def at_largest(name: str) -> float:
        return float(largest.get(f"{sizes[-1]:,}: {name}", {"median": 0.0})["median"])

    by_length = at_largest("disk: text") + at_largest("disk: words")
    rate = float(encoding["figures"]["Encoder.embed"]["median"])
    return Slopes(
        vector_bytes=at_largest("disk") - by_length,
        word_bytes=by_length / float(growth["facts"]["words a passage"]),
        memory_mb=line(sizes, series("memory after the questions")),
        latency_ms=line(sizes, series("hybrid: 95th percentile")),
        add_us=at_largest("adding and compacting"),
        words_per_s=rate * float(encoding["facts"]["words a text"]),
        measured_to=sizes[-1],
    )


def main() -> None:
    """Work out and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--growth", type=Path, required=True, help="what 'growth' wrote")
    parser.add_argument("--encoding", type=Path, required=True, help="what 'encoding' wrote")
    parser.add_argument("--out", type=Path, help="JSON file to write the plan to")
    base = asdict(Assumptions())
    for name, value in base.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=type(value), default=value, help=f"({value:g})")
    given = parser.parse_args()
    growth, encoding = (
        json.loads(path.read_text(encoding="utf-8")) for path in (given.growth, given.encoding)
    )
    assumed = Assumptions(**{name: getattr(given, name) for name in base})
    measured = slopes(growth, encoding)
    parts = {
        "measured": asdict(measured),
        "assumed": asdict(assumed),
        "plan": asdict(plan(measured, assumed)),
    }
    for title, values in parts.items():
        print(f"{title}:")
        for name, number in values.items():
            print(f"  {name}: {number}")
    if given.out is not None:
        files.write_json(given.out, {"benchmark": "plan", **parts})


if __name__ == "__main__":
    main()
