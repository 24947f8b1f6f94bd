"""Annotated documents for the tagger: read, checked, and cut into windows of tokens with their tags.

Tags are BIO. A corpus that doesn't annotate every label leaves tags open, or has a style of its own.
Knows nothing of models or losses.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import tagging
from retrieval.encoder import Encoder, Tokens
from retrieval.errors import InputError

LABELS = ("Disease", "Chemical")
# The NCBI disease corpus' names for ways to mention a disease.
KINDS = {
    "SpecificDisease": "Disease", "DiseaseClass": "Disease", "CompositeMention": "Disease",
    "Modifier": "Disease",
}  # fmt: skip
Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Document:
    """An annotated text.

    Attributes:
        text: what the spans refer to.
        spans: (start, end, label), without overlaps.
        complete: whether every label is annotated, or the first one only.
        style: whose annotation rules it follows, a place in the recipe's styles.
    """

    text: str
    spans: tuple[Span, ...]
    complete: bool
    style: int = 0


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a tokenised document.

    Attributes:
        item: tokens with [CLS] and [SEP].
        shapes: the spelling class of each token, (tokens,).
        inside: whether a token goes on a word, (tokens - 2,).
        open: which tags the annotation leaves open, bool (tokens, tags).
        document: number of the document.
        style: the document's.
    """

    item: Tokens
    shapes: NDArray[np.int64]
    inside: NDArray[np.bool_]
    open: NDArray[np.bool_]
    document: int
    style: int = 0


def tags(labels: Sequence[str]) -> int:
    """Return how many tags there are: O, and B and I of each label."""
    return 2 * len(labels) + 1


def read(
    path: Path, *, complete: bool = True, style: int = 0, labels: Sequence[str] = LABELS
) -> list[Document]:
    """Read documents: JSON lines with title and abstract, or text, and entities over them.

    `entities` lists [start, end, words, type, ...] over `title + " " + abstract`, or over `text`. Of
    spans that overlap, the first and longest is kept.

    Raises:
        InputError: naming the file, the line and what is wrong with it.
    """
    out = []
    for number, row in _lines(path):
        where = f"{path} line {number}"
        if "text" in row:
            text = str(row["text"])
        elif "title" in row and "abstract" in row:
            text = f"{row['title']} {row['abstract']}"
        else:
            raise InputError(
                f"{where} has no text: give 'text', or 'title' and 'abstract'; it has "
                f"{', '.join(sorted(row)) or 'nothing'}."
            )
        if not isinstance(row.get("entities"), list):
            raise InputError(f"{where} has no list 'entities': give [start, end, words, type].")
        spans = _spans(row["entities"], text, labels, where)
        out.append(Document(text, tuple(spans), complete, style))
    if not out:
        raise InputError(f"{path} is empty: give annotated documents.")
    return out


def _spans(given: list[Any], text: str, labels: Sequence[str], where: str) -> list[Span]:
    found: list[Span] = []
    try:
        ordered = sorted(given, key=lambda e: (e[0], -e[1]))
        for start, end, _, kind, *_ in ordered:
            label = KINDS.get(kind, kind)
            if label not in labels:
                raise InputError(
                    f"{where} has an entity of type {kind!r}: name it in options.labels, which has "
                    f"{', '.join(labels)}."
                )
            if not 0 <= start < end <= len(text):
                raise InputError(f"{where} has an entity outside its text: mend its offsets.")
            if not found or start >= found[-1][1]:
                found.append((start, end, label))
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{where} has an entity that is not [start, end, words, type].") from error
    return found


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise InputError(f"{path} line {number} is no JSON object: mend it.")
                    yield number, row
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"The data file {path} can't be read: {error}.") from error


def windows(
    encoder: Encoder,
    documents: Iterable[Document],
    max_tokens: int,
    shift: int = 0,
    labels: Sequence[str] = LABELS,
) -> list[Window]:
    """Cut documents into windows of up to `max_tokens`; `shift` moves the first cut."""
    start, stop = encoder.special
    free = np.ones((1, tags(labels)), dtype=np.bool_)
    out = []
    for number, document in enumerate(documents):
        item = encoder.tokenize([document.text], max_tokens=1 << 30)[0]
        shapes, inside = tagging.features(encoder, document.text, item)
        allowed = _open_tags(document, item.offsets[1:-1], labels)
        size = max_tokens - 2
        cuts = [0, *range(size - shift if shift else size, len(inside), size), len(inside)]
        for first, last in pairwise(cuts):
            ids = item.ids[1:-1][first:last]
            out.append(
                Window(
                    Tokens(
                        (start, *ids, stop),
                        (0,) * (len(ids) + 2),
                        ((0, 0), *item.offsets[1:-1][first:last], (0, 0)),
                    ),
                    np.array([0, *shapes[first:last], 0]),
                    inside[first:last],
                    np.vstack([free, allowed[first:last], free]),
                    number,
                    document.style,
                )
            )
    return out


def _open_tags(
    document: Document, offsets: Sequence[tuple[int, int]], labels: Sequence[str]
) -> NDArray[np.bool_]:
    """Return the tags that the annotation leaves open, bool (tokens, tags)."""
    out = np.zeros((len(offsets), tags(labels)), dtype=np.bool_)
    out[:, 0] = True
    if not document.complete and not document.style:
        out[:, 3:] = True  # a style of its own never learns the labels that it lacks
    for start, end, label in document.spans:
        tag = 1 + 2 * labels.index(label)
        covered = [i for i, (s, e) in enumerate(offsets) if s < end and e > start]
        for place, index in enumerate(covered):
            out[index] = False
            out[index, tag + (place > 0)] = True
    return out
