"""Retrieval on a BEIR folder: does the search rank the relevant documents first?

Dataset: corpus.jsonl, queries.jsonl and qrels/*.tsv (each may be .gz). Solver: `Searcher` in its
four modes. Scorer: nDCG@10, recall@100 and MRR@10 of the full search, and nDCG@10 of its parts. Queries
without a relevant document are not asked. The index is kept under the state folder and reused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.settings import Settings
from evals import metrics, reading
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval.errors import InputError

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index
    from retrieval.search import Mode
    from retrieval.types import Document

DEPTH = 200  # passages asked for, so that 100 documents remain
MODES: tuple[Mode, ...] = ("full", "fused", "dense", "lexical")
QRELS = ("test", "dev", "validation", "valid", "train")


class RetrievalTask:
    """Queries against a collection."""

    def __init__(self, settings: Settings, seed: int, arm: Arm) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.asker = arm.adapter(settings, "embed")
        self.reranker = arm.adapter(settings, "rerank")

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read queries and judgements; without `data`, our own questions.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        if data is None:
            return _starter(limit)
        folder = data
        if not folder.is_dir():
            raise InputError(f"{data} is no folder: give a BEIR folder with corpus.jsonl.")
        corpus, queries = _one(folder, "corpus.jsonl"), _one(folder, "queries.jsonl")
        judged = _qrels(folder)
        known = {
            str(row["_id"]) for row in reading.json_lines(corpus, {"_id": object, "text": str})
        }
        relevant = _relevant(judged, known)
        asked = [
            {"id": str(row["_id"]), "query": row["text"], "relevant": relevant[str(row["_id"])]}
            for row in reading.json_lines(queries, {"_id": object, "text": str})
            if str(row["_id"]) in relevant
        ]
        if not asked:
            raise InputError(f"No query of {queries} is judged in {judged}: check the ids.")
        return Dataset(
            name=f"{folder.resolve().name}/{judged.name}",
            samples=tuple(asked[:limit]),
            files=(corpus, queries, judged),
            unit="queries",
            extra={"folder": folder, "corpus": corpus},
        )

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the ranked documents of each query, in each mode."""
        from retrieval.adapters import PairScorer
        from retrieval.encoder import Encoder
        from retrieval.search import Searcher

        encoder = Encoder.load(self.settings.encoder, adapter=self.asker)
        index = self._index(dataset, encoder, progress)
        searcher = Searcher([index], encoder, PairScorer.load(encoder, self.reranker))
        for number, sample in enumerate(dataset.samples, 1):
            prediction: Prediction = {**sample}
            for mode in MODES:
                hits = searcher.search(sample["query"], k=DEPTH, mode=mode, diverse=0)
                best: dict[str, float] = {}
                for hit in hits:
                    best.setdefault(hit.passage.document, round(hit.score, 6))
                ranked = list(best)[:100]
                prediction[mode] = ranked if mode == "full" else ranked[:10]
                prediction[f"scores_{mode}"] = [best[d] for d in prediction[mode][:10]]
            progress(number, len(dataset.samples))
            yield prediction

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over queries."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return the means over queries; a query that finds nothing counts 0."""
        columns: dict[str, list[float]] = {"ndcg@10": [], "recall@100": [], "mrr@10": []}
        columns |= {f"ndcg@10_{mode}": [] for mode in ("dense", "lexical", "fused")}
        for p in predictions:
            relevant = p["relevant"]
            columns["ndcg@10"].append(metrics.ndcg(p["full"], relevant, 10))
            columns["recall@100"].append(metrics.recall(p["full"], relevant, 100))
            columns["mrr@10"].append(metrics.mrr(p["full"], relevant, 10))
            for mode in ("dense", "lexical", "fused"):
                columns[f"ndcg@10_{mode}"].append(metrics.ndcg(p[mode], relevant, 10))
        return {name: metrics.mean_figure(values) for name, values in columns.items()}

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder, its query adapter and the reranker."""
        from retrieval import adapters, encoder

        asker = self.asker
        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            *((adapters.locate(asker) / "adapter_model.safetensors",) if asker else ()),
            adapters.locate(self.reranker) / "adapter_model.safetensors",
        )

    def _index(self, dataset: Dataset, encoder: Encoder, progress: Progress) -> Index:
        from evals import starter
        from retrieval import files
        from retrieval.errors import IndexError_
        from retrieval.index.store import Index
        from retrieval.plugins import load
        from retrieval.types import Document

        corpus = dataset.extra.get("corpus")
        if corpus is None:
            own = starter.documents()
            documents, name = iter(own), f"starter-{_content(own)}"
        else:
            read = load("retrieval.sources", "beir").build().read(dataset.extra["folder"])
            documents = (item for item in read if isinstance(item, Document))
            name = files.sha256(corpus)[:16]
        folder = self.settings.state_dir / "evals" / name
        try:
            return Index.open(folder, encoder)
        except IndexError_:
            pass  # Not there yet, or of another encoder: built below.
        return Index.build(folder, documents, encoder, progress)


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> RetrievalTask:
    """Return the task."""
    return RetrievalTask(settings, seed, arm or Arm())


def _content(documents: Sequence[Document]) -> str:
    """Return a short digest of documents, so that an index of older ones is not taken for theirs."""
    from hashlib import sha256

    return sha256("".join(map(repr, documents)).encode()).hexdigest()[:16]


def _one(folder: Path, name: str) -> Path:
    """Return the plain or the gzipped file of that name."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{folder} holds no {name} or {name}.gz: give a BEIR folder.")


def _qrels(folder: Path) -> Path:
    """Return the judgements: test before dev before train, else the only file."""
    for stem in QRELS:
        for ending in (".tsv", ".tsv.gz"):
            if (path := folder / "qrels" / f"{stem}{ending}").is_file():
                return path
    found = sorted(p for p in (folder / "qrels").glob("*") if p.name.endswith((".tsv", ".tsv.gz")))
    if len(found) != 1:
        raise InputError(f"{folder}/qrels holds no test.tsv, dev.tsv or train.tsv: add one.")
    return found[0]


def _relevant(path: Path, known: set[str]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for row in reading.table(path, ("query-id", "corpus-id", "score"), delimiter="\t"):
        where = f"{path} line {row['_line']}"
        try:
            gain = float(row["score"])
        except ValueError:
            raise InputError(f"{where}: the score {row['score']!r} is no number.") from None
        if row["corpus-id"] not in known:
            raise InputError(
                f"{where} names document {row['corpus-id']!r}, which the corpus lacks."
            )
        if gain > 0:
            out.setdefault(row["query-id"], {})[row["corpus-id"]] = gain
    return out


def _starter(limit: int | None) -> Dataset:
    """Return the built-in questions that stand alone and that a monograph answers."""
    from evals import starter

    known = {document.id for document in starter.documents()}
    samples = tuple(
        {"id": q["id"], "query": q["question"], "relevant": relevant}
        for q in starter.questions()
        if q["kind"] == "answerable" and (relevant := {d: 1.0 for d in q["subject"] if d in known})
    )
    files = (starter.QUESTIONS,)
    return Dataset("questions over the starter library", samples[:limit], files, "queries")
