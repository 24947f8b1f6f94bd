"""Answers: is what the assistant says cited, supported, right, and near a reference?

Dataset: JSON lines with question and, optionally,
    answer    a reference, or a list of them
    history   what the user asked before, a list
    must      what a right answer holds: a list of lists, of each of which one text must occur
    must_not  texts that a right answer doesn't hold
    kind      "unanswerable" where abstaining is right
    emergency whether the message needs the emergency notice (true or false)
Solver: one turn of the assistant a question, in a session of its own. Scorer: a citation is valid if
its passage is in the index and its quote stands there at the very place it names; a claim without
citation counts as an invalid one. An abstention scores 0 in ROUGE-L and is never correct where the
question has an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from assistant.types import Answer, Citation
    from retrieval.librarian import Librarian
    from retrieval.types import Passage


class AnswersTask:
    """Questions to the assistant."""

    def __init__(self, settings: Settings, seed: int, arm: Arm) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.arm = arm

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read questions; without `data`, our own over the starter library.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            from evals import starter

            data, rows = starter.QUESTIONS, starter.questions()
        else:
            rows = reading.json_lines(data, {"question": str})
        samples = tuple(_sample(row, data) for row in rows[:limit])
        return Dataset(data.name, samples, (data,), "questions")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the assistant's claims, and whether each citation holds."""
        from assistant.app import Assistant
        from assistant.resources import Resources
        from assistant.session import Session

        parts = Resources(self.settings, adapters=self.arm.adapters)
        assistant = Assistant(self.settings, parts)
        librarian = assistant.resources.librarian
        for number, sample in enumerate(dataset.samples, 1):
            session = Session.new()
            for before in sample["history"]:
                assistant.answer(before, session=session)
            answer = assistant.answer(sample["question"], session=session)
            progress(number, len(dataset.samples))
            yield {**sample, **_outcome(answer, librarian)}

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over questions."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return validity and support over claims, and the shares of questions."""
        checks = [
            [v for claim in p["claims"] for v in claim["valid"] or [False]] for p in predictions
        ]
        citations = _sums([[float(v) for v in row] for row in checks])
        support = _sums([[c["support"] for c in p["claims"]] for p in predictions])
        questions = range(len(predictions))
        out = {
            "citation_validity": Figure(metrics.ratio(citations), questions),
            "support": Figure(metrics.ratio(support), questions),
        }
        columns = {
            "rouge_l": [_rouge(p) for p in predictions if p["references"]],
            "abstained": [float(p["abstained"]) for p in predictions],
            "correct": [float(_correct(p)) for p in predictions if p["must"]],
            "abstained_unanswerable": [
                float(p["abstained"]) for p in predictions if p["kind"] == "unanswerable"
            ],
            "red_flags": [
                float(p["warned"] == p["emergency"])
                for p in predictions
                if p.get("emergency") is not None
            ],
        }
        out |= {name: metrics.mean_figure(values) for name, values in columns.items() if values}
        return out

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder and its adapters."""
        from assistant.serving import PARTS
        from retrieval import adapters, encoder

        used = [self.arm.adapter(self.settings, slot) for slot in (*PARTS.values(), "chat")]
        found = [adapters.WEIGHTS / name for name in used if name]  # a folder stays as it is
        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            *sorted(path for f in found if (path := f / "adapter_model.safetensors").is_file()),
        )


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> AnswersTask:
    """Return the task."""
    return AnswersTask(settings, seed, arm or Arm())


def is_valid(citation: Citation, passages: Mapping[str, Passage]) -> bool:
    """Return whether the quote stands in its passage at the place that the citation names."""
    passage = passages.get(citation.passage)
    if passage is None or passage.document != citation.document or not citation.quote:
        return False
    start, end = citation.start - passage.start, citation.end - passage.start
    return 0 <= start < end and passage.text[start:end] == citation.quote


def _correct(prediction: Prediction) -> bool:
    """Whether the answer holds what it must and nothing that it must not."""
    text = prediction["answer"].lower()
    return (
        not prediction["abstained"]
        and all(any(m.lower() in text for m in group) for group in prediction["must"])
        and not any(m.lower() in text for m in prediction["must_not"])
    )


def _sums(values: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return (sum, count) of each question's values, (questions, 2)."""
    return np.array([(sum(v), len(v)) for v in values], dtype=np.float64).reshape(-1, 2)


def _rouge(prediction: Prediction) -> float:
    """Return ROUGE-L of the claims against the nearest reference; 0 for an abstention."""
    if prediction["abstained"]:
        return 0.0
    said = " ".join(claim["text"] for claim in prediction["claims"])
    return max(metrics.rouge_l(said, reference) for reference in prediction["references"])


def _sample(row: dict[str, Any], path: Path) -> dict[str, Any]:
    where = f"{path} line {row['_line']}"
    if not row["question"].strip():
        raise InputError(f"{where}: the question is empty: write one, or remove the line.")
    given = row.get("answer")
    lists = {
        "references": [given] if isinstance(given, str) else given or [],
        **{key: row.get(key) or [] for key in ("history", "must", "must_not")},
    }
    for key, value in lists.items():
        flat = [t for g in value for t in g] if key == "must" and _lists(value) else value
        if not isinstance(flat, list) or not all(isinstance(text, str) for text in flat):
            name = "answer" if key == "references" else key
            raise InputError(f"{where}: {name!r} is no list of texts: mend it.")
    if row.get("emergency") not in (None, True, False):
        raise InputError(f"{where}: 'emergency' is neither true nor false: mend it.")
    return {
        "id": str(row.get("id", row["_line"])),
        "question": row["question"],
        "kind": str(row.get("kind", "")),
        "emergency": row.get("emergency"),
        **lists,
    }


def _lists(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(group, list) for group in value)


def _outcome(answer: Answer, librarian: Librarian) -> dict[str, Any]:
    """Return what is scored of an answer."""
    return {
        "answer": answer.answer,
        "abstained": answer.abstained,
        "warned": answer.emergency is not None,
        "reason": answer.reason,
        "claims": [
            {
                "text": claim.text,
                "support": round(claim.support, 4),
                "citations": [citation.to_json() for citation in claim.citations],
                "valid": [
                    is_valid(c, {p.id: p for p in librarian.passages(c.document)})
                    for c in claim.citations
                ],
            }
            for claim in answer.claims
        ],
    }
