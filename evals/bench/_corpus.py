"""The text that the benchmarks at scale work on: short passages with their vectors, at any size.

Passages are cut from the shared measuring data where it is there, else from the starter library, and
embedded once by the product's encoder; texts and vectors (float16) are kept in a cache folder, in
blocks, so that an interrupted run goes on. What lies beyond is made up:

- a real passage that is not embedded yet gets the direction between two real vectors, with a little
  noise: a vector like the others, which does not mean its text;
- a passage beyond the real ones is **crossed**: the first half of one embedded passage with the second
  half of another, and the direction between their two vectors.

Words keep their natural frequencies and vectors their clusters, so that speed, memory and disk are as
with real ones; no figure of what is relevant may be read off them.

    python -m evals.bench._corpus --cache /tmp/bench     # embeds what is missing; may be stopped
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

CACHE = Path(tempfile.gettempdir()) / "bench"
WORDS = 60
BLOCK = 2_000
NOISE = 0.15
_SEED = 20
_GROUP = 3


class Piece(NamedTuple):
    """A passage to be: the article's id and title, the year or None, and at most `WORDS` words."""

    article: str
    title: str
    year: int | None
    text: str


@dataclass(frozen=True, eq=False)
class Corpus:
    """Passages with vectors, and questions to ask of them.

    Attributes:
        pieces: the real ones, those of one article side by side.
        vectors: unit vectors of the first of them, float16 (embedded, width).
        questions: real questions, in an order of their own.
        origin: "shared" or "starter".
    """

    pieces: Sequence[Piece]
    vectors: NDArray[np.float16]
    questions: Sequence[str]
    origin: str

    def batches(
        self, count: int, size: int = 20_000, start: int = 0
    ) -> Iterator[tuple[list[Document], NDArray[np.float32]]]:
        """Yield documents and the vectors of their passages, `count` passages in all.

        A section is one passage. The real pieces come first, then crossed ones. An article that
        reaches over the end of a batch becomes two documents.

        Args:
            count: passages wanted after `start`.
            size: passages a batch, about.
            start: number of the first passage.
        """
        taken = start
        while taken < start + count:
            stop = min(taken + size, start + count)
            numbers = range(taken, stop)
            pieces, vectors = self.rows(numbers)
            yield documents(pieces, taken), vectors
            taken = stop

    def rows(self, numbers: range) -> tuple[list[Piece], NDArray[np.float32]]:
        """Return pieces and unit vectors, float32 (len(numbers), width), of any row numbers."""
        held = len(self.vectors)
        real = range(numbers.start, max(numbers.start, min(numbers.stop, held)))
        parts = [np.asarray(self.vectors[real.start : real.stop], dtype=np.float32)]
        made = range(max(numbers.start, held), numbers.stop)
        pairs = [self._pair(number) for number in made]
        if pairs:
            parts.append(self._between(pairs, made.start))
        pieces = list(self.pieces[numbers.start : numbers.stop])
        for number, pair in zip(made, pairs, strict=True):
            if number >= len(self.pieces):
                pieces.append(self._crossed(number, *pair))
        return pieces, np.concatenate(parts)

    def _pair(self, number: int) -> tuple[int, int]:
        """Return the two embedded pieces that a row is made of; those of one article share one."""
        choose = random.Random(number // _GROUP)
        first, *others = (choose.randrange(len(self.vectors)) for _ in range(_GROUP + 1))
        return first, others[number % _GROUP]

    def _crossed(self, number: int, first: int, second: int) -> Piece:
        a, b = self.pieces[first], self.pieces[second]
        head, tail = a.text.split(), b.text.split()
        text = " ".join([*head[: len(head) // 2 + 1], *tail[len(tail) // 2 :]])
        return Piece(f"x{number // _GROUP}", a.title, a.year, text)

    def _between(self, pairs: Sequence[tuple[int, int]], seed: int) -> NDArray[np.float32]:
        one, two = np.array(pairs).T
        vectors = self.vectors[one].astype(np.float32) + self.vectors[two].astype(np.float32)
        noise = np.random.default_rng(seed).standard_normal(vectors.shape, dtype=np.float32)
        vectors += noise * np.float32(NOISE / np.sqrt(vectors.shape[1]))
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def documents(pieces: Sequence[Piece], first: int) -> list[Document]:
    """Return pieces as documents: those of one article, side by side, are sections of one.

    Args:
        pieces: in row order.
        first: row number of the first, which makes the ids unique over batches.
    """
    groups: list[list[Piece]] = []
    starts: list[int] = []
    for number, piece in enumerate(pieces, first):
        if groups and groups[-1][0].article == piece.article:
            groups[-1].append(piece)
        else:
            groups.append([piece])
            starts.append(number)
    return [
        Document(
            id=f"bench{start:09d}",
            title=group[0].title,
            sections=tuple(Section("", "", piece.text) for piece in group),
            kind="article",
            year=group[0].year,
            identifiers=(f"bench:{start}",),
        )
        for start, group in zip(starts, groups, strict=True)
    ]


def embedded(pieces: Iterable[Piece]) -> list[str]:
    """Return the texts that stand for pieces in the vector space, as the index makes them."""
    return [f"{piece.title}. {piece.text}" if piece.title else piece.text for piece in pieces]


def load(
    encoder: Encoder, cache: Path = CACHE, *, limit: int | None = None, embed: int = 0
) -> Corpus:
    """Return the corpus with the vectors that the cache has.

    Args:
        encoder: makes the vectors that are missing.
        cache: folder of texts and vectors; made if absent.
        limit: pieces at most.
        embed: pieces to have vectors at least; what is missing is embedded first.
    """
    origin = "shared" if _shared() is not None else "starter"
    folder = cache / f"{origin}-{_digest(encoder.identity)}"
    pieces, questions = _texts(cache / f"{origin}-w{WORDS}.json.gz", origin)
    pieces = pieces[:limit]
    fill(encoder, pieces, folder, max(embed, 1))
    blocks: list[NDArray[np.float16]] = []
    while not blocks or len(blocks[-1]) == BLOCK:
        path = _block(folder, len(blocks))
        if not path.is_file():
            break
        blocks.append(np.load(path, allow_pickle=False))
    return Corpus(pieces, np.concatenate(blocks)[: len(pieces)], questions, origin)


def fill(encoder: Encoder, pieces: Sequence[Piece], folder: Path, count: int) -> None:
    """Embed the blocks of the first `count` pieces that the folder lacks; may be stopped anytime."""
    for number in range(-(-min(count, len(pieces)) // BLOCK)):
        path = _block(folder, number)
        given = pieces[number * BLOCK : (number + 1) * BLOCK]
        if path.is_file() and len(np.load(path, mmap_mode="r", allow_pickle=False)) >= len(given):
            continue
        vectors = encoder.embed(embedded(given)).astype(np.float16)
        with files.atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, vectors, allow_pickle=False)


def _block(folder: Path, number: int) -> Path:
    return folder / f"block{number:04d}.npy"


def _texts(path: Path, origin: str) -> tuple[list[Piece], list[str]]:
    if path.is_file():
        value = json.loads(gzip.decompress(path.read_bytes()))
        return [Piece(*row) for row in value["pieces"]], list(value["questions"])
    generator = random.Random(_SEED)
    articles = list(_shared_articles() if origin == "shared" else _starter_articles())
    generator.shuffle(articles)
    pieces = [
        Piece(name, title, year, text) for name, title, year, body in articles for text in cut(body)
    ]
    questions = _shared_questions() if origin == "shared" else _starter_questions()
    generator.shuffle(questions)
    data = json.dumps({"pieces": pieces, "questions": questions}, ensure_ascii=False)
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(data.encode(), 3))
    return pieces, questions


def cut(text: str, words: int = WORDS) -> Iterator[str]:
    """Yield runs of whole sentences of at most `words` words; a longer sentence is cut."""
    from retrieval import sentences

    run: list[str] = []
    for sentence in sentences.split(text):
        new = sentence.text.split()
        if len(run) + len(new) > words:
            if run:
                yield " ".join(run)
            while len(new) > words:
                yield " ".join(new[:words])
                new = new[words:]
            run = []
        run += new
    if run:
        yield " ".join(run)


_Article = tuple[str, str, int | None, str]


def _starter_articles() -> Iterator[_Article]:
    from evals import starter

    for document in starter.documents():
        body = "\n\n".join(section.text for section in document.sections)
        yield document.id, document.title, document.year, body


def _starter_questions() -> list[str]:
    from evals import starter

    return [str(row["question"]) for row in starter.questions()]


def _shared() -> Path | None:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("AUSCULT_DATA", default))
    return folder if (folder / "README.md").is_file() else None


def _rows(name: str) -> Iterator[dict[str, Any]]:
    folder = _shared()
    assert folder is not None  # noqa: S101 - the callers run where the data is
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _shared_articles() -> Iterator[_Article]:
    for row in _rows("retrieval/scifact_corpus"):
        yield f"s{row['doc_id']}", row["title"], None, " ".join(row["abstract"])
    for row in _rows("literature/rct_articles_open"):
        body = "\n\n".join(text for _, text in [*row["abstract"], *row["body"]])
        year = int(row["year"]) if str(row["year"]).isdigit() else None
        yield f"r{row['pmcid']}", row["title"], year, body
    for row in _rows("retrieval/bioasq_snippets_corpus"):
        yield f"b{row['snippet_id']}", "", None, row["text"]
    for name in ("anatomy_physiology", "microbiology"):
        for row in _rows(f"literature/openstax_{name}"):
            title = row["section"] or row["module"]
            yield f"o{name[0]}{row['id']}", title, None, row["text"]
    seen: set[str] = set()
    for row in _rows("qa/medquad_train"):
        if row["answer"] not in seen:
            seen.add(row["answer"])
            yield f"m{row['id']}", row["question"], None, row["answer"]


def _shared_questions() -> list[str]:
    asked = [str(row["question"]) for row in _rows("qa/bioasq_train")]
    return asked + [str(row["claim"]) for row in _rows("retrieval/scifact_claims_train")]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    """Embed what the cache lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"cache folder ({CACHE})")
    parser.add_argument("--count", type=int, default=200_000, help="passages (200000)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (1)")
    given = parser.parse_args()
    import torch

    from retrieval.encoder import Encoder

    torch.set_num_threads(given.threads)
    corpus = load(Encoder.load(), given.cache, embed=given.count)
    print(
        f"{len(corpus.pieces)} passages of {corpus.origin} text, {len(corpus.questions)} questions"
    )


if __name__ == "__main__":
    main()
