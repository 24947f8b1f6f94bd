"""`auscult promote`: judges an adapter against what serves, and lets it serve if it is better."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from assistant.settings import Settings
    from evals.compare import Comparison
    from finetune.gate import Asked, Decision, Evaluate

REFUSED = 3


def run(
    config: Path | None,
    adapter: Path,
    *,
    recipe: Path | None,
    force: bool,
    as_json: bool,
    limit: int | None,
) -> int:
    """Judge an adapter, print the table, and return 0 if it serves now, 3 if it was refused.

    Raises:
        AuscultError: if the adapter can't be judged at all.
    """
    from assistant import settings
    from finetune import gate

    loaded, _ = settings.load(config)
    decision = gate.judge(
        adapter, loaded, evaluator(loaded), recipe=recipe, force=force, limit=limit
    )
    if as_json:
        sys.stdout.write(json.dumps(decision.to_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        _print(decision, loaded)
    return 0 if decision.promoted else REFUSED


def evaluator(settings: Settings) -> Evaluate:
    """Return the function that runs an evaluation for the gate by these settings."""
    from evals import compare
    from evals.types import Arm

    def evaluate(asked: Asked) -> Comparison:
        return compare.compare(
            compare.Asked(
                asked.task, asked.metrics, asked.data, asked.limit, asked.seed, asked.rounds
            ),
            Arm({asked.slot: asked.base}),
            Arm({asked.slot: asked.adapter}),
            settings,
        )

    return evaluate


def _print(decision: Decision, settings: Settings) -> None:
    from ui import render

    console = render.console()
    console.print(_table(decision))
    notes = dict.fromkeys(f"{row.task}: {row.note}" for row in decision.rows if row.note)
    folder = settings.state_dir / "adapters" / decision.file
    for line in (*notes, f"Intervals, digests and versions are in {folder}."):
        console.print(render.plain_text(line, "dim"))
    console.print(render.plain_text(decision.sentence()))


def _table(decision: Decision) -> Table:
    """Return a line for each metric; the arms' own intervals are left to the written decision."""
    from finetune import _gate_write as paper
    from ui import render

    shown = [n for n in paper.ARMS if any(n in (row.arms or {}) for row in decision.rows)]
    head = ("task", "metric", "samples", *shown, "difference (95%)", "outcome")
    rows = [
        (
            row.task,
            row.metric + (" (safety)" if row.safety else ""),
            f"{row.n} {row.unit}" if row.n else "-",
            *(paper.value((row.arms or {}).get(name)) for name in shown),
            paper.cell(row.difference, signed=True),
            row.outcome,
        )
        for row in decision.rows
    ]
    return render.table(head, rows)
