"""Images: does the film classifier tell pneumonia from normal, and are its probabilities true?

Dataset: a CSV with file, label and optionally patient_id; files lie relative to the CSV. Solver: the
same intake, gate and judge that the chat uses. Scorer: a refused film counts as a wrong call in
accuracy, sensitivity and specificity, since nothing was recognised; AUROC and the calibration error
are of the judged films, for a refusal has no probability. Films of one patient are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.types import Finding
    from assistant.vision.judge import ImageJudge

BATCH = 16
# What the data may call a film, and whether it shows pneumonia.
LABELS = {
    "normal": False,
    "pneumonia": True,
    "bacteria": True,
    "bacterial": True,
    "virus": True,
    "viral": True,
    "pneumonia_bacteria": True,
    "pneumonia_virus": True,
    "bacterial pneumonia": True,
    "viral pneumonia": True,
}
SAMPLES = "samples"


class ImageTask:
    """Labelled films against the image judge."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the index and check that every film is there.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        path = data or _built_in()
        rows = reading.table(path, ("file", "label"))[:limit]
        samples = tuple(_sample(row, path) for row in rows)
        name = path.name if data else "built-in synthetic films"
        unit = "patients" if rows and "patient_id" in rows[0] else "films"
        files = (path, *(sample["path"] for sample in samples))
        return Dataset(name, samples, files, unit)

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield each film's probability and call, or the reason why it was refused."""
        from assistant.vision.judge import ImageJudge

        judge = ImageJudge(self.settings)
        total = len(dataset.samples)
        for at in range(0, total, BATCH):
            part = dataset.samples[at : at + BATCH]
            for sample, found in zip(part, _judge(judge, part, self.settings), strict=True):
                yield _prediction(sample, found)
            progress(min(at + BATCH, total), total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients, or films where none are named."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return what the calls and the probabilities of the films that were not refused give."""
        truth = np.array([p["truth"] for p in predictions], dtype=np.bool_)
        refused = np.array([p["refused"] for p in predictions], dtype=np.bool_)
        scores = np.array([p["probability"] or 0.0 for p in predictions], dtype=np.float64)
        # A refused film is neither called positive nor negative: count it against its own class.
        called = np.where(refused, ~truth, np.array([bool(p["call"]) for p in predictions]))
        units: list[Hashable] = [p["patient_id"] or f"film {p['file']}" for p in predictions]

        def judged(of: Callable[..., float | None]) -> Callable[[NDArray[np.int64]], float | None]:
            def figure(rows: NDArray[np.int64]) -> float | None:
                kept = rows[~refused[rows]]
                return of(truth[kept], scores[kept]) if len(kept) else None

            return figure

        def of_calls(of: Callable[..., float | None]) -> Callable[[NDArray[np.int64]], Any]:
            return lambda rows: of(truth[rows], called[rows])

        statistics: dict[str, Callable[[NDArray[np.int64]], float | None]] = {
            "accuracy": of_calls(metrics.accuracy),
            "balanced_accuracy": of_calls(metrics.balanced_accuracy),
            "auroc": judged(metrics.auroc),
            "sensitivity": of_calls(metrics.sensitivity),
            "specificity": of_calls(metrics.specificity),
            "ece": judged(metrics.ece),
            "refused": lambda rows: float(refused[rows].mean()),
        }
        return {name: Figure(statistic, units) for name, statistic in statistics.items()}

    def weights(self) -> Sequence[Path]:
        """Return the files of the classifier and of the input gate."""
        from assistant.vision.weights import SHIPPED

        return tuple(
            path
            for part in ("pneumonia", "film_gate")
            for path in sorted((SHIPPED / part).glob("*.safetensors"))
        )


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> ImageTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return ImageTask(settings, seed)


def _built_in() -> Path:
    from assistant import vision

    return Path(vision.__file__).parent / SAMPLES / "index.csv"


def _sample(row: dict[str, str], path: Path) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    label = row["label"].strip().lower()
    if label not in LABELS:
        raise InputError(f"{where}: the label {row['label']!r} is neither NORMAL nor PNEUMONIA.")
    film = path.parent / row["file"]
    if not film.is_file():
        raise InputError(f"{where}: there is no image {film}: mend the path, or add the file.")
    return {
        "file": row["file"],
        "path": film,
        "truth": LABELS[label],
        "patient_id": row.get("patient_id", ""),
    }


def _judge(
    judge: ImageJudge, samples: Sequence[dict[str, Any]], settings: Settings
) -> list[Finding | str]:
    """Return a finding a sample, or the reason why a file could not be opened as a film."""
    from assistant.errors import AttachmentError
    from assistant.intake import accept_file
    from assistant.vision.decode import decode

    out: list[Finding | str] = []
    rows, films, names = [], [], []
    for number, sample in enumerate(samples):
        out.append("")
        try:
            attachment = accept_file(sample["path"], settings, number + 1)
            films.append(decode(attachment, settings))
        except AttachmentError as error:
            out[number] = str(error)
            continue
        rows.append(number)
        names.append(attachment.name)
    for number, found in zip(rows, judge.judge_many(films, names), strict=True):
        out[number] = found
    return out


def _prediction(sample: dict[str, Any], found: Finding | str) -> Prediction:
    base: Prediction = {key: sample[key] for key in ("file", "patient_id", "truth")}
    if isinstance(found, str):
        return {**base, "refused": True, "reason": found, "probability": None, "call": None}
    point = found.operating_point
    call = None
    if found.probability is not None and point is not None:
        call = found.probability >= point.threshold
    return {
        **base,
        "refused": found.refused or call is None,
        "reason": found.reason,
        "probability": found.probability,
        "call": call,
    }
