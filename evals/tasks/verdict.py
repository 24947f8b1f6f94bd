"""Verdict: is a yes/no question answered rightly from an abstract without its conclusion?

Dataset: JSON lines with question, contexts = [[section, text], ...] and final_decision (yes, no or
maybe), as PubMedQA's; pmid is the unit where given. Solver: the `verdict` adapter, which sees the
question and the contexts, never the conclusion. Scorer: accuracy and macro-F1 over the three answers;
it refuses rows whose decision is none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.settings import Settings
from evals import reading
from evals.tasks import _pairs_own
from evals.tasks._classes import ClassesTask
from evals.types import Arm, Dataset
from retrieval.errors import InputError

LABELS = ("yes", "no", "maybe")


class VerdictTask(ClassesTask):
    """Questions with abstracts against the verdict adapter."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the questions and check each row.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            rows: list[dict[str, Any]] = _pairs_own.verdicts()
            where = "built-in questions"
            files: tuple[Path, ...] = ()
        else:
            rows = reading.json_lines(
                data, {"question": str, "contexts": list, "final_decision": str}
            )
            where, files = str(data), (data,)
        samples = tuple(_sample(row, where) for row in rows[:limit])
        return Dataset(data.name if data else where, samples, files, "documents")


def _sample(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    from retrieval import _claims

    place = f"{where} line {row['_line']}"
    sections = row["contexts"]
    well = sections and all(
        isinstance(s, list) and len(s) == 2 and all(isinstance(part, str) for part in s)
        for s in sections
    )
    if not well:
        raise InputError(f"{place}: contexts is no list of [section, text] pairs: mend it.")
    label = row["final_decision"].lower()
    if label not in LABELS:
        raise InputError(
            f"{place}: final_decision is {row['final_decision']!r}, not one of "
            f"{', '.join(LABELS)}: mend it."
        )
    unit = str(row.get("pmid", row["_line"]))
    return {
        "id": unit,
        "unit": unit,
        "first": row["question"],
        "second": _claims.labelled(sections),
        "label": label,
    }


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> VerdictTask:
    """Return the task."""
    return VerdictTask(settings, seed, arm or Arm(), "verdict", LABELS)
