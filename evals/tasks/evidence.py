"""Evidence: is the sentence that answers found among twenty of its document?

Dataset, JSON lines of one of three forms. Plain: question, sentences (a list) and gold (places in it).
MedQuAD's: question, answer, doc_id and qtype; the candidates are the first informative sentence of the
answer, which is gold, and sentences of the same page's other answers. Evidence Inference's: question,
evidence and pmcid, with the articles (abstract and body) in `rct_articles_open.jsonl.gz` beside the
file or in `../literature`; gold is what overlaps the annotated evidence, the others are drawn from
the same article. Documents with fewer than twenty candidates are left out. Solver: the `rerank` adapter,
and BM25 over the same candidates as the lexical baseline. Scorer: share of questions whose first
sentence is gold, for both, and their ratio; ties count as their expected share.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.settings import Settings
from evals import metrics, reading
from evals.tasks import _pairs_own
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress
from retrieval import sentences, words
from retrieval.errors import InputError

CANDIDATES = 20
ARTICLES = ("rct_articles_open.jsonl.gz", "../literature/rct_articles_open.jsonl.gz")
LEAST_WORDS = 6
OVERLAP = 0.7
K1, B = 0.9, 0.4


class EvidenceTask:
    """Questions with candidate sentences against the reranker and BM25."""

    def __init__(self, settings: Settings, seed: int, arm: Arm) -> None:
        """Load nothing yet."""
        self.settings = settings
        self.seed = seed
        self.adapter = arm.adapter(settings, "rerank")

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the questions and draw their candidates, the same on every machine.

        Raises:
            InputError: naming the file and line that can't be used, or that no question is left.
        """
        if data is None:
            own = _pairs_own.evidence()[:limit]
            return Dataset("built-in questions", tuple(own), (), "documents")
        rows = reading.json_lines(data, {"question": str})
        paths: tuple[Path, ...] = (data,)
        if "sentences" in rows[0]:
            found: Iterator[dict[str, Any]] = (_plain(row, str(data)) for row in rows)
        elif "doc_id" in rows[0] and "answer" in rows[0]:
            found = _medquad(rows)
        elif "pmcid" in rows[0] and "evidence" in rows[0]:
            paths = (data, _articles(data))
            found = _trials(rows, paths[1])
        else:
            raise InputError(
                f"{data} is of no known form: give question, sentences and gold on each line."
            )
        samples = tuple(found)[:limit]
        if not samples:
            raise InputError(f"No document of {data} has {CANDIDATES} candidate sentences.")
        return Dataset(data.name, samples, paths, "documents")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield the share of hits at the first place, of the reranker and of BM25."""
        from retrieval.adapters import PairScorer
        from retrieval.encoder import Encoder

        scorer = PairScorer.load(Encoder.load(self.settings.encoder), self.adapter)
        total = len(dataset.samples)
        for number, sample in enumerate(dataset.samples, 1):
            texts, gold = sample["sentences"], sample["gold"]
            scores = scorer.score([(sample["question"], text) for text in texts])
            yield {
                "id": sample["id"],
                "unit": sample["unit"],
                "hit": first(scores, gold),
                "hit_lexical": first(bm25(sample["question"], texts), gold),
                "chosen": texts[int(scores.argmax())],
                "gold": [texts[place] for place in gold],
            }
            progress(number, total)

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over documents."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return hit@1 of both, and how many times the baseline's the reranker's is."""
        units = [p["unit"] for p in predictions]
        hits = np.array([[p["hit"], p["hit_lexical"]] for p in predictions], dtype=np.float64)
        return {
            "hit@1": metrics.mean_figure(hits[:, 0].tolist(), units),
            "hit@1_lexical": metrics.mean_figure(hits[:, 1].tolist(), units),
            "times_lexical": Figure(metrics.ratio(hits), units),
        }

    def weights(self) -> Sequence[Path]:
        """Return the files of the encoder and the reranker."""
        from retrieval import adapters, encoder

        return (
            encoder.locate(self.settings.encoder) / "model.safetensors",
            adapters.locate(self.adapter) / "adapter_model.safetensors",
        )


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> EvidenceTask:
    """Return the task."""
    return EvidenceTask(settings, seed, arm or Arm())


def first(scores: NDArray[np.float64] | NDArray[np.float32], gold: Sequence[int]) -> float:
    """Return the chance that a best-scored sentence, drawn among equals, is gold."""
    best = np.flatnonzero(scores >= scores.max())
    return sum(int(place) in gold for place in best) / len(best)


