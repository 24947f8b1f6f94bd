"""Evaluations of a classifier of pairs: what `support` and `verdict` share.

Predictions hold the true and the given label and the probabilities. Figures are accuracy, macro-F1
and each label's F1, over all labels of the adapter's card whether or not they occur, with intervals
over documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress

BATCH = 32


class ClassesTask:
    """Labelled pairs against the classifier of a slot; a task adds how they are read."""

    def __init__(
        self, settings: Settings, seed: int, arm: Arm, slot: str, labels: Sequence[str]
    ) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.slot = slot
        self.labels = tuple(labels)
        self.adapter = arm.adapter(settings, slot)

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read and check the pairs; each task its own way."""
        raise NotImplementedError

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the label given to each pair beside the true one."""
        from retrieval.classifier import Classifier
        from retrieval.encoder import Encoder

        classifier = Classifier.load(Encoder.load(self.settings.encoder), self.adapter, self.slot)
        total = len(dataset.samples)
        for at in range(0, total, BATCH):
            part = dataset.samples[at : at + BATCH]
            found = classifier.probabilities([(s["first"], s["second"]) for s in part])
            for sample, label, row in zip(part, classifier.decide(found), found, strict=True):
                yield {
                    "id": sample["id"],
                    "unit": sample["unit"],
                    "true": sample["label"],
                    "found": label,
                    "probabilities": {
                        name: round(float(p), 4)
                        for name, p in zip(classifier.labels, row, strict=True)
                    },
                }
            progress(min(at + BATCH, total), total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over documents."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return accuracy, macro-F1 and the F1 of each label."""
        truth, guess = (
            np.array([self._number(p[key]) for p in predictions]) for key in ("true", "found")
        )
        units = [p["unit"] for p in predictions]
        every = range(len(self.labels))
        out = {
            "accuracy": Figure(lambda rows: metrics.accuracy(truth[rows], guess[rows]), units),
            "macro_f1": Figure(_f1(truth, guess, every), units),
        }
        for number, name in enumerate(self.labels):
            out[f"f1_{name}"] = Figure(_f1(truth, guess, (number,)), units)
        return out

    def _number(self, label: str) -> int:
        return self.labels.index(label) if label in self.labels else -1

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder and the classifier."""
        from retrieval import adapters, encoder

        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            adapters.locate(self.adapter) / "adapter_model.safetensors",
        )


def _f1(truth: NDArray[np.int64], guess: NDArray[np.int64], labels: Sequence[int]) -> Any:
    return lambda rows: metrics.macro_f1(truth[rows], guess[rows], labels)
