"""Film and record together: is the estimate better than either alone, and is it a true chance?

Dataset: no open set holds films and records of the same patients, so the built-in one is simulated
from published shares of signs and the classifier's own operating points, once as the estimate takes
them (independent) and thrice as it doesn't. Real pairs are a CSV with truth, decision (suspected,
uncertain, ruled out) and a column a sign (present, absent or empty), optionally patient. Solver: the
same combination as the chat's. Scorer: ranking and truth of the chances of the film alone, the record
alone, both together, and both with signs taken as independent. It says nothing of how well signs are
read from a record, nor of films that read worse than their card says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.comparisons import Contribution
from assistant.settings import Settings
from assistant.types import OperatingPoint
from assistant.vision import fusion, weights
from assistant.vision._signs import PREVALENCE, SIGNS
from evals import metrics, reading
from evals.tasks import _fusion_patients as patients
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

WAYS = ("film", "record", "both", "both_undamped")
_DECISIONS = ("suspected", "uncertain", "ruled out")
_STATES = {"present": True, "absent": False, "": None}


class FusionTask:
    """Estimates from film and record against the truth."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Draw the patients, or read real pairs.

        Args:
            data: a CSV; None simulates.
            limit: patients of each scenario, or rows of the file.

        Raises:
            InputError: naming the line that can't be used.
        """
        if data is None:
            drawn = patients.draw(_points(), self.seed, limit or patients.PATIENTS)
            return Dataset("simulated patients", tuple(drawn), (), "patients")
        rows = reading.table(data, ("truth", "decision"))[:limit]
        samples = tuple(_sample(row, data) for row in rows)
        return Dataset(data.name, samples, (data,), "patients")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield each patient's chances, by each way of telling them."""
        points = _points()
        films = {name: _film(points, name) for name in _DECISIONS}
        total = len(dataset.samples)
        for number, sample in enumerate(dataset.samples, 1):
            signs, film = _signs(sample["signs"]), films[sample["decision"]]
            damped = fusion.damped(signs, fusion.SHRINK)
            yield {
                **{key: sample[key] for key in ("scenario", "patient", "truth", "decision")},
                "film": _chance([film]),
                "record": _chance(damped),
                "both": _chance([film, *fusion.beside(film, damped)]),
                "both_undamped": _chance([film, *signs]),
            }
            if number % 500 == 0 or number == total:
                progress(number, total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return AUROC, Brier score and calibration error of each way, for each scenario apart."""
        truth = np.array([p["truth"] for p in predictions], dtype=np.bool_)
        scenario = np.array([p["scenario"] for p in predictions])
        units: list[Hashable] = [p["patient"] for p in predictions]
        out: dict[str, Figure] = {}
        for name in dict.fromkeys(scenario.tolist()):
            own = scenario == name
            for way in WAYS:
                chances = np.array([p[way] for p in predictions], dtype=np.float64)
                for metric, of in (
                    ("auroc", metrics.auroc), ("brier", metrics.brier), ("ece", metrics.ece),
                ):  # fmt: skip
                    out[f"{name}_{way}_{metric}"] = Figure(_within(own, of, truth, chances), units)
        return out

    def weights(self) -> Sequence[Path]:
        """Return the classifier's weights, whose card gives the operating points."""
        return tuple(sorted((weights.SHIPPED / "pneumonia").glob("*.safetensors")))


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> FusionTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return FusionTask(settings, seed)


def _within(
    own: NDArray[np.bool_],
    of: Callable[..., float | None],
    truth: NDArray[np.bool_],
    chances: NDArray[np.float64],
) -> Callable[[NDArray[np.int64]], float | None]:
    def statistic(rows: NDArray[np.int64]) -> float | None:
        kept = rows[own[rows]]
        return of(truth[kept], chances[kept]) if len(kept) else None

    return statistic


def _points() -> tuple[OperatingPoint, ...]:
    card = weights.read_card(weights.SHIPPED / "pneumonia")
    return tuple(
        OperatingPoint(
            point["name"],
            float(point["threshold"]),
            float(point["sensitivity"]),
            float(point["specificity"]),
            str(point["measured_on"]),
        )
        for point in card["operating_points"]
    )


def _film(points: Sequence[OperatingPoint], decided: str) -> Contribution:
    ratio, low, high = fusion.film_ratio(points, decided)
    return Contribution("chest film", "image", decided, ratio, low, high, 1.0, "card")


def _signs(told: dict[str, bool]) -> list[Contribution]:
    out = []
    for name, shown in told.items():
        sign = SIGNS[patients.GROUP][name]
        ratio = sign.present if shown else sign.absent
        if ratio is not None:
            out.append(
                Contribution(
                    name, "record", "", ratio.value, ratio.low, ratio.high, 1.0, ratio.source
                )
            )
    return out


def _chance(parts: Sequence[Contribution]) -> float:
    share, source = PREVALENCE[patients.GROUP]
    odds = share / (1 - share)
    prior = Contribution("prior", "prior", "", odds, odds, odds, 1.0, source)
    return fusion.combine([prior, *parts])[0]


def _sample(row: dict[str, str], path: Path) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    truth, decision = row["truth"].strip().lower(), row["decision"].strip().lower()
    if truth not in ("0", "1", "true", "false"):
        raise InputError(f"{where}: truth is {row['truth']!r}: write 1 for pneumonia or 0.")
    if decision not in _DECISIONS:
        raise InputError(f"{where}: decision is {decision!r}: use one of {', '.join(_DECISIONS)}.")
    signs: dict[str, bool] = {}
    for name in SIGNS[patients.GROUP]:
        state = row.get(name, "").strip().lower()
        if state not in _STATES:
            raise InputError(f"{where}: {name} is {state!r}: write present, absent or nothing.")
        told = _STATES[state]
        if told is not None:
            signs[name] = told
    return {
        "scenario": "pairs",
        "patient": row.get("patient", "") or f"line {row['_line']}",
        "truth": truth in ("1", "true"),
        "decision": decision,
        "signs": signs,
    }