def bm25(question: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the BM25 scores of sentences, their own statistics counting (Robertson 1994)."""
    bags = [Counter(words.stems(text)) for text in texts]
    lengths = np.array([max(sum(bag.values()), 1) for bag in bags], dtype=np.float64)
    out = np.zeros(len(texts))
    for term in words.content(question):
        held = sum(term in bag for bag in bags)
        rarity = np.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
        counts = np.array([bag[term] for bag in bags], dtype=np.float64)
        out += rarity * counts / (counts + K1 * (1 - B + B * lengths / lengths.mean()))
    return out


def _plain(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    place = f"{where} line {row['_line']}"
    texts, gold = row.get("sentences"), row.get("gold")
    if not isinstance(texts, list) or len(texts) < 2 or not all(isinstance(t, str) for t in texts):
        raise InputError(f"{place}: 'sentences' is no list of two or more texts: mend it.")
    inside = isinstance(gold, list) and gold
    if not inside or not all(isinstance(g, int) and 0 <= g < len(texts) for g in gold or []):
        raise InputError(f"{place}: 'gold' is no list of places in 'sentences': mend it.")
    unit = str(row.get("document", row["_line"]))
    return {
        "id": str(row["_line"]),
        "unit": unit,
        "question": row["question"],
        "sentences": texts,
        "gold": gold,
    }


def _medquad(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    pages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        pages[str(row["doc_id"])].append(row)
    for row in rows:
        own = [s for s in _sentences(str(row["answer"])) if not s.endswith("?")]
        known = set(own)
        others = [
            s
            for other in pages[str(row["doc_id"])]
            if other.get("qtype") != row.get("qtype")
            for s in _sentences(str(other["answer"]))
            if s not in known
        ]
        if own:
            sample = _drawn(row, row["question"], [own[0]], list(dict.fromkeys(others)))
            if sample is not None:
                yield {**sample, "unit": str(row["doc_id"])}


def _articles(data: Path) -> Path:
    for name in ARTICLES:
        path = data.parent / name
        if path.is_file():
            return path
    raise InputError(
        f"The articles of {data} are not there: put rct_articles_open.jsonl.gz beside it."
    )


def _trials(rows: Sequence[dict[str, Any]], path: Path) -> Iterator[dict[str, Any]]:
    wanted = {row["pmcid"] for row in rows}
    articles = {
        row["pmcid"]: row
        for row in reading.json_lines(path, {"pmcid": str, "abstract": list, "body": list})
        if row["pmcid"] in wanted
    }
    for row in rows:
        article = articles.get(row["pmcid"])
        if article is None or not row["evidence"]:
            continue
        texts = [
            s for _, text in (*article["abstract"], *article["body"]) for s in _sentences(text)
        ]
        texts = list(dict.fromkeys(texts))
        spans = [words.content(str(span)) for span in row["evidence"]]
        near = [max(_shared(words.content(text), span) for span in spans) for text in texts]
        gold = [text for text, share in zip(texts, near, strict=True) if share >= OVERLAP]
        others = [text for text, share in zip(texts, near, strict=True) if share < OVERLAP / 2]
        if gold:
            sample = _drawn(row, row["question"], gold[:1], others)
            if sample is not None:
                yield {**sample, "unit": row["pmcid"]}


def _shared(one: frozenset[str] | set[str], other: frozenset[str] | set[str]) -> float:
    """Return the share of the smaller set that the larger holds, 0 for very small ones."""
    least = min(len(one), len(other))
    return len(one & other) / least if least >= LEAST_WORDS // 2 else 0.0


def _drawn(
    row: Mapping[str, Any], question: str, gold: list[str], others: list[str]
) -> dict[str, Any] | None:
    """Return the sample with its candidates shuffled by its line; None with too few."""
    wanted = CANDIDATES - len(gold)
    if len(others) < wanted:
        return None
    rng = np.random.default_rng([20, int(row["_line"])])
    near = np.argsort(-bm25(question, others), kind="stable")[:wanted]
    texts = gold + [others[i] for i in near]
    order = rng.permutation(len(texts))
    return {
        "id": str(row.get("id", row["_line"])),
        "unit": str(row["_line"]),
        "question": question,
        "sentences": [texts[i] for i in order],
        "gold": [place for place, i in enumerate(order) if i < len(gold)],
    }


def _sentences(text: str) -> list[str]:
    return [s.text for s in sentences.split(text) if LEAST_WORDS <= len(s.text.split()) <= 90]
