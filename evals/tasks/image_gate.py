"""The input gate: does it refuse what is no frontal chest film, and let the films pass?

Dataset: a CSV with file and either kind (one of the gate's kinds) or label (chest: yes or no), and
optionally patient_id or group; files lie relative to the CSV. Solver: the same intake, decoder and
gate that the chat uses. Scorer: the share of films and of other pictures refused, and of each kind;
a file that can't be opened as a picture counts as refused, for nothing of it is judged. Pictures of
one patient or group are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

BATCH = 32
FILM = "film"
# What the column `label` may say, and the kind that it means; "" is any kind but a film.
LABELS = {"yes": FILM, "chest": FILM, "1": FILM, "true": FILM, "no": "", "0": "", "false": ""}


class GateTask:
    """Pictures of known kinds against the input gate."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the index and check that every picture is there.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            return _built_in(limit)
        rows = reading.table(data, ("file",))[:limit]
        samples = tuple(_sample(row, data) for row in rows)
        files = (data, *(sample["path"] for sample in samples))
        unit = "patients or groups" if any(s["group"] for s in samples) else "pictures"
        return Dataset(data.name, samples, files, unit)

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield for each picture what the gate saw, and whether it refused."""
        from assistant.vision import weights
        from assistant.vision.gate import Gate

        gate = Gate(weights.SHIPPED / "film_gate")
        total = len(dataset.samples)
        for at in range(0, total, BATCH):
            part = dataset.samples[at : at + BATCH]
            found = [_decoded(sample, self.settings) for sample in part]
            screened = iter(gate.screen_many([one for one in found if not isinstance(one, str)]))
            for sample, one in zip(part, found, strict=True):
                yield _prediction(sample, one if isinstance(one, str) else next(screened))
            progress(min(at + BATCH, total), total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients or groups, or pictures where none are named."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return the shares refused, by kind, and of kinds and corrections told right."""
        kinds = np.array([p["truth"] for p in predictions])
        refused = np.array([p["refused"] for p in predictions], dtype=np.float64)
        right = np.array([p["kind"] == p["truth"] for p in predictions], dtype=np.float64)
        warned = np.array([bool(p["warnings"]) for p in predictions], dtype=np.float64)
        units: list[Hashable] = [p["group"] or f"picture {p['file']}" for p in predictions]

        def share(
            values: NDArray[np.float64], among: NDArray[np.bool_]
        ) -> Callable[[NDArray[np.int64]], float | None]:
            def figure(rows: NDArray[np.int64]) -> float | None:
                kept = rows[among[rows]]
                return float(values[kept].mean()) if len(kept) else None

            return figure

        films = kinds == FILM
        named = kinds != ""
        statistics = {
            "refused_films": share(refused, films),
            "refused_others": share(refused, ~films),
            "films_warned": share(warned, films & (refused == 0)),
            "kind_right": share(right, named),
        }
        for kind in sorted(set(kinds[named & ~films])):
            statistics[f"refused_{kind}"] = share(refused, kinds == kind)
        return {name: Figure(statistic, units) for name, statistic in statistics.items()}

    def weights(self) -> Sequence[Path]:
        """Return the gate's file."""
        from assistant.vision.weights import SHIPPED

        return tuple(sorted((SHIPPED / "film_gate").glob("*.safetensors")))


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> GateTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return GateTask(settings, seed)


def _built_in(limit: int | None) -> Dataset:
    from evals.tasks import _films, _gate_pictures

    index = _films.built_in()
    films: list[dict[str, Any]] = [
        {"file": row["file"], "path": index.parent / row["file"], "truth": FILM, "group": ""}
        for row in reading.table(index, ("file",))
    ]
    others: list[dict[str, Any]] = [
        {"file": name, "pixels": pixels, "truth": kind, "group": ""}
        for name, kind, pixels in _gate_pictures.drawn(seed=11)
    ]
    samples = tuple([*films, *others][:limit])
    return Dataset("built-in synthetic films and drawings", samples, (index,), "pictures")


def _sample(row: dict[str, str], path: Path) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    picture = path.parent / row["file"]
    if not picture.is_file():
        raise InputError(f"{where}: there is no image {picture}: mend the path, or add the file.")
    group = row.get("patient_id") or row.get("group") or ""
    return {"file": row["file"], "path": picture, "truth": _kind(row, where), "group": group}


def _kind(row: dict[str, str], where: str) -> str:
    from assistant.vision.gate import KINDS

    if "kind" in row:
        kind = row["kind"].strip().lower()
        if kind in KINDS:
            return kind
        raise InputError(f"{where}: the kind {kind!r} is none of {', '.join(KINDS)}.")
    if "label" not in row:
        raise InputError(f"{where}: give a column kind ({', '.join(KINDS)}) or label (yes, no).")
    label = row["label"].strip().lower()
    if label not in LABELS:
        raise InputError(f"{where}: the label {label!r} is neither yes (a chest film) nor no.")
    return LABELS[label]


def _decoded(sample: dict[str, Any], settings: Settings) -> Any:
    """Return the decoded picture, or the reason why it can't be opened as one."""
    from assistant.errors import AttachmentError
    from assistant.intake import accept_file
    from assistant.vision.decode import RadiographImage, decode

    if "pixels" in sample:
        return RadiographImage(sample["pixels"], "png")
    try:
        return decode(accept_file(sample["path"], settings), settings)
    except AttachmentError as error:
        return str(error)


def _prediction(sample: dict[str, Any], found: Any) -> Prediction:
    base: Prediction = {key: sample[key] for key in ("file", "group", "truth")}
    if isinstance(found, str):
        return {**base, "refused": True, "reason": found, "kind": None, "warnings": []}
    report = found.report.to_json()
    return {**base, "refused": not found.passed, "reason": found.reason, **report}
