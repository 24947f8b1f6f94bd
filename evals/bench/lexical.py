"""How fast words find passages: the lexical index, LangChain's BM25Retriever, and bm25s.

    python -m evals.bench.lexical --count 200000 --rounds 5 --out lexical.json

All hold the same texts and answer the same questions with ten passages, in one process on one
thread. Memory is what a process of its own holds more after opening than before. Agreement is the
share of ten passages that ours and another have in common: bm25s gets the same words, stems and
constants as our index, so that must be high; BM25Retriever splits at blanks alone and finds other
passages by design.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.bench import _ceilings, _corpus, _ours, _paired, _peers, _table

OURS, RETRIEVER, BM25S = "auscult", "BM25Retriever", "bm25s"
BLOCK = 10
TARGETS = {
    f"times faster than {RETRIEVER}": _table.Target(least=1_000),
    f"share of {RETRIEVER}'s memory": _table.Target(most=0.1),
    f"agreement with {BM25S}": _table.Target(least=0.9),
}


def texts(corpus: _corpus.Corpus, count: int) -> list[str]:
    """Return the texts of the first passages, as both sides index them."""
    return _corpus.embedded(corpus.rows(range(count))[0])


def block(questions: Sequence[str], number: int, size: int = BLOCK) -> list[str]:
    """Return the questions of a round; no two rounds share any while they last."""
    start = number * size % max(1, len(questions) - size + 1)
    return list(questions[start : start + size])


def measure(
    index: Any,
    given: Sequence[str],
    questions: Sequence[str],
    rounds: int,
    generator: random.Random,
) -> dict[str, _table.Figure]:
    """Return the time of a question of each, the ratios, and the agreement."""
    retriever = _peers.bm25_retriever(given, _ours.K)
    bm25s = _peers.bm25s_search(given)
    size = min(BLOCK, len(questions))

    def ours(number: int) -> list[list[int]]:
        asked = block(questions, number, size)
        return [[row for row, _ in index.lexical.search(question, _ours.K)] for question in asked]

    def langchain(number: int) -> list[list[int]]:
        return [_peers.rows(retriever.invoke(q)) for q in block(questions, number, size)]

    def other(number: int) -> list[list[int]]:
        return [bm25s(question, _ours.K) for question in block(questions, number, size)]

    found = _paired.compare({OURS: ours, RETRIEVER: langchain, BM25S: other}, rounds, generator)
    mine = [[_ours.numbers(index, rows) for rows in output] for output in found.outputs[OURS]]
    figures = {f"{name}: one question": found.cpu_ms(name, size) for name in found.cpu_s}
    for name in (RETRIEVER, BM25S):
        figures[f"times faster than {name}"] = found.ratio(name, OURS)
        shared = [_paired.overlap(a, b) for a, b in zip(mine, found.outputs[name], strict=True)]
        figures[f"agreement with {name}"] = _table.figure(shared, "share of 10")
    return figures


def memory_of_ours(place: str, questions: list[str]) -> float:
    """Return the MB that a process holds more once it has opened the whole index and searched.

    That counts the vectors and the tables of the index too, and pages that only mirror files.
    """
    from retrieval.index.store import Index

    encoder = _ours.encoder()
    encoder.embed(["warm"])
    before = _paired.memory().total
    index = Index.open(Path(place), encoder)
    for question in questions:
        index.lexical.search(question, _ours.K)
    return _paired.memory().total - before


def memory_of_retriever(path: str, questions: list[str]) -> float:
    """Return the MB that a process holds more once it has built the retriever and searched.

    The texts themselves, which the retriever keeps too, are held before and not counted.
    """
    _peers.bm25_retriever(["warm"], 1)
    given = Path(path).read_text(encoding="utf-8").splitlines()
    before = _paired.memory().total
    retriever = _peers.bm25_retriever(given, _ours.K)
    for question in questions:
        retriever.invoke(question)
    return _paired.memory().total - before


def memory(place: Path, given: Sequence[str], questions: list[str]) -> dict[str, _table.Figure]:
    """Return the memory of both, each in a process of its own."""
    ours = _paired.in_child(memory_of_ours, place=str(place), questions=questions)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "texts.txt"
        path.write_text("\n".join(" ".join(text.split()) for text in given), encoding="utf-8")
        theirs = _paired.in_child(memory_of_retriever, path=str(path), questions=questions)
    return {
        f"{OURS}: memory of the whole index": _table.single(ours, "MB"),
        f"{RETRIEVER}: memory": _table.single(theirs, "MB"),
        f"share of {RETRIEVER}'s memory": _table.single(max(ours, 0.0) / theirs, "of it"),
    }


def main() -> None:
    """Measure and print."""
    given = _ours.parser(__doc__).parse_args()
    _paired.one_thread()
    _paired.pin()
    _ours.shrink(given)
    before = _table.machine()
    encoder = _ours.encoder()
    corpus = _ours.corpus(given, encoder)
    every = texts(corpus, given.count)
    with _ours.index(given.cache, corpus, given.count, encoder) as index:
        figures = measure(index, every, corpus.questions, given.rounds, random.Random(given.seed))
    place = _ours.folder(given.cache, corpus, given.count)
    figures |= memory(place, every, list(corpus.questions[:5]))
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    facts = _ours.facts(corpus, given.count)
    _table.publish("lexical", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()
