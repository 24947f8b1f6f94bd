"""What the query adapter is trained on: collections with their queries, and queries to keep.

A collection's document vectors and BM25 scores are made once by the encoder without adapters; only
its queries are learnt. Queries to keep come from other kinds of text (terms, headings, disease names,
titles, consumers' questions): their vectors are to stay where they are. Articles of randomised trials
are left out of everything: their keywords measure what training does to a field that it never saw.
Knows nothing of models or training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finetune import _encoder_pairs as pairs

if TYPE_CHECKING:
    from retrieval.search import Searcher

KINDS = ("scifact", "bioasq")
LEXICAL_DEPTH = 100


@dataclass(frozen=True, eq=False)
class Asked:
    """A query of a collection.

    Attributes:
        key: the query's id.
        query: the words.
        relevant: rows of each relevant document's passages.
        rows: passages that BM25 finds, best first, int64 (n,).
        lexical: their scores as shares of the best, float32 (n,).
    """

    key: str
    query: str
    relevant: tuple[tuple[int, ...], ...]
    rows: NDArray[np.int64]
    lexical: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Collection:
    """A searched collection.

    Attributes:
        kind: its name.
        vectors: unit vectors of its passages by the base, float32 (rows, width).
        asked: its queries.
    """

    kind: str
    vectors: NDArray[np.float32]
    asked: tuple[Asked, ...]


def queries(data: Path, kind: str) -> dict[str, tuple[str, list[str]]]:
    """Return the training queries of "scifact" or "bioasq": id to words and relevant documents."""
    if kind == "scifact":
        rows = pairs.rows(data / "retrieval/scifact_claims_train.jsonl.gz")
        return {str(r["claim_id"]): (r["claim"], _strings(r["cited_doc_ids"])) for r in rows}
    rows = pairs.rows(data / "qa/bioasq_train.jsonl.gz")
    return {str(r["id"]): (r["question"], _strings(r["pmids"])) for r in rows}


def collection(
    kind: str, asked: dict[str, tuple[str, list[str]]], searcher: Searcher
) -> Collection:
    """Return the collection with what BM25 finds for each of its queries."""
    passages = searcher.index.passages
    where = {passage.id: row for row, passage in enumerate(passages)}
    held: dict[str, list[int]] = {}
    for row, passage in enumerate(passages):
        held.setdefault(passage.document, []).append(row)
    out = []
    for key, (query, documents) in asked.items():
        relevant = tuple(tuple(held[d]) for d in documents if d in held)
        hits = searcher.search(query, k=LEXICAL_DEPTH, mode="lexical", diverse=0)
        scores = np.array([hit.score for hit in hits], dtype=np.float32)
        rows = np.array([where[hit.passage.id] for hit in hits], dtype=np.int64)
        if relevant:
            out.append(Asked(key, query, relevant, rows, scores / max(scores.max(initial=0), 1e-6)))
    vectors = searcher.index.vectors[np.arange(len(passages))]
    return Collection(kind, vectors, tuple(out))


def kept(data: Path, rng: np.random.Generator, count: int) -> list[str]:
    """Return queries of many kinds on which no collection is scored."""
    every = sorted(set(_every(data)))
    return [every[i] for i in rng.permutation(len(every))[:count]]


def _every(data: Path) -> Iterator[str]:
    for row in pairs.rows(data / "retrieval/scifact_corpus.jsonl.gz"):
        words = row["title"].split()
        yield " ".join(words[: 1 + len(row["title"]) % 5])
        yield row["title"]
    for row in pairs.rows(data / "qa/medquad_train.jsonl.gz"):
        yield row["question"].strip()
        yield row["focus"].strip() or row["question"].strip()
    for row in pairs.rows(data / "literature/openstax_glossary.jsonl.gz"):
        yield row["term"]
    for row in pairs.rows(data / "qa/meqsum_train.jsonl.gz"):
        yield row["summary"]
    for row in pairs.rows(data / "qa/pubmedqa_train.jsonl.gz"):
        yield row["question"]


def _strings(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values]
