"""Answers: is what the assistant says cited, supported, and near a reference?

Dataset: JSON lines with question and, optionally, answer (a text or a list of texts). Solver: one
turn of the assistant a question. Scorer: a citation is valid if its passage is in the index and its
quote stands there at the very place it names; a claim without citation counts as an invalid one. An
abstention scores 0 in ROUGE-L, makes no claims, and is counted as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.types import Dataset, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.types import Answer, Citation
    from retrieval.types import Passage


class AnswersTask:
    """Questions to the assistant."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read questions; without `data`, ask the starter library for its own sections.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            from evals import starter

            asked = [
                {"id": q.id, "question": q.question, "references": [q.answer]}
                for q in starter.questions()
            ]
            return Dataset("starter library", tuple(asked[:limit]), (), "questions")
        rows = reading.json_lines(data, {"question": str})[:limit]
        samples = tuple(_sample(row, data) for row in rows)
        return Dataset(data.name, samples, (data,), "questions")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the assistant's claims, and whether each citation holds."""
        from assistant.app import Assistant

        assistant = Assistant.create(self.settings)
        passages = {passage.id: passage for passage in assistant.index.passages}
        for number, sample in enumerate(dataset.samples, 1):
            answer = assistant.answer(sample["question"])
            progress(number, len(dataset.samples))
            yield {**sample, **_outcome(answer, passages)}

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over questions."""
        checks = [
            [v for claim in p["claims"] for v in claim["valid"] or [False]] for p in predictions
        ]
        citations = _sums([[float(v) for v in row] for row in checks])
        support = _sums([[c["support"] for c in p["claims"]] for p in predictions])
        questions = range(len(predictions))
        out = {
            "citation_validity": metrics.bootstrap(_ratio(citations), questions, self.seed),
            "support": metrics.bootstrap(_ratio(support), questions, self.seed),
        }
        rouge = [_rouge(p) for p in predictions if p["references"]]
        if rouge:
            out["rouge_l"] = metrics.mean_interval(rouge, seed=self.seed)
        abstained = [float(p["abstained"]) for p in predictions]
        out["abstained"] = metrics.mean_interval(abstained, seed=self.seed)
        return out

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder and its adapters."""
        from retrieval import adapters, encoder

        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            *sorted(adapters.WEIGHTS.glob("*/adapter_model.safetensors")),
        )


def build(settings: Settings, seed: int = 0) -> AnswersTask:
    """Return the task."""
    return AnswersTask(settings, seed)


def is_valid(citation: Citation, passages: Mapping[str, Passage]) -> bool:
    """Return whether the quote stands in its passage at the place that the citation names."""
    passage = passages.get(citation.passage)
    if passage is None or passage.document != citation.document or not citation.quote:
        return False
    start, end = citation.start - passage.start, citation.end - passage.start
    return 0 <= start < end and passage.text[start:end] == citation.quote


def _sums(values: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return (sum, count) of each question's values, (questions, 2)."""
    return np.array([(sum(v), len(v)) for v in values], dtype=np.float64).reshape(-1, 2)


def _rouge(prediction: Prediction) -> float:
    """Return ROUGE-L of the claims against the nearest reference; 0 for an abstention."""
    if prediction["abstained"]:
        return 0.0
    said = " ".join(claim["text"] for claim in prediction["claims"])
    return max(metrics.rouge_l(said, reference) for reference in prediction["references"])


def _ratio(pairs: NDArray[np.float64]) -> Any:
    """Return a statistic: the sum of the first column by the sum of the second."""

    def figure(rows: NDArray[np.int64]) -> float | None:
        part, whole = pairs[rows].sum(0)
        return float(part / whole) if whole else None

    return figure


def _sample(row: dict[str, Any], path: Path) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    if not row["question"].strip():
        raise InputError(f"{where}: the question is empty: write one, or remove the line.")
    given = row.get("answer")
    references = [given] if isinstance(given, str) else given or []
    if not isinstance(references, list) or not all(isinstance(r, str) for r in references):
        raise InputError(f"{where}: 'answer' is neither a text nor a list of texts: mend it.")
    return {
        "id": str(row.get("id", row["_line"])),
        "question": row["question"],
        "references": references,
    }


def _outcome(answer: Answer, passages: Mapping[str, Passage]) -> dict[str, Any]:
    """Return what is scored of an answer."""
    return {
        "answer": answer.answer,
        "abstained": answer.abstained,
        "reason": answer.reason,
        "claims": [
            {
                "text": claim.text,
                "support": round(claim.support, 4),
                "citations": [citation.to_json() for citation in claim.citations],
                "valid": [is_valid(citation, passages) for citation in claim.citations],
            }
            for claim in answer.claims
        ],
    }
