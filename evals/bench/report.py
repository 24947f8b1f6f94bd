"""Writes the figures of a run into the page on performance, so that none is typed by hand.

    python -m evals.bench.report runs/bench --page docs/performance.md

In the page a table stands between `<!-- figures: NAME -->` and `<!-- end -->`, NAME being the
benchmark whose JSON file gives it. A block whose file is missing is left as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieval import files

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SIZED = re.compile(r"([\d,]+): (.+)")


def fill(page: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with the blocks of these results written anew.

    Args:
        page: Markdown.
        results: what the benchmarks wrote, by name.
    """

    def block(found: re.Match[str]) -> str:
        name = found[2]
        if name not in results:
            return found[0]
        return f"{found[1]}{table(results[name])}\n{found[3]}"

    return _BLOCK.sub(block, page)


def table(result: Mapping[str, Any]) -> str:
    """Return a benchmark's figures as Markdown: a line on the machine, then a table."""
    kinds = {"growth": _growth, "plan": _plan}
    lines = kinds.get(result["benchmark"], _plain)(result)
    if "machine" in result:
        lines = [_machine(result), "", *lines]
    return "\n".join(lines)


def number(value: float) -> str:
    """Return a figure with three significant digits and thousands told apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    # The cosines of two encoders differ in the fourth digit and beyond.
    return f"{value:.5f}" if 0.99 <= value < 1 else f"{value:.3g}"


def _machine(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    used = machine["versions"]
    versions = ", ".join(f"{k} {v}" for k, v in used.items() if v != "not installed")
    facts = "; ".join(
        f"{k}: {number(v) if isinstance(v, float) else v}"
        for k, v in result.get("facts", {}).items()
        if not isinstance(v, Mapping)
    )
    load = f"load {machine['load_average']} before, {result['after']['load_average']} after"
    words = [f"{machine['cpu']}, {machine['cores']} cores, {load}.", f"{versions}."]
    return " ".join([*words, f"{facts[:1].upper()}{facts[1:]}."] if facts else words)


def _plain(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "| figure | median | smallest | largest | unit | aim |",
        "|---|--:|--:|--:|---|---|",
    ]
    for name, value in result["figures"].items():
        numbers = " | ".join(number(value[key]) for key in ("median", "low", "high"))
        lines.append(f"| {name} | {numbers} | {value['unit']} | {_aim(result, name)} |")
    return lines


def _aim(result: Mapping[str, Any], name: str) -> str:
    aim = result.get("targets", {}).get(name)
    return f"{aim['aim']}: {'met' if aim['met'] else '**not met**'}" if aim else ""


def _growth(result: Mapping[str, Any]) -> list[str]:
    sizes: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    rest = {}
    for name, value in result["figures"].items():
        found = _SIZED.fullmatch(name)
        if found is None:
            rest[name] = value
            continue
        size, what = found.groups()
        if size not in sizes:
            sizes.append(size)
        missed = not result["targets"].get(name, {"met": True})["met"]
        text = number(value["median"])
        key = f"{what} ({value['unit']})"
        rows.setdefault(key, {})[size] = f"**{text}** (not met)" if missed else text
    lines = [f"| passages | {' | '.join(sizes)} |", "|---|" + "--:|" * len(sizes)]
    lines += [
        f"| {name} | {' | '.join(cells.get(size, '') for size in sizes)} |"
        for name, cells in rows.items()
    ]
    return [*lines, "", *_plain({**result, "figures": rest})]


def _plan(result: Mapping[str, Any]) -> list[str]:
    lines = []
    for title in ("measured", "assumed", "plan"):
        lines += [f"| {title} | |", "|---|--:|"]
        lines += [f"| {_words(name)} | {_cell(value)} |" for name, value in result[title].items()]
        lines.append("")
    return lines[:-1]


def _words(name: str) -> str:
    units = {"gb": "GB", "mb": "MB", "ms": "ms", "us": "µs", "cpu": "CPU", "gpu": "GPU"}
    return " ".join(units.get(word, word) for word in name.split("_"))


def _cell(value: float | Sequence[float]) -> str:
    if isinstance(value, int | float):
        return number(value)
    at, slope = value
    return f"{number(at)} + {number(slope * 1e6)} a million passages"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where 'evals.bench.all' wrote its JSON files")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"Markdown page ({PAGE})")
    given = parser.parse_args()
    results = {}
    for path in sorted(given.folder.glob("*.json")):
        value = json.loads(path.read_text(encoding="utf-8"))
        if "benchmark" in value:
            results[value["benchmark"]] = value
    if not results:
        raise SystemExit(f"{given.folder} holds no figures: run 'python -m evals.bench.all' first.")
    files.write_text(given.page, fill(given.page.read_text(encoding="utf-8"), results))
    print(f"{given.page}: {', '.join(results)}")


if __name__ == "__main__":
    main()
