"""The figures of judged images: forced calls, points, calibration, abstention, sets and groups.

Predictions in, figures out. A refused image is a wrong call, since nothing was recognised; figures of
probabilities are of the judged images, for a refusal has none. Knows nothing of files or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals import metrics, risk
from evals.types import Figure, Prediction

Rows = NDArray[np.int64]
Statistic = Callable[[Rows], float | None]
RISK = 0.05
# Images of a group, and of each side of it, under which no figure is given.
FEWEST, FEWEST_EACH = 20, 5


class Table:
    """Predictions as arrays.

    Args:
        predictions: as the task writes them; keys that older ones lack are taken as not known.
    """

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        self.refused = np.array([p["refused"] for p in predictions], dtype=np.bool_)
        self.truth = np.array([p["truth"] for p in predictions])
        self.calls = np.array([p["call"] for p in predictions], dtype=object)
        self.right = ~self.refused & np.array(
            [p["call"] == p["truth"] for p in predictions], dtype=np.bool_
        )
        self.chances = np.array([p["probability"] or 0.0 for p in predictions], dtype=np.float64)
        self.sureness = np.array([p.get("sureness") or 0.0 for p in predictions], dtype=np.float64)
        decisions = [p.get("decision") for p in predictions]
        self.decided = any(decisions)
        self.abstained = np.array([d == "uncertain" for d in decisions], dtype=np.bool_)
        self.sets: list[list[str]] = [list(p.get("set") or ()) for p in predictions]
        self.units: list[Hashable] = [p["patient_id"] or f"film {p['file']}" for p in predictions]
        self.groups = [dict(p.get("groups") or {}) for p in predictions]
        self.labels = [str(p.get("label", "")) for p in predictions]
        self.points: list[dict[str, bool]] = [dict(p.get("at") or {}) for p in predictions]
        self.scores: list[dict[str, float]] = [dict(p.get("scores") or {}) for p in predictions]

    def judged(self, statistic: Callable[[Rows], float | None]) -> Statistic:
        """Return a statistic of the judged rows only; None where none is."""

        def figure(rows: Rows) -> float | None:
            kept = rows[~self.refused[rows]]
            return statistic(kept) if len(kept) else None

        return figure


def of_two(table: Table, prevalence: float | None) -> dict[str, Figure]:
    """Return the figures where one label is set against another; truth and calls are booleans."""
    truth = table.truth.astype(np.bool_)
    # A refused film is neither called positive nor negative: count it against its own class.
    called = np.where(table.refused, ~truth, table.calls == True)  # noqa: E712 - an object array
    chances = table.chances
    found: dict[str, Statistic] = {
        "accuracy": lambda rows: metrics.accuracy(truth[rows], called[rows]),
        "balanced_accuracy": lambda rows: metrics.balanced_accuracy(truth[rows], called[rows]),
        "auroc": table.judged(lambda rows: metrics.auroc(truth[rows], chances[rows])),
        "sensitivity": lambda rows: metrics.sensitivity(truth[rows], called[rows]),
        "specificity": lambda rows: metrics.specificity(truth[rows], called[rows]),
        "ece": table.judged(lambda rows: metrics.ece(truth[rows], chances[rows])),
        "brier": table.judged(lambda rows: metrics.brier(truth[rows], chances[rows])),
    }
    for name in dict.fromkeys(name for at in table.points for name in at if name != "balanced"):
        at = np.array([bool(point.get(name)) for point in table.points])
        at = np.where(table.refused, ~truth, at)
        found |= _at_point(name, truth, at, prevalence)
    found |= _groups(table, truth, called)
    return _figures(table, found | _shared(table))


def _at_point(
    name: str, truth: NDArray[np.bool_], called: NDArray[np.bool_], prevalence: float | None
) -> dict[str, Statistic]:
    """Return sensitivity and specificity at a point, and its predictive value at a prevalence."""
    key = name.replace(" ", "_")

    def value(rows: Rows) -> float | None:
        sensitivity = metrics.sensitivity(truth[rows], called[rows])
        specificity = metrics.specificity(truth[rows], called[rows])
        share = float(truth[rows].mean()) if prevalence is None else prevalence
        if sensitivity is None or specificity is None:
            return None
        if name == "rule out":
            right, wrong = specificity * (1 - share), (1 - sensitivity) * share
        else:
            right, wrong = sensitivity * share, (1 - specificity) * (1 - share)
        return right / (right + wrong) if right + wrong > 0 else None

    return {
        f"sensitivity_{key}": lambda rows: metrics.sensitivity(truth[rows], called[rows]),
        f"specificity_{key}": lambda rows: metrics.specificity(truth[rows], called[rows]),
        f"{'npv' if name == 'rule out' else 'ppv'}_{key}": value,
    }


def of_many(table: Table, labels: Sequence[str]) -> dict[str, Figure]:
    """Return the figures of a model of several labels; truth and calls are labels."""
    place = {label: number for number, label in enumerate(labels)}
    truth = np.array([place[str(label)] for label in table.truth], dtype=np.int64)
    called = np.array([place.get(str(call), -1) for call in table.calls], dtype=np.int64)
    called[table.refused] = -1
    chances = np.array([[row.get(name, 0.0) for name in labels] for row in table.scores])
    numbers = range(len(labels))
    hot = np.eye(len(labels))[truth]
    found: dict[str, Statistic] = {
        "accuracy": lambda rows: metrics.accuracy(truth[rows], called[rows]),
        "balanced_accuracy": lambda rows: metrics.mean_recall(truth[rows], called[rows], numbers),
        "macro_f1": lambda rows: metrics.macro_f1(truth[rows], called[rows], numbers),
        "auroc": table.judged(lambda rows: metrics.mean_auroc(truth[rows], chances[rows])),
        "ece": table.judged(
            lambda rows: metrics.ece(truth[rows] == called[rows], chances[rows].max(1))
        ),
        "brier": table.judged(lambda rows: metrics.brier(hot[rows], chances[rows])),
    }
    for number, label in enumerate(labels):
        found[f"recall_{label}"] = _recall(truth, called, number)
    return _figures(table, found | _shared(table))


def _recall(truth: Rows, called: Rows, number: int) -> Statistic:
    return lambda rows: metrics.sensitivity(truth[rows] == number, called[rows] == number)


def _shared(table: Table) -> dict[str, Statistic]:
    """Return what does not depend on the number of labels: refusal, abstention, risk and sets."""
    wrong = ~table.right
    found: dict[str, Statistic] = {"refused": lambda rows: float(table.refused[rows].mean())}
    if table.decided:
        firm = ~table.refused & ~table.abstained
        found["abstained"] = table.judged(lambda rows: float(table.abstained[rows].mean()))
        found["accuracy_not_abstained"] = lambda rows: (
            float(table.right[rows][firm[rows]].mean()) if firm[rows].any() else None
        )
        found["aurc"] = table.judged(lambda rows: risk.aurc(wrong[rows], table.sureness[rows]))
        found["coverage_at_risk_0.05"] = table.judged(
            lambda rows: risk.coverage_at(RISK)(wrong[rows], table.sureness[rows])
        )
    if any(table.sets):
        found |= _sets(table)
    return found


def _sets(table: Table) -> dict[str, Statistic]:
    """Return coverage and size of the prediction sets, and the coverage of each label."""
    held = np.array([label in found for label, found in zip(table.labels, table.sets, strict=True)])
    sizes = np.array([len(found) for found in table.sets], dtype=np.float64)
    found = {
        "set_coverage": table.judged(lambda rows: float(held[rows].mean())),
        "set_size": table.judged(lambda rows: float(sizes[rows].mean())),
    }
    for label in sorted(set(table.labels)):
        mine = np.array([name == label for name in table.labels])
        found[f"set_coverage_{label}"] = _part(held, mine & ~table.refused)
    return found


def _part(values: NDArray[Any], mine: NDArray[np.bool_]) -> Statistic:
    return lambda rows: float(values[rows][mine[rows]].mean()) if mine[rows].any() else None


def _groups(
    table: Table, truth: NDArray[np.bool_], called: NDArray[np.bool_]
) -> dict[str, Statistic]:
    """Return AUROC, sensitivity, specificity and abstention in each group that is large enough."""
    found: dict[str, Statistic] = {}
    names = sorted({(kind, name) for group in table.groups for kind, name in group.items()})
    for kind, name in names:
        mine = np.array([group.get(kind) == name for group in table.groups])
        ill = int(truth[mine].sum())
        if mine.sum() < FEWEST or min(ill, int(mine.sum()) - ill) < FEWEST_EACH:
            continue
        found |= _group(f"{kind} {name}", mine, table, truth, called)
    return found


def _group(
    words: str,
    mine: NDArray[np.bool_],
    table: Table,
    truth: NDArray[np.bool_],
    called: NDArray[np.bool_],
) -> dict[str, Statistic]:
    def within(statistic: Statistic) -> Statistic:
        return lambda rows: statistic(rows[mine[rows]]) if mine[rows].any() else None

    return {
        f"auroc ({words})": within(
            table.judged(lambda rows: metrics.auroc(truth[rows], table.chances[rows]))
        ),
        f"sensitivity ({words})": within(
            lambda rows: metrics.sensitivity(truth[rows], called[rows])
        ),
        f"specificity ({words})": within(
            lambda rows: metrics.specificity(truth[rows], called[rows])
        ),
        f"abstained ({words})": within(
            table.judged(lambda rows: float(table.abstained[rows].mean()))
        ),
    }


def _figures(table: Table, statistics: dict[str, Statistic]) -> dict[str, Figure]:
    return {name: Figure(statistic, table.units) for name, statistic in statistics.items()}
