"""Images: does the classifier tell its labels apart, are its probabilities true, does it know its limits?

Dataset: a CSV with file, label (or label_nih) and optionally patient_id, age, sex and view; files lie
relative to the CSV, and the first classifier in use that knows every label is the one measured.
Solver: the same intake, gate and judge that the chat uses. Scorer: accuracy and balanced accuracy are
of a forced call, at the card's balanced point for two labels and of the likeliest for more; what the
tool does where it may abstain stands beside them. A refused image counts as a wrong call, since
nothing was recognised; AUROC and calibration are of the judged ones, for a refusal has no
probability. Images of one patient are drawn together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.settings import Settings
from evals import metrics, risk
from evals.tasks import _films, _image_data, _image_figures
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.types import Finding
    from assistant.vision.classifiers import Card
    from assistant.vision.judge import ImageJudge

BATCH = 32


class ImageTask(_films.Judging):
    """Labelled images against the image judge."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the index and check that every image is there.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        path = data or _films.built_in()
        if not path.is_file():
            raise InputError(f"There is no file {path}: give the path of an existing file.")
        samples, card = _image_data.read(path, self._loaded().cards, limit)
        name = path.name if data else "built-in synthetic films"
        unit = "patients" if samples[0]["patient_id"] else "films"
        files = (path, *(sample["path"] for sample in samples))
        return Dataset(name, tuple(samples), files, unit, {"card": card})

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield each image's probability and call, or the reason why it was refused."""
        judge, card, total = self._loaded(), dataset.extra["card"], len(dataset.samples)
        for at in range(0, total, BATCH):
            part = dataset.samples[at : at + BATCH]
            for sample, found in zip(part, _judged(judge, part, self.settings), strict=True):
                yield _prediction(sample, found, card)
            progress(min(at + BATCH, total), total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients, or images where none are named."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return what the calls and the probabilities of the images give."""
        table = _image_figures.Table(predictions)
        if all(isinstance(p["truth"], bool) for p in predictions):
            return _image_figures.of_two(table, self.settings.prevalence)
        labels = sorted({label for p in predictions for label in p.get("scores") or {}})
        labels += sorted({p["truth"] for p in predictions} - set(labels))
        return _image_figures.of_many(table, labels)

    def curves(self, predictions: Sequence[Prediction]) -> dict[str, dict[str, list[float]]]:
        """Return the risk-coverage curve of the forced calls on the judged images."""
        judged = [p for p in predictions if not p["refused"]]
        wrong = [p["call"] != p["truth"] for p in judged]
        return {"Risk and coverage": risk.thinned(wrong, [p["sureness"] for p in judged])}


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> ImageTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return ImageTask(settings, seed)


def _judged(
    judge: ImageJudge, samples: Sequence[dict[str, Any]], settings: Settings
) -> list[Finding | str]:
    """Return a finding a sample, or the reason why a file could not be opened as an image."""
    from assistant.intake import display_name

    opened = _films.opened(samples, settings)
    films = [film for film in opened if not isinstance(film, str)]
    names = [
        display_name(sample["path"].name)
        for sample, film in zip(samples, opened, strict=True)
        if not isinstance(film, str)
    ]
    findings = judge.judge_many(films, names)
    return [film if isinstance(film, str) else next(findings) for film in opened]


def _prediction(sample: dict[str, Any], found: Finding | str, card: Card) -> Prediction:
    """Return what is kept of one image; truth and call are booleans where the card has two labels."""
    base: Prediction = {key: sample[key] for key in ("file", "patient_id", "label", "groups")}
    two = len(card.labels) == 2
    base["truth"] = sample["label"] == card.positive if two else sample["label"]
    nothing = {"refused": True, "probability": None, "call": None, "decision": "", "sureness": None}
    if isinstance(found, str):
        return {**base, **nothing, "reason": found}
    if found.refused or found.probability is None:
        return {**base, **nothing, "reason": found.reason}
    if found.model != card.title:
        reason = f"It was judged as another kind of picture, by {found.model}."
        return {**base, **nothing, "reason": reason}
    scores = {label: round(chance, 6) for label, chance in found.scores}
    call, sureness = _forced(found, scores, two=two)
    return {
        **base,
        "refused": False,
        "reason": found.reason,
        "probability": found.probability,
        "call": call,
        "decision": found.decision,
        "sureness": sureness,
        "at": {p.name: found.probability >= p.threshold for p in found.points},
        "set": list(found.labels),
        "scores": scores,
        "spread": found.spread,
        "distance": None if found.gate is None else found.gate.distance,
    }


def _forced(found: Finding, scores: dict[str, float], *, two: bool) -> tuple[bool | str, float]:
    """Return the call that a choice without abstention gives, and how sure it is.

    Of two labels it is made at the balanced point (0.5 where none was measured), and is the surer
    the further the probability lies from there, in logits; of more it is the likeliest label.
    """
    if not two:
        label = max(scores, key=lambda name: scores[name])
        return label, scores[label]
    point = found.operating_point
    threshold = 0.5 if point is None else point.threshold
    chance = float(found.probability or 0.0)
    return chance >= threshold, abs(_logit(chance) - _logit(threshold))


def _logit(chance: float) -> float:
    clipped = min(max(chance, 1e-9), 1 - 1e-9)
    return float(np.log(clipped / (1 - clipped)))
