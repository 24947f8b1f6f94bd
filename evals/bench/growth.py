"""How the library's index behaves as it grows: 10,000 passages to a million.

    python -m evals.bench.growth --sizes 10000,30000,100000,200000,1000000 --out growth.json

One index grows from size to size. At each size: the time to add and compact, disk by part, the time
and memory of opening it in a fresh process, the time of questions, how many of the ten nearest
vectors of exact search are found, and how long one document takes to be put in and taken out. Opening
finds the files in the system's cache. Sizes beyond the embedded passages are crossed passages (see
`_corpus`). Each size is kept in a JSON file beside `--out`, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.bench import _ceilings, _corpus, _ours, _paired, _table
from evals.bench.lexical import block
from retrieval import files

SIZES = (10_000, 30_000, 100_000, 200_000, 1_000_000)
QUICK_SIZES = (200, 400)
EACH = 100
_CHUNK = 50_000


def targets(size: int) -> dict[str, _table.Target]:
    """Return what is aimed at for one size."""
    return {
        "opening": _table.Target(most=2),
        "memory after the questions": _table.Target(most=1_500),
        "recall of the 10 nearest": _table.Target(least=0.95),
        "hybrid: 95th percentile": _table.Target(most=40 if size <= 200_000 else 80),
    }


def opened(
    place: str, questions: list[str], vectors_too: bool, rounds: int, each: int
) -> dict[str, Any]:
    """Open an index in this fresh process and ask it; seconds, MB, and milliseconds a question.

    Args:
        place: the index folder.
        questions: other ones for every round.
        vectors_too: whether to measure dense and lexical search by themselves as well.
        rounds: how often a percentile is taken.
        each: questions a round.
    """
    from retrieval.index.store import Index

    encoder = _ours.encoder()
    _paired.pin()
    encoder.embed(questions[:2])
    before = _paired.memory()
    value: dict[str, Any] = {"opening": [_open_s(Path(place), encoder) for _ in range(rounds)]}
    index = Index.open(Path(place), encoder)
    searching = _ours.searcher(index, encoder)
    searching.search(questions[0], _ours.K, "fused")
    after = _paired.memory()
    value["memory once open"] = [after.total - before.total]
    modes = ("fused", "dense", "lexical") if vectors_too else ("fused",)
    for mode in modes:
        spent = [
            [_ms(searching, question, mode) for question in block(questions, number, each)]
            for number in range(rounds)
        ]
        name = "hybrid" if mode == "fused" else mode
        value[f"{name}: median"] = [float(np.percentile(s, 50)) for s in spent]
        value[f"{name}: 95th percentile"] = [float(np.percentile(s, 95)) for s in spent]
    last = _paired.memory()
    value["memory after the questions"] = [last.total - before.total]
    value["of this not mirroring files"] = [last.private - before.private]
    return value


def _open_s(place: Path, encoder: Any) -> float:
    """Return the wall seconds of opening an index whose libraries are loaded already."""
    import retrieval.index.lexical  # noqa: F401 - its library is not part of opening
    from retrieval.index.store import Index

    began = time.perf_counter()
    index = Index.open(place, encoder)
    spent = time.perf_counter() - began
    index.close()
    return spent


def _ms(searching: Any, question: str, mode: str) -> float:
    began = time.perf_counter()
    searching.search(question, _ours.K, mode)
    return 1_000 * (time.perf_counter() - began)


def recall(index: Any, asked: NDArray[np.float32]) -> float:
    """Return the share of the ten nearest live vectors that the index finds, over the questions."""
    total = len(index.passages)
    allowed = index.allowed(None)
    scores = np.zeros((len(asked), 0), dtype=np.float32)
    rows = np.zeros((len(asked), 0), dtype=np.int64)
    for start in range(0, total, _CHUNK):
        stop = min(start + _CHUNK, total)
        found = asked @ index.vectors[start:stop].T
        if allowed is not None:
            found[:, ~allowed[start:stop]] = -2
        scores = np.concatenate([scores, found], axis=1)
        numbers = np.broadcast_to(np.arange(start, stop), found.shape)
        rows = np.concatenate([rows, numbers], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : _ours.K]
        scores = np.take_along_axis(scores, best, axis=1)
        rows = np.take_along_axis(rows, best, axis=1)
    mine = [[row for row, _ in index.dense(vector, _ours.K)] for vector in asked]
    return _paired.overlap(mine, rows.tolist())


def one_document(
    place: Path, corpus: _corpus.Corpus, first: int, rounds: int, encoder: Any
) -> dict[str, list[float]]:
    """Return the wall seconds of opening a writer, and of putting one document in and out again.

    Every round opens a writer anew, which checks every digest.
    """
    from retrieval.index.writer import Writer

    value: dict[str, list[float]] = {"writer opened": [], "document in": [], "document out": []}

    def told(name: str, work: Callable[[], Any]) -> None:
        began = time.perf_counter()
        work()
        value[name].append(time.perf_counter() - began)

    for number in range(first, first + rounds):
        pieces, vectors = corpus.rows(range(number, number + 1))
        given = _corpus.documents(pieces, number)
        with ExitStack() as stack:
            writer = Writer(place, encoder)
            told("writer opened", functools.partial(stack.enter_context, writer))
            told("document in", functools.partial(writer.commit, given, vectors=vectors))
            told("document out", functools.partial(writer.commit, remove=[given[0].id]))
    return value


def disk(place: Path) -> dict[str, int]:
    """Return the bytes of the published generation by part: vectors, neighbours, words, text, rest."""
    generation = place / (place / "CURRENT").read_text(encoding="utf-8").split()[0]
    sizes: Counter[str] = Counter()
    for path in generation.rglob("*"):
        if path.is_file():
            sizes[_part(path.relative_to(generation))] += path.stat().st_size
    return dict(sizes)


def _part(path: Path) -> str:
    if path.parts[0] == "lexical":
        return "words"
    names = {"vectors.f16": "vectors", "ivf.faiss": "neighbours", "documents.bin": "text"}
    return names.get(path.name, "rest")


def grow_to(
    place: Path, corpus: _corpus.Corpus, size: int, encoder: Any
) -> tuple[list[float], int]:
    """Bring the index to a size; the wall seconds of every step, and the passages added."""
    from retrieval.errors import IndexError_
    from retrieval.index.store import Index

    try:
        with closing(Index.open(place, encoder)) as index:
            held = _ours.live(index)
    except IndexError_:
        held = 0
    if held >= size:  # of an earlier run: what is added now is to be timed
        shutil.rmtree(place)
        held = 0
    spent: list[float] = []
    _ours.grow(place, corpus, range(held, size), encoder, spent.append)
    return spent, size - held


def at(
    place: Path, corpus: _corpus.Corpus, size: int, given: argparse.Namespace, encoder: Any
) -> dict[str, Any]:
    """Return everything about one size."""
    from retrieval.index.store import Index

    spent, added = grow_to(place, corpus, size, encoder)
    bytes_ = disk(place)
    questions = list(corpus.questions[: EACH * given.rounds + 2])
    values = _paired.in_child(
        opened,
        place=str(place),
        questions=questions,
        vectors_too=True,
        rounds=given.rounds,
        each=min(EACH, len(questions)),
    )
    asked = encoder.embed(corpus.questions[:EACH])
    with closing(Index.open(place, encoder)) as index:
        values["recall of the 10 nearest"] = [recall(index, asked)]
        layout = [dict(segment.meta["layout"]) for segment in index.segments]
    changed = one_document(place, corpus, size, given.rounds, encoder)
    values |= {key: [1_000 * s for s in seconds] for key, seconds in changed.items()}
    if added:
        values["adding and compacting"] = [1e6 * sum(spent) / added]
        values["of this the compaction"] = [spent[-1]]
    values["disk"] = [sum(bytes_.values()) / size]
    values |= {f"disk: {part}": [count / size] for part, count in sorted(bytes_.items())}
    return {"size": size, "values": values, "layout": layout, "added": added}


_UNITS = {"opening": "s", "of this the compaction": "s", "adding and compacting": "us a passage"}
_UNITS |= {"recall of the 10 nearest": "share of 10"}


def unit(name: str) -> str:
    """Return the unit of a value by its name."""
    if name in _UNITS:
        return _UNITS[name]
    if name.startswith(("memory", "of this not")):
        return "MB"
    return "B a passage" if name.startswith("disk") else "ms"


def publish(
    sizes: Sequence[dict[str, Any]], before: dict[str, Any], given: Any, facts: Any
) -> None:
    """Print and write the figures of all sizes as one benchmark."""
    figures: dict[str, _table.Figure] = {}
    aims: dict[str, _table.Target] = {}
    for value in sizes:
        label = f"{value['size']:,}"
        for name, numbers in value["values"].items():
            figures[f"{label}: {name}"] = _table.figure(numbers, unit(name))
        aims |= {f"{label}: {name}": aim for name, aim in targets(value["size"]).items()}
    figures |= _ceilings.figures(read_mb=8 if given.quick else 512)
    _table.publish("growth", figures, before, given.out, facts=facts, targets=aims)


def main() -> None:
    """Measure and print."""
    parser = _ours.parser(__doc__, rounds=3)
    words = ",".join(map(str, SIZES))
    parser.add_argument("--sizes", default=words, help=f"passages, rising ({words})")
    given = parser.parse_args()
    _paired.one_thread()
    _paired.pin()
    _ours.shrink(given)
    sizes = QUICK_SIZES if given.quick else sorted(int(s) for s in given.sizes.split(","))
    before = _table.machine()
    encoder = _ours.encoder()
    corpus = _ours.corpus(given, encoder)
    place = given.cache / f"growing-{corpus.origin}-{len(corpus.vectors)}"
    found = []
    for size in sizes:
        kept = given.out.with_name(f"{given.out.stem}-{size}.json") if given.out else None
        if kept is not None and kept.is_file():
            found.append(json.loads(kept.read_text(encoding="utf-8")))
            continue
        found.append(at(place, corpus, size, given, encoder))
        print(f"{size:,} passages measured")
        if kept is not None:
            files.write_json(kept, found[-1])
    facts = _ours.facts(corpus, max(sizes)) | {
        "layouts": {str(value["size"]): value["layout"] for value in found},
    }
    publish(found, before, given, facts)


if __name__ == "__main__":
    main()
