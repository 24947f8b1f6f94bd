"""Entities: are diseases and chemicals marked exactly?

Dataset: JSON lines with title, abstract and entities = [start, end, text, type, ...] over
title + " " + abstract. Solver: the `entities` adapter. Scorer: strict spans, where start, end and
type must all be equal; a span that is off by one character is a miss and a false find. Finds of a
type that the data annotates nowhere are left out: the data can't judge them. Where all types of the
data are those of the NCBI disease corpus, the tagger is asked for that corpus' own annotation rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.tasks import _sentences
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

BATCH = 32
# The NCBI disease corpus' names for ways to mention a disease.
DISEASES = {"SpecificDisease", "DiseaseClass", "CompositeMention", "Modifier"}


class NerTask:
    """Annotated documents against the tagger."""

    def __init__(self, settings: Settings, seed: int, arm: Arm) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.adapter = arm.adapter(settings, "entities")

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read documents and check every span against its text.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            rows = _sentences.rows()[:limit]
            samples = tuple(_sample(row, "built-in sentences") for row in rows)
            return Dataset("built-in sentences", samples, (), "documents")
        rows = reading.json_lines(data, {"title": str, "abstract": str, "entities": list})
        samples = tuple(_sample(row, str(data)) for row in rows[:limit])
        kinds = {entity[3] for row in rows for entity in row["entities"] if len(entity) > 3}
        style = "ncbi" if kinds and kinds <= DISEASES else ""
        return Dataset(data.name, samples, (data,), "documents", {"style": style})

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the spans found in each document beside the true ones."""
        from retrieval.adapters import Tagger
        from retrieval.encoder import Encoder

        tagger = Tagger.load(Encoder.load(self.settings.encoder), self.adapter)
        total = len(dataset.samples)
        judged = {span[2] for sample in dataset.samples for span in sample["entities"]}
        for at in range(0, total, BATCH):
            part = dataset.samples[at : at + BATCH]
            found = tagger.tag([s["text"] for s in part], dataset.extra.get("style", ""))
            for sample, entities in zip(part, found, strict=True):
                spans = [
                    [e.start, e.end, e.type.lower(), round(e.score, 4)]
                    for e in entities
                    if e.type.lower() in judged
                ]
                yield {"id": sample["id"], "true": sample["entities"], "found": spans}
            progress(min(at + BATCH, total), total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over documents."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return precision, recall and F1 over all spans, and F1 of each type that occurs."""
        types = sorted({span[2] for p in predictions for span in (*p["true"], *p["found"])})
        out: dict[str, Figure] = {}
        for kind in (None, *types):
            counts = np.array([_counts(p, kind) for p in predictions], dtype=np.int64)
            for place, name in enumerate(("precision", "recall", "f1")):
                if kind is not None and name != "f1":
                    continue
                out[name if kind is None else f"{name}_{kind}"] = Figure(
                    _figure(counts, place), range(len(predictions))
                )
        return out

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder and the tagger."""
        from retrieval import adapters, encoder

        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            adapters.locate(self.adapter) / "adapter_model.safetensors",
        )


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> NerTask:
    """Return the task."""
    return NerTask(settings, seed, arm or Arm())


def _figure(counts: NDArray[np.int64], place: int) -> Callable[[NDArray[np.int64]], float]:
    """Return a statistic: precision (0), recall (1) or F1 (2) of the documents drawn."""
    return lambda rows: metrics.f1(counts[rows].sum(0))[place]


def _counts(prediction: Prediction, kind: str | None) -> tuple[int, int, int]:
    found, true = (
        {tuple(span[:3]) for span in prediction[key] if kind in (None, span[2])}
        for key in ("found", "true")
    )
    return metrics.span_counts(found, true)


def _sample(row: dict[str, Any], path: str) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    text = f"{row['title']} {row['abstract']}"
    spans = []
    for entity in row["entities"]:
        well = (
            isinstance(entity, list)
            and len(entity) >= 4
            and all(isinstance(n, int) for n in entity[:2])
            and isinstance(entity[3], str)
        )
        if not well:
            raise InputError(f"{where}: an entity is not [start, end, text, type, ...]: mend it.")
        start, end, words, kind = entity[:4]
        same = isinstance(words, str) and text[start:end].split() == words.split()
        if not same or not 0 <= start < end <= len(text):
            raise InputError(
                f"{where}: characters {start} to {end} are not the entity's text: mend its offsets."
            )
        spans.append([start, end, "disease" if kind in DISEASES else kind.lower()])
    return {"id": str(row.get("pmid", row["_line"])), "text": text, "entities": spans}
