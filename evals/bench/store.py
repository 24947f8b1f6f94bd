"""How fast passages are put into a store and the store is opened, against LangChain's FAISS store.

    python -m evals.bench.store --count 200000 --rounds 5 --out store.json

Both sides end each addition with the passages on disk: ours commits a generation (records, words,
vectors, digests, synced), theirs adds to its index in memory and saves, which writes all of it again.
Opening ends with the first answer by vector. The vectors are given, so no embedding is counted. Ours
also keeps the words of the passages and checks every digest; theirs does neither.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evals.bench import _ceilings, _corpus, _ours, _paired, _peers, _table
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.index.writer import Writer

OURS, THEIRS = "auscult", "FAISS store"
ADDED = (1, 1_000)
BULK = 10_000
TARGETS = {
    "opening: times faster": _table.Target(least=10),
    **{f"adding {size}: times faster": _table.Target(least=20) for size in ADDED},
}


@dataclass(frozen=True, eq=False)
class Batch:
    """Passages to be added, in the form that each side takes them.

    Attributes:
        documents: for ours.
        vectors: unit vectors, float32 (passages, width), for ours.
        texts: for theirs.
        lists: the vectors as lists of floats, which LangChain's interface takes.
        rows: metadata for theirs.
    """

    documents: list[Document]
    vectors: NDArray[np.float32]
    texts: list[str]
    lists: list[list[float]]
    rows: list[dict[str, int]]


def batches(corpus: _corpus.Corpus, first: int, size: int, count: int) -> list[Batch]:
    """Return batches of passages from number `first` on."""
    found = []
    for start in range(first, first + size * count, size):
        numbers = range(start, start + size)
        pieces, vectors = corpus.rows(numbers)
        rows = [{"row": number} for number in numbers]
        documents = _corpus.documents(pieces, start)
        texts = _corpus.embedded(pieces)
        found.append(Batch(documents, vectors, texts, vectors.tolist(), rows))
    return found


def adding(
    writer: Writer, store: Any, saved: Path, given: Sequence[Batch]
) -> dict[str, Callable[[int], Any]]:
    """Return what adds the batch of a round durably, for both; both stores are open already."""

    def ours(number: int) -> Any:
        writer.commit(given[number].documents, vectors=given[number].vectors)

    def theirs(number: int) -> Any:
        batch = given[number]
        store.add_embeddings(zip(batch.texts, batch.lists, strict=True), metadatas=batch.rows)
        store.save_local(str(saved))

    return {OURS: ours, THEIRS: theirs}


def bulk(folder: Path, given: Sequence[Batch], encoder: Any) -> dict[str, Callable[[int], Any]]:
    """Return what puts the batch of a round into a store that is new, for both."""
    from retrieval.index.writer import Writer

    def ours(number: int) -> Any:
        with Writer(folder / f"ours{number}", encoder) as writer:
            writer.commit(given[number].documents, vectors=given[number].vectors)

    def theirs(number: int) -> Any:
        batch = given[number]
        store = _peers.faiss_store(batch.texts, batch.lists, encoder)
        store.save_local(str(folder / f"theirs{number}"))

    return {OURS: ours, THEIRS: theirs}


def opening(
    place: Path, saved: Path, vectors: NDArray[np.float32], encoder: Any
) -> dict[str, Callable[[int], list[str]]]:
    """Return what opens each store and asks it for the ten nearest texts."""
    from retrieval.index.store import Index, embedded_text

    def ours(number: int) -> list[str]:
        with closing(Index.open(place, encoder)) as index:
            rows = [row for row, _ in index.dense(vectors[number], _ours.K)]
            return [embedded_text(index.passages[row]) for row in rows]

    def theirs(number: int) -> list[str]:
        store = _peers.open_faiss_store(saved, encoder)
        found = store.similarity_search_by_vector(vectors[number].tolist(), k=_ours.K)
        return [document.page_content for document in found]

    return {OURS: ours, THEIRS: theirs}


def figures_of(name: str, found: _paired.Rounds) -> dict[str, _table.Figure]:
    """Return the times of both and their ratios, by the processor and by the clock."""
    figures = {f"{name}: {side}": _table.figure(found.wall_s[side], "s") for side in (OURS, THEIRS)}
    figures[f"{name}: times faster"] = found.ratio(THEIRS, OURS)
    walls = zip(found.wall_s[THEIRS], found.wall_s[OURS], strict=True)
    figures[f"{name}: times faster by the clock"] = _table.figure([a / b for a, b in walls], "x")
    return figures


def measure(
    corpus: _corpus.Corpus, place: Path, given: argparse.Namespace, encoder: Any, scratch: Path
) -> dict[str, _table.Figure]:
    """Return all figures.

    Args:
        corpus: the passages.
        place: an index of the first `given.count`, which is added to.
        given: the options.
        encoder: embeds the questions.
        scratch: an empty folder for the other stores.
    """
    from retrieval.index.writer import Writer

    generator = random.Random(given.seed)
    every, vectors = corpus.rows(range(given.count))
    saved = scratch / "saved"
    store = _peers.faiss_store(_corpus.embedded(every), vectors, encoder)
    store.save_local(str(saved))
    asked = encoder.embed(corpus.questions[: given.rounds + 1])
    asked = asked[np.arange(given.rounds + 1) % len(asked)]
    found = _paired.compare(opening(place, saved, asked, encoder), given.rounds, generator)
    figures = figures_of("opening", found)
    pairs = zip(found.outputs[OURS], found.outputs[THEIRS], strict=True)
    shares = [_paired.overlap([a], [b]) for a, b in pairs]
    figures["opening: agreement of the first answer"] = _table.figure(shares, "share of 10")
    first = given.count
    with Writer(place, encoder) as writer:
        for size in ADDED:
            added = batches(corpus, first, size, given.rounds + 1)
            first += size * len(added)
            found = _paired.compare(adding(writer, store, saved, added), given.rounds, generator)
            figures |= figures_of(f"adding {size}", found)
    whole = batches(corpus, 0, min(BULK, given.count), given.rounds + 1)
    work = bulk(scratch, whole, encoder)
    return figures | figures_of("new store", _paired.compare(work, given.rounds, generator))


def main() -> None:
    """Measure and print."""
    given = _ours.parser(__doc__).parse_args()
    _paired.one_thread()
    _paired.pin()
    _ours.shrink(given)
    before = _table.machine()
    encoder = _ours.encoder()
    corpus = _ours.corpus(given, encoder)
    with _ours.index(given.cache, corpus, given.count, encoder):
        pass
    with tempfile.TemporaryDirectory(dir=given.cache) as name:
        place = Path(name) / "index"
        shutil.copytree(_ours.folder(given.cache, corpus, given.count), place)
        figures = measure(corpus, place, given, encoder, Path(name))
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    facts = _ours.facts(corpus, given.count) | {
        "passages of a new store": min(BULK, given.count),
    }
    _table.publish("store", figures, before, given.out, facts=facts, targets=TARGETS)


if __name__ == "__main__":
    main()
