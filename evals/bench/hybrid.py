"""How fast words and meaning together find passages, against LangChain's EnsembleRetriever.

    python -m evals.bench.hybrid --count 200000 --rounds 5 --out hybrid.json

Ours is `Searcher.search` in mode "fused", without the pair scorer; theirs joins BM25Retriever and the
FAISS store of langchain_community by reciprocal rank. Both hold the same texts and vectors, embed each
question with the same encoder, and answer with ten passages, in one process on one thread. What must
agree is measured in the same run: the ten nearest vectors of both, and by exact search.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from evals.bench import _ceilings, _corpus, _ours, _paired, _peers, _table
from evals.bench.lexical import block, texts

OURS, THEIRS, EMBEDDING = "auscult", "EnsembleRetriever", "embedding alone"
BLOCK = 10
LATENCIES = 100
TARGETS = {
    "times faster": _table.Target(least=100),
    f"{OURS}: 95th percentile": _table.Target(most=40),
    "nearest vectors: agreement with the FAISS store": _table.Target(least=0.95),
}


def measure(
    searching: Any, peer: Any, questions: Sequence[str], rounds: int, generator: random.Random
) -> dict[str, _table.Figure]:
    """Return the processor time of a question of both, the ratios, and the overlap of the ten."""
    size = min(BLOCK, len(questions))

    def ours(number: int) -> list[list[int]]:
        asked = block(questions, number, size)
        found = [searching.search(question, _ours.K, "fused") for question in asked]
        return [[_ours.number(hit.passage.id) for hit in hits] for hits in found]

    def theirs(number: int) -> list[list[int]]:
        asked = block(questions, number, size)
        return [_peers.rows(peer.invoke(question)[: _ours.K]) for question in asked]

    def embedding(number: int) -> None:
        for question in block(questions, number, size):
            searching.encoder.embed([question])

    work = {OURS: ours, THEIRS: theirs, EMBEDDING: embedding}
    found = _paired.compare(work, rounds, generator)
    both = zip(found.outputs[OURS], found.outputs[THEIRS], strict=True)
    spent = zip(*(found.cpu_s[name] for name in (THEIRS, OURS, EMBEDDING)), strict=True)
    searched = [max(t - e, 0) / max(o - e, 1e-9) for t, o, e in spent]
    return {
        **{f"{name}: one question": found.cpu_ms(name, size) for name in work},
        "times faster": found.ratio(THEIRS, OURS),
        "times faster, without the embedding": _table.figure(searched, "x"),
        "passages in common": _table.figure(
            [_paired.overlap(a, b) for a, b in both], "share of 10"
        ),
    }


def latencies(
    searching: Any, questions: Sequence[str], rounds: int, each: int = LATENCIES
) -> dict[str, _table.Figure]:
    """Return the wall-clock percentiles of a question; every round asks other questions."""
    spent: list[list[float]] = []
    for number in range(rounds):
        spent.append([])
        for question in block(questions, number, min(each, len(questions))):
            began = time.perf_counter()
            searching.search(question, _ours.K, "fused")
            spent[-1].append(1_000 * (time.perf_counter() - began))
    return {
        f"{OURS}: {name}": _table.figure([float(np.percentile(s, at)) for s in spent], "ms")
        for name, at in (("median", 50), ("95th percentile", 95))
    }


def nearest(
    index: Any, store: Any, encoder: Any, questions: Sequence[str]
) -> dict[str, _table.Figure]:
    """Return how far the ten nearest vectors of ours and of LangChain's store are the same."""
    shares = []
    for question in questions:
        vector = encoder.embed([question])[0]
        mine = _ours.numbers(index, [row for row, _ in index.dense(vector, _ours.K)])
        theirs = _peers.rows(store.similarity_search_by_vector(vector.tolist(), k=_ours.K))
        shares.append(_paired.overlap([mine], [theirs]))
    mean = float(np.mean(shares))
    return {"nearest vectors: agreement with the FAISS store": _table.single(mean, "share of 10")}


def peer(corpus: _corpus.Corpus, count: int, encoder: Any) -> tuple[Any, Any]:
    """Return LangChain's ensemble and the FAISS store in it."""
    every = texts(corpus, count)
    words = _peers.bm25_retriever(every, _ours.K)
    store = _peers.faiss_store(every, corpus.rows(range(count))[1], encoder)
    dense = store.as_retriever(search_kwargs={"k": _ours.K})
    return _peers.ensemble([words, dense]), store


def main() -> None:
    """Measure and print."""
    given = _ours.parser(__doc__).parse_args()
    _paired.one_thread()
    _paired.pin()
    _ours.shrink(given)
    before = _table.machine()
    encoder = _ours.encoder()
    corpus = _ours.corpus(given, encoder)
    questions = corpus.questions
    with _ours.index(given.cache, corpus, given.count, encoder) as index:
        searching = _ours.searcher(index, encoder)
        ensemble, store = peer(corpus, given.count, encoder)
        figures = measure(searching, ensemble, questions, given.rounds, random.Random(given.seed))
        figures |= latencies(searching, questions, given.rounds)
        figures |= nearest(index, store, encoder, questions[:100])
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    facts = _ours.facts(corpus, given.count)
    _table.publish("hybrid", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()
