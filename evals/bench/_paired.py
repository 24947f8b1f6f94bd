"""How two programs are compared: in one process, round by round, in random order.

A round gives every variant the same work once, in an order drawn anew; the ratio of two variants is
taken within each round, so that a change of the machine's load or clock falls on both, and the
figure is the median of the rounds' ratios with the smallest and the largest. Time is the processor
time of the whole process on one thread, which a neighbour on the machine inflates far less than the
clock on the wall. Memory is taken in a child process of its own. Knows nothing of what is compared.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.bench._table import Figure, figure

# Every library here that would start threads of its own reads one of these when it is loaded.
_ONE = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
) | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the rounds took and gave; every list has one entry a round, in order.

    Attributes:
        cpu_s: processor seconds of each variant.
        wall_s: seconds on the wall of each variant.
        outputs: what each variant returned.
    """

    cpu_s: Mapping[str, Sequence[float]]
    wall_s: Mapping[str, Sequence[float]]
    outputs: Mapping[str, Sequence[Any]]

    def ratio(self, slow: str, fast: str) -> Figure:
        """Return how many times the processor seconds of `fast` those of `slow` are."""
        pairs = zip(self.cpu_s[slow], self.cpu_s[fast], strict=True)
        return figure([a / max(b, 1e-9) for a, b in pairs], "x")

    def cpu_ms(self, name: str, items: int) -> Figure:
        """Return the processor milliseconds of one item, where a round works on `items` of them."""
        return figure([1_000 * spent / items for spent in self.cpu_s[name]], "ms CPU")

    def rate(self, name: str, items: int) -> Figure:
        """Return items per processor second, where a round works on `items` of them."""
        return figure([items / max(spent, 1e-9) for spent in self.cpu_s[name]], "/s CPU")


def compare(
    variants: Mapping[str, Callable[[int], Any]], rounds: int, generator: random.Random
) -> Rounds:
    """Run every variant once a round, in random order, after one untimed round.

    Args:
        variants: by name; each is called with the number of the round, 0 being the untimed one, so
            that it can take work that no round before has warmed.
        rounds: timed rounds, at least 1.
        generator: draws the order.
    """
    names = list(variants)
    for name in names:
        variants[name](0)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    outputs: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in generator.sample(names, len(names)):
            began, busy = time.perf_counter(), time.process_time()
            output = variants[name](number)
            cpu[name].append(time.process_time() - busy)
            wall[name].append(time.perf_counter() - began)
            outputs[name].append(output)
    return Rounds(cpu, wall, outputs)


def one_thread() -> None:
    """Go on with one thread in every library; starts this process's program anew if needed.

    Libraries fix their number of threads when they are loaded, which is before any `main` runs.
    """
    if all(os.environ.get(key) == value for key, value in _ONE.items()):
        return
    sys.stdout.flush()
    os.execve(  # noqa: S606 - our own command line once more
        sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **_ONE}
    )


def pin() -> None:
    """Hold torch and faiss, which have counts of their own, to one thread each."""
    import faiss
    import torch

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of this process in MB (10^6 bytes).

    Attributes:
        total: all of it.
        private: without pages that only mirror files and that the system may drop at any time;
            equal to `total` where the system does not tell them apart.
    """

    total: float
    private: float


def memory() -> Memory:
    """Return what this process holds now; its peak where the system has no /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
        return Memory(peak, peak)
    kib = {line.partition(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
    total = int(kib["VmRSS"]) * 1024 / 1e6
    return Memory(total, int(kib.get("RssAnon", kib["VmRSS"])) * 1024 / 1e6)


def in_child(function: Callable[..., Any], **arguments: Any) -> Any:
    """Return what a module's function returns when a fresh, single-threaded process runs it.

    Args:
        function: at the top level of an importable module.
        arguments: values that JSON holds; so must be what the function returns.

    Raises:
        SystemExit: if the child fails, with the last of what it said.
    """
    command = [
        *(sys.executable, "-m", "evals.bench._paired"),
        f"{_module(function)}:{function.__qualname__}",
        json.dumps(arguments),
    ]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, env=os.environ | _ONE, check=False
    )
    if done.returncode:
        said = done.stderr.strip()[-2_000:]
        raise SystemExit(f"{function.__qualname__} failed in its own process:\n{said}")
    return json.loads(done.stdout.splitlines()[-1])


def overlap(found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]]) -> float:
    """Return the mean share of each expected list that the list found at its place holds."""
    shares = [len(set(a) & set(b)) / len(set(b)) for a, b in zip(found, expected, strict=True) if b]
    return sum(shares) / len(shares) if shares else 1.0


def _module(function: Callable[..., Any]) -> str:
    """Return the name under which another process finds a function's module."""
    if function.__module__ != "__main__":
        return function.__module__
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec is not None else "__main__"


def _main() -> None:
    target, arguments = sys.argv[1:]
    module, _, name = target.partition(":")
    if not module.startswith("evals.bench."):
        raise SystemExit(f"{module} is no benchmark.")
    result = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    print(json.dumps(result))


if __name__ == "__main__":
    _main()
