"""Every benchmark of the library, one after the other, each in a process of its own.

    python -m evals.bench.all --out runs/bench            # 200,000 passages, growth to a million
    python -m evals.bench.all --out runs/bench --quick    # tiny, to see that all of it runs

A part whose JSON file is in the folder already is skipped, so that an interrupted run goes on; with
--again, or a file removed, it is measured anew. `evals.bench.report` writes the tables from the folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from evals.bench import _corpus

# Every part and the options that are its own; `plan` needs what two others wrote.
PARTS: dict[str, tuple[str, ...]] = {
    "encoding": (),
    "rerank": (),
    "lexical": ("--cache", "--count"),
    "hybrid": ("--cache", "--count"),
    "store": ("--cache", "--count"),
    "growth": ("--cache", "--sizes"),
    "startup": (),
    "image": (),
    "plan": (),
}


def command(part: str, given: argparse.Namespace) -> list[str]:
    """Return the command line of a part."""
    line = [sys.executable, "-m", f"evals.bench.{part}", "--out", str(given.out / f"{part}.json")]
    if part == "plan":
        for name in ("growth", "encoding"):
            line += [f"--{name}", str(given.out / f"{name}.json")]
        return line
    if given.quick:
        line.append("--quick")
    for option in PARTS[part]:
        value = getattr(given, option.removeprefix("--"))
        if value is not None:
            line += [option, str(value)]
    return line


def run(parts: Sequence[str], given: argparse.Namespace) -> list[str]:
    """Run parts in order; the names of those that failed. A part that is there is skipped."""
    failed = []
    for part in parts:
        path = given.out / f"{part}.json"
        if path.is_file() and not given.again:
            print(f"{part}: {path} is there; skipped", flush=True)
            continue
        if given.again:
            for old in given.out.glob(f"{part}*.json"):
                old.unlink()
        began = time.perf_counter()
        done = subprocess.run(command(part, given), check=False)  # noqa: S603 - our own command
        if done.returncode:
            failed.append(part)
        print(f"{part}: {time.perf_counter() - began:.0f} s\n", flush=True)
    return failed


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the JSON files")
    parser.add_argument("--cache", type=Path, default=_corpus.CACHE, help="texts and indexes")
    parser.add_argument("--count", type=int, help="passages of the comparisons (200000)")
    parser.add_argument("--sizes", help="sizes of the growth (10,000 to 1,000,000)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="these parts alone")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    given = parser.parse_args()
    failed = run(given.only or list(PARTS), given)
    if failed:
        raise SystemExit(f"These parts failed: {', '.join(failed)}; the others are in {given.out}.")


if __name__ == "__main__":
    main()
