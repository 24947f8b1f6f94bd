"""What the benchmarks share: the machine in words, figures as a table, and the JSON file.

A figure is the median of its rounds, with the smallest and the largest beside it. Knows nothing of
what is measured.
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

_LIBRARIES = ("auscult", "torch", "numpy", "faiss-cpu", "tantivy", "tokenizers")


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


def figure(values: Sequence[float], unit: str) -> Figure:
    """Return the figure of at least one round."""
    return Figure(statistics.median(values), min(values), max(values), len(values), unit)


def parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has: --rounds, --out."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=_positive, default=rounds, help=f"rounds ({rounds})")
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


def publish(
    name: str, figures: Mapping[str, Figure], before: Mapping[str, Any], out: Path | None
) -> None:
    """Print the figures as a table and write them as JSON where a file is named.

    Args:
        name: the benchmark's name.
        figures: by what was measured.
        before: `machine()` at the start.
        out: the file, or None.
    """
    width = max(len(key) for key in figures)
    print(f"{name}: {before['cpu']}, {before['cores']} cores, load {before['load_average']} before")
    print(f"{'':{width}}  {'median':>10} {'min':>10} {'max':>10}  rounds")
    for key, value in figures.items():
        numbers = " ".join(f"{number:>10.4g}" for number in (value.median, value.low, value.high))
        print(f"{key:{width}}  {numbers}  {value.rounds} ({value.unit})")
    if out is not None:
        rows = {key: asdict(value) for key, value in figures.items()}
        files.write_json(
            out, {"benchmark": name, "machine": dict(before), "after": machine(), "figures": rows}
        )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")
