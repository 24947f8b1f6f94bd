"""The product's side of the benchmarks at scale: the encoder, indexes in the cache, and searchers.

The encoder is the one that made the corpus's vectors, without an adapter: an adapter is merged into
the weights, so speed and memory are the same with it.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.bench import _corpus, _table

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index.store import Index
    from retrieval.search import Searcher

COUNT = 200_000
QUICK_COUNT = 400
QUICK_PIECES = 200
EMBEDDED = 20_000
BATCH = 20_000
K = 10


def parser(doc: str | None, rounds: int = 5, count: int = COUNT) -> argparse.ArgumentParser:
    """Return a parser with the options of a benchmark over the corpus."""
    made = _table.parser((doc or "").partition("\n")[0], rounds)
    made.add_argument("--count", type=int, default=count, help=f"passages ({count})")
    made.add_argument(
        "--cache", type=Path, default=_corpus.CACHE, help=f"texts and indexes ({_corpus.CACHE})"
    )
    return made


def shrink(given: argparse.Namespace) -> argparse.Namespace:
    """Return the options with the sizes of --quick where that is given."""
    if given.quick:
        given.count = min(given.count, QUICK_COUNT)
        given.rounds = min(given.rounds, 2)
    return given


def encoder(**options: Any) -> Encoder:
    """Return the encoder without an adapter; options go to `Encoder.load`."""
    from retrieval.encoder import Encoder

    return Encoder.load(adapter="", **options)


def corpus(given: argparse.Namespace, using: Encoder) -> _corpus.Corpus:
    """Return the corpus with `EMBEDDED` real vectors at least; a quick run has a few pieces only."""
    if given.quick:
        return _corpus.load(using, given.cache, limit=QUICK_PIECES, embed=QUICK_PIECES)
    return _corpus.load(using, given.cache, embed=EMBEDDED)


def folder(cache: Path, text: _corpus.Corpus, count: int) -> Path:
    """Return where the cache has the index of so many passages."""
    return cache / f"index-{text.origin}-{len(text.vectors)}-{count}"


@contextmanager
def index(cache: Path, text: _corpus.Corpus, count: int, using: Encoder) -> Iterator[Index]:
    """Open the index of the first `count` passages; builds it where the cache does not have it."""
    place = folder(cache, text, count)
    opened = _open(place, count, using)
    if opened is None:
        shutil.rmtree(place, ignore_errors=True)
        grow(place, text, range(count), using)
        opened = _open(place, count, using)
    if opened is None:
        raise SystemExit(f"The index in {place} does not hold the {count} passages put into it.")
    with closing(opened):
        yield opened


def grow(
    place: Path,
    text: _corpus.Corpus,
    numbers: range,
    using: Encoder,
    spent: Callable[[float], None] | None = None,
) -> None:
    """Add passages to an index in commits of `BATCH`, then compact it.

    Args:
        place: the index folder; made if absent.
        text: the corpus.
        numbers: which of its passages.
        using: the encoder, which makes no vector here.
        spent: told the wall seconds of each commit and of the compaction; making the passages up
            is not counted.
    """
    from retrieval.index.writer import Writer

    def told(work: Callable[[], Any]) -> None:
        began = time.perf_counter()
        work()
        if spent is not None:
            spent(time.perf_counter() - began)

    with Writer(place, using) as writer:
        for documents, vectors in text.batches(len(numbers), BATCH, numbers.start):
            told(lambda d=documents, v=vectors: writer.commit(d, vectors=v))  # type: ignore[misc]
        told(writer.compact)


def facts(text: _corpus.Corpus, count: int) -> dict[str, Any]:
    """Return what a reader must know of the passages that were searched."""
    pieces, _ = text.rows(range(min(count, 5_000)))
    words = sum(len(given.split()) for given in _corpus.embedded(pieces)) / len(pieces)
    return {
        "passages": count,
        "real texts": min(count, len(text.pieces)),
        "real vectors": min(count, len(text.vectors)),
        "text": f"{text.origin} data, at most {_corpus.WORDS} words a passage",
        "words a passage": round(words, 1),
        "threads": 1,
    }


def live(opened: Index) -> int:
    """Return how many rows of an index are live."""
    allowed = opened.allowed(None)
    return len(opened.passages) if allowed is None else int(allowed.sum())


def searcher(opened: Index, using: Encoder, reranker: Any = None) -> Searcher:
    """Return a searcher over one index."""
    from retrieval.search import Searcher

    return Searcher((opened,), using, reranker)


def number(passage_id: str) -> int:
    """Return the corpus's number of a passage, from its id."""
    start, _, place = passage_id.removeprefix("bench").partition("#")
    return int(start) + int(place)


def numbers(opened: Index, rows: Sequence[int]) -> list[int]:
    """Return the corpus's numbers of rows of an index."""
    return [number(opened.passages[row].id) for row in rows]


def _open(place: Path, count: int, using: Encoder) -> Index | None:
    from retrieval.errors import IndexError_
    from retrieval.index.store import Index

    try:
        opened = Index.open(place, using)
    except IndexError_:
        return None
    if live(opened) == count:
        return opened
    opened.close()
    return None
