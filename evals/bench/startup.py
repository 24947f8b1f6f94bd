"""How long a cold command takes: `auscult --help`, and the first and the second `auscult ask`.

    python -m evals.bench.startup --rounds 5 --out startup.json

Every run is a child process of its own, timed from its start to its end, with its peak memory. The
first `ask` gets an empty state folder and builds the index; the second finds the index there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.bench import _table

QUESTION = "How is gout treated?"


@dataclass(frozen=True, slots=True)
class Run:
    """One child process: wall-clock seconds and peak resident memory in MB (10^6 bytes)."""

    seconds: float
    memory_mb: float


def command() -> list[str]:
    """Return how this installation's `auscult` is started."""
    installed = Path(sys.executable).parent / "auscult"
    return [str(installed)] if installed.is_file() else [sys.executable, "-m", "ui.cli"]


def timed(arguments: Sequence[str], state: Path) -> Run:
    """Run `auscult` once to its end.

    Raises:
        SystemExit: if it fails, with what it said.
    """
    environment = os.environ | {"AUSCULT_STATE_DIR": str(state)}
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = subprocess.Popen(  # noqa: S603 - our own command
            [*command(), *arguments], stdout=subprocess.DEVNULL, stderr=said, env=environment
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            message = said.read().decode("utf-8", "replace").strip()
            raise SystemExit(f"auscult {' '.join(arguments)} failed: {message}")
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024
    return Run(seconds, usage.ru_maxrss / scale)


def measure(rounds: int, first_rounds: int) -> dict[str, _table.Figure]:
    """Return the figures of all commands.

    Args:
        rounds: runs of `--help` and of the second `ask`.
        first_rounds: runs of the first `ask`, each over an empty folder.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed(["--help"], folder)  # brings the interpreter's own files into the page cache
        runs = {"--help": [timed(["--help"], folder) for _ in range(rounds)]}
        runs["ask, first start"] = [
            timed(["ask", QUESTION, "--json"], folder / f"state{number}")
            for number in range(first_rounds)
        ]
        runs["ask, second start"] = [
            timed(["ask", QUESTION, "--json"], folder / "state0") for _ in range(rounds)
        ]
    figures = {}
    for key, found in runs.items():
        figures[f"{key}: time"] = _table.figure([run.seconds for run in found], "s")
        figures[f"{key}: memory"] = _table.figure([run.memory_mb for run in found], "MB")
    return figures


def main() -> None:
    """Measure and print."""
    parser = _table.parser((__doc__ or "").partition("\n")[0], rounds=5)
    parser.add_argument("--first-rounds", type=int, default=2, help="runs of the first ask (2)")
    given = parser.parse_args()
    if given.quick:
        given.rounds = given.first_rounds = 1
    before = _table.machine()
    figures = measure(given.rounds, max(1, given.first_rounds))
    _table.publish("startup", figures, before, given.out)


if __name__ == "__main__":
    main()
