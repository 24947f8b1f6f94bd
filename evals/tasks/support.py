"""Support: is it told apart whether a text supports a claim, contradicts it, or does neither?

Dataset, one of two forms of JSON lines. Plain: claim, text and label (support, contradict or neither);
`document` is the unit where given. SciFact's: claim, cited_doc_ids and evidence = [{doc_id, label,
sentences}], with the abstracts (doc_id, abstract = a list of sentences) in `scifact_corpus.jsonl.gz` or
`corpus.jsonl` beside the file or in `../retrieval`; each cited abstract is one pair, neither where it
holds no evidence. Solver: the `support` adapter, which sees the claim and the text. Scorer: accuracy
and macro-F1 over the three labels; it refuses other labels and abstracts that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assistant.settings import Settings
from evals import reading
from evals.tasks import _pairs_own
from evals.tasks._classes import ClassesTask
from evals.types import Arm, Dataset
from retrieval.errors import InputError

LABELS = ("support", "contradict", "neither")
CORPORA = (
    "scifact_corpus.jsonl.gz", "corpus.jsonl", "corpus.jsonl.gz",
    "../retrieval/scifact_corpus.jsonl.gz",
)  # fmt: skip
_SPELLINGS = {
    "support": "support", "supports": "support", "contradict": "contradict",
    "contradicts": "contradict", "refutes": "contradict", "neither": "neither",
    "not_enough_info": "neither", "nei": "neither",
}  # fmt: skip


class SupportTask(ClassesTask):
    """Claims with texts against the support adapter."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the claims, and the abstracts where they lie apart.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            own = tuple(_plain(row, "built-in claims") for row in _pairs_own.claims()[:limit])
            return Dataset("built-in claims", own, (), "documents")
        rows = reading.json_lines(data, {"claim": str})
        if "cited_doc_ids" not in rows[0]:
            samples = tuple(_plain(row, str(data)) for row in rows[:limit])
            return Dataset(data.name, samples, (data,), "documents")
        path = _corpus(data)
        texts = {
            str(row["doc_id"]): " ".join(map(str, row["abstract"]))
            for row in reading.json_lines(path, {"doc_id": str, "abstract": list})
        }
        pairs = (pair for row in rows for pair in _cited(row, texts, str(data), path))
        return Dataset(data.name, tuple(pairs)[:limit], (data, path), "documents")


def _corpus(data: Path) -> Path:
    for name in CORPORA:
        path = data.parent / name
        if path.is_file():
            return path
    raise InputError(
        f"The abstracts that {data} cites are not there: put scifact_corpus.jsonl.gz beside it."
    )


def _plain(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    place = f"{where} line {row['_line']}"
    text = row.get("text", row.get("evidence"))
    if not isinstance(text, str):
        raise InputError(f"{place} has no 'text': add what the claim is held against.")
    unit = str(row.get("document", row["_line"]))
    return {
        "id": str(row["_line"]),
        "unit": unit,
        "first": row["claim"],
        "second": text,
        "label": _label(row.get("label"), place),
    }


def _cited(
    row: Mapping[str, Any], texts: Mapping[str, str], where: str, corpus: Path
) -> Iterator[dict[str, Any]]:
    place = f"{where} line {row['_line']}"
    documents, evidence = row.get("cited_doc_ids"), row.get("evidence")
    if not isinstance(documents, list) or not isinstance(evidence, list):
        raise InputError(f"{place} has no lists 'cited_doc_ids' and 'evidence': add them.")
    labels = {
        str(item.get("doc_id")): _label(item.get("label"), place)
        for item in evidence
        if isinstance(item, dict)
    }
    for document in map(str, documents):
        if document not in texts:
            raise InputError(f"{place} cites {document}, which {corpus} does not hold: add it.")
        yield {
            "id": f"{row.get('claim_id', row['_line'])}/{document}",
            "unit": document,
            "first": row["claim"],
            "second": texts[document],
            "label": labels.get(document, "neither"),
        }


def _label(value: object, place: str) -> str:
    known = _SPELLINGS.get(str(value).lower())
    if known is None:
        raise InputError(f"{place}: label is {value!r}, not one of {', '.join(LABELS)}: mend it.")
    return known


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> SupportTask:
    """Return the task."""
    return SupportTask(settings, seed, arm or Arm(), "support", LABELS)
