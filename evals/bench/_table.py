"""What the benchmarks share: the machine in words, figures as a table, and the JSON file.

A figure is the median of its rounds, with the smallest and the largest beside it. A target is what a
figure's median is to reach; whether it does is told, never hidden. Knows nothing of what is measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from retrieval import files

_LIBRARIES = (
    "auscult", "torch", "numpy", "faiss-cpu", "tantivy", "tokenizers", "sentence-transformers",
    "langchain-core", "langchain-community", "langchain-classic", "rank-bm25", "bm25s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure.

    Attributes:
        median: of the rounds.
        low: the smallest round.
        high: the largest round.
        rounds: how many there were.
        unit: "s", "MB", "/s" or "x" for a ratio.
    """

    median: float
    low: float
    high: float
    rounds: int
    unit: str


@dataclass(frozen=True, slots=True)
class Target:
    """What the median of a figure is to reach.

    Attributes:
        least: it is to be at least this, or None.
        most: it is to be at most this, or None.
    """

    least: float | None = None
    most: float | None = None

    def met(self, found: Figure) -> bool:
        """Whether the median reaches it."""
        low = self.least is None or found.median >= self.least
        return low and (self.most is None or found.median <= self.most)

    def __str__(self) -> str:
        """Return it as "at least 10", "at most 2", or both."""
        parts = (("at least", self.least), ("at most", self.most))
        return ", ".join(f"{word} {value:g}" for word, value in parts if value is not None)


def figure(values: Sequence[float], unit: str) -> Figure:
    """Return the figure of at least one round."""
    return Figure(statistics.median(values), min(values), max(values), len(values), unit)


def parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has: --rounds, --seed, --quick, --out."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=_positive, default=rounds, help=f"rounds ({rounds})")
    made.add_argument("--seed", type=int, default=0, help="of the order in a round (0)")
    made.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    made.add_argument("--out", type=Path, help="JSON file to write the figures to")
    return made


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def machine() -> dict[str, Any]:
    """Return what the figures were measured on; the load average tells whether it was idle."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "omp_threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": versions,
    }


def single(value: float, unit: str) -> Figure:
    """Return the figure of something that was measured once."""
    return figure([value], unit)


def publish(
    name: str,
    figures: Mapping[str, Figure],
    before: Mapping[str, Any],
    out: Path | None,
    *,
    facts: Mapping[str, Any] | None = None,
    targets: Mapping[str, Target] | None = None,
) -> None:
    """Print the figures as a table and write them as JSON where a file is named.

    Args:
        name: the benchmark's name.
        figures: by what was measured.
        before: `machine()` at the start.
        out: the file, or None.
        facts: sizes, settings and origins, so that a figure can be read rightly.
        targets: by the name of a figure; names that were not measured are left out.
    """
    aims = {key: aim for key, aim in (targets or {}).items() if key in figures}
    width = max(len(key) for key in figures)
    print(f"{name}: {before['cpu']}, {before['cores']} cores, load {before['load_average']} before")
    for key, fact in (facts or {}).items():
        print(f"  {key}: {fact}")
    print(f"{'':{width}}  {'median':>10} {'min':>10} {'max':>10}  rounds")
    for key, value in figures.items():
        numbers = " ".join(f"{number:>10.4g}" for number in (value.median, value.low, value.high))
        said = f"{key:{width}}  {numbers}  {value.rounds} ({value.unit})"
        if key in aims:
            said += f"  {aims[key]}: {'met' if aims[key].met(value) else 'NOT MET'}"
        print(said)
    if out is not None:
        written = {
            "benchmark": name,
            "machine": dict(before),
            "after": machine(),
            "facts": dict(facts or {}),
            "figures": {key: asdict(value) for key, value in figures.items()},
            "targets": {
                key: {"aim": str(aim), "met": aim.met(figures[key])} for key, aim in aims.items()
            },
        }
        files.write_json(out, written)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")
