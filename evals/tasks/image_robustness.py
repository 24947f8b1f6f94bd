"""Robustness: does a film keep its finding when exposure, contrast, sharpness or frame change?

Dataset: the CSV of the task `image`. Solver: each film as it is and under the 24 published corruptions
(`evals.corruptions`), through the same gate and judge that the chat uses. Scorer: AUROC per
corruption and strength, their mean, the lowest, and of all copies in one pool, which also asks that
one threshold serves them all. These are of the classifier's probability whether or not the gate
refused the copy, so that a gate which refuses hard copies can't make them better; how many it refused,
and the mean AUROC of those it let pass, stand beside them. Films of one patient are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import corruptions, metrics
from evals.tasks import _films
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress

if TYPE_CHECKING:
    from assistant.vision.decode import RadiographImage

PLAIN = "plain"
COPIES = (PLAIN, *(change.title for change in corruptions.SET))
Rows = NDArray[np.int64]
Statistic = Callable[[Rows], float | None]


class RobustnessTask(_films.Judging):
    """Labelled films and their corrupted copies against the image judge."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the index and check that every film is there.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        return _films.load(data, limit, self._loaded(), "image_robustness")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield 25 predictions a film, in the order of `COPIES`."""
        label, total = dataset.extra["card"].positive, len(dataset.samples)
        for number, sample in enumerate(dataset.samples, 1):
            (film,) = _films.opened([sample], self.settings)
            base = {key: sample[key] for key in ("file", "patient_id", "truth")}
            for copy, found in zip(COPIES, self._read(film, label), strict=True):
                yield {**base, "copy": copy, **found}
            progress(number, total)

    def _read(self, film: RadiographImage | str, label: str) -> list[dict[str, Any]]:
        """Return what is said of each copy of a film, and its probability past the gate."""
        if isinstance(film, str):
            nothing = {"refused": True, "reason": film, "probability": None, "decision": ""}
            return [nothing] * len(COPIES)
        plain = corruptions.squash(film.pixels)
        copies = [plain, *(change(plain) for change in corruptions.SET)]
        judge = self._loaded()
        found = list(judge.judge_many([replace(film, pixels=copy) for copy in copies]))
        past = [row for row, finding in enumerate(found) if finding.probability is None]
        chances = {row: finding.probability for row, finding in enumerate(found)}
        if past:
            read = judge.reader(label)([copies[row] for row in past])
            chances |= {row: float(chance) for row, chance in zip(past, read, strict=True)}
        return [
            {
                "refused": finding.refused,
                "reason": finding.reason if finding.refused else "",
                "probability": chances[row],
                "decision": finding.decision,
            }
            for row, finding in enumerate(found)
        ]

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients, or films where none are named."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return AUROC of every corruption, their mean, worst and pool, and the gate's refusals."""
        table = Table(predictions)
        statistics: dict[str, Statistic] = {f"auroc_{PLAIN}": table.auroc(0)}
        each = range(1, len(COPIES))
        statistics |= {
            "auroc_mean": table.over(each, np.mean),
            "auroc_worst": table.over(each, np.min),
            "auroc_pooled": table.pooled,
            "auroc_mean_judged": table.over(each, np.mean, judged=True),
            f"refused_{PLAIN}": table.refused_share([0]),
            "refused_mean": table.refused_share(each),
            "turned_over": table.turned_over,
        }
        for copy in each:
            name = COPIES[copy].replace(" ", "_").lower()
            statistics[f"auroc_{name}"] = table.auroc(copy)
            statistics[f"refused_{name}"] = table.refused_share([copy])
        return {name: Figure(statistic, table.units) for name, statistic in statistics.items()}


class Table:
    """Predictions as arrays, a row a film and a column a copy; films that can't be opened are left out.

    Args:
        predictions: as the task writes them, 25 a film.
    """

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        width = len(COPIES)
        films = [predictions[at : at + width] for at in range(0, len(predictions), width)]
        films = [film for film in films if film[0]["probability"] is not None]
        self.truth = np.array([film[0]["truth"] for film in films], dtype=np.bool_)
        shape = (len(films), width)
        self.chances = np.array(
            [[copy["probability"] for copy in film] for film in films], dtype=np.float64
        ).reshape(shape)
        self.refused = np.array(
            [[copy["refused"] for copy in film] for film in films], dtype=np.bool_
        ).reshape(shape)
        self.decisions = np.array(
            [[copy["decision"] for copy in film] for film in films], dtype=object
        ).reshape(shape)
        self.units: list[Hashable] = [f[0]["patient_id"] or f"film {f[0]['file']}" for f in films]

    def auroc(self, copy: int, *, judged: bool = False) -> Statistic:
        """Return the AUROC of one copy as a statistic of films."""

        def figure(rows: Rows) -> float | None:
            kept = rows[~self.refused[rows, copy]] if judged else rows
            return metrics.auroc(self.truth[kept], self.chances[kept, copy])

        return figure

    def over(
        self, copies: Sequence[int], reduce: Callable[..., Any], *, judged: bool = False
    ) -> Statistic:
        """Return a statistic: the copies' AUROC, reduced to one; None where one has none."""
        each = [self.auroc(copy, judged=judged) for copy in copies]

        def figure(rows: Rows) -> float | None:
            found = [statistic(rows) for statistic in each]
            return None if None in found else float(reduce(found))

        return figure

    def pooled(self, rows: Rows) -> float | None:
        """Return the AUROC of all corrupted copies in one pool."""
        truth = np.repeat(self.truth[rows], len(COPIES) - 1)
        return metrics.auroc(truth, self.chances[rows, 1:].ravel())

    def refused_share(self, copies: Sequence[int]) -> Statistic:
        """Return the share of copies that the gate refused, as a statistic."""
        chosen = self.refused[:, list(copies)]
        return lambda rows: float(chosen[rows].mean()) if len(rows) else None

    def turned_over(self, rows: Rows) -> float | None:
        """Return the share of copies that were ruled out where the film was suspected, or turned round.

        Of films and copies that were both decided; abstaining is not turning over.
        """
        known = np.isin(self.decisions[rows], ["suspected", "ruled out"])
        both = known[:, :1] & known[:, 1:]
        other = self.decisions[rows, :1] != self.decisions[rows, 1:]
        return float((both & other).sum() / both.sum()) if both.any() else None


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> RobustnessTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return RobustnessTask(settings, seed)
