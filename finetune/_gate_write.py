"""A decision on disk: `decision.json` for programs, `decision.md` for people, in a folder of its own.

The folder appears whole. Knows nothing of how the decision was come to.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from assistant.errors import InputError
from finetune._gate_types import Decision, Row
from retrieval import files

ARMS = ("base", "adapter", "base + retrieval", "adapter + retrieval")
_LIBRARIES = ("auscult", "torch", "transformers", "peft", "numpy", "faiss-cpu", "tokenizers")


def write(decision: Decision, folder: Path) -> None:
    """Write a decision into a new folder.

    Raises:
        InputError: if it can't be written; nothing is left behind.
    """
    try:
        with files.atomic_folder(folder) as aside:
            text = json.dumps(decision.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
            (aside / "decision.json").write_text(text + "\n", encoding="utf-8")
            (aside / "decision.md").write_text(markdown(decision), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The decision can't be written to {folder} ({error.strerror or error}): make room or "
            "give it write permission; nothing was promoted."
        ) from error


def place(root: Path, when: str, slot: str) -> Path:
    """Return a folder for a decision that does not exist yet: its time, and its slot."""
    stem = re.sub(r"[^0-9T]", "", when.partition("+")[0])
    for number in range(1, 1000):
        folder = root / "decisions" / f"{stem}-{slot}{f'-{number}' if number > 1 else ''}"
        if not folder.exists():
            return folder
    raise InputError(f"{root}/decisions holds a thousand decisions of one second: clear it.")


def environment() -> dict[str, str]:
    """Return the versions of what computed."""
    out = {"python": platform.python_version(), "system": platform.platform()}
    for name in _LIBRARIES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def value(found: Mapping[str, float | None] | None) -> str:
    """Return a value as text; "-" where there is none."""
    return "-" if found is None or found["value"] is None else f"{found['value']:.3f}"


def cell(found: Mapping[str, float | None] | None, *, signed: bool = False) -> str:
    """Return a value with its interval as text; "-" where there is none."""
    if found is None or found["value"] is None:
        return "-"
    form = "+.3f" if signed else ".3f"
    value, low, high = (format(found[k] or 0.0, form) for k in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def markdown(decision: Decision) -> str:
    """Return a decision as a page of Markdown."""
    lines = [
        f"# {decision.adapter['name']} for {decision.slot}: {verdict(decision)}",
        "",
        decision.sentence(),
        "",
        f"- judged: {decision.when} by {decision.who}, in {decision.seconds:.0f} s",
        f"- adapter: {decision.adapter['folder']}, digest {decision.adapter['digest'][:16]}",
        f"- base (what served): {decision.base['name']}",
        "",
        "Values with 95% bootstrap intervals; differences are adapter minus base on the same samples "
        f"({decision.gate['rounds']:,} paired resamples, seed {decision.gate['seed']}). Where a task "
        "has arms with retrieval, these decide.",
        "",
        "| " + " | ".join(("task", "metric", "samples", *ARMS, "difference", "outcome")) + " |",
        "|" + "---|" * (5 + len(ARMS)),
        *(_line(row) for row in decision.rows),
        "",
    ]
    notes = dict.fromkeys(f"{row.task}: {row.note}" for row in decision.rows if row.note)
    lines += [*(f"- {note}" for note in notes), ""] if notes else []
    for title, pairs in (("Digests", decision.digests), ("Versions", decision.environment)):
        lines += [f"## {title}", "", *(f"- {name}: {value}" for name, value in pairs.items()), ""]
    return "\n".join(lines)


def verdict(decision: Decision) -> str:
    """Return the decision in a word or two."""
    if decision.accepted:
        return "promoted"
    return "promoted by force" if decision.promoted else "refused"


def _line(row: Row) -> str:
    arms = row.arms or {}
    cells = (
        row.task,
        row.metric + (" (safety)" if row.safety else ""),
        f"{row.n} {row.unit}" if row.n else "-",
        *(cell(arms.get(name)) for name in ARMS),
        cell(row.difference, signed=True),
        row.outcome,
    )
    return "| " + " | ".join(cells) + " |"
