"""Documents into passages: whole sections while they are short, else runs of whole sentences.

Every passage is a verbatim stretch of its section: `section.text[p.start:][:len(p.text)] == p.text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from retrieval import sentences
from retrieval.types import Document, Passage, Section

MAX_WORDS = 260
# Scripts without spaces between words: each character counts as a word.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def passages(documents: Iterable[Document], max_words: int = MAX_WORDS) -> Iterator[Passage]:
    """Yield the passages of documents in reading order; ids number them within a document."""
    for document in documents:
        for number, place in enumerate(spans(document, max_words)):
            yield cut(document, number, place)


def spans(document: Document, max_words: int = MAX_WORDS) -> Iterator[tuple[int, int, int]]:
    """Yield the place of each passage: the section's position, the start and the length."""
    for part, section in enumerate(document.sections):
        for start, end in _spans(section, max_words):
            yield part, start, end - start


def cut(
    document: Document, number: int, place: tuple[int, int, int], collection: str = ""
) -> Passage:
    """Return the passage that lies at a place (section, start, length) of a document."""
    part, start, length = place
    section = document.sections[part]
    return Passage(
        id=f"{document.id}#{number}",
        document=document.id,
        title=document.title,
        section=section.title,
        aspect=section.aspect,
        text=section.text[start : start + length],
        start=start,
        kind=document.kind,
        synonyms=document.synonyms,
        source=document.source,
        url=document.url,
        year=document.year,
        journal=document.journal,
        evidence=document.evidence,
        language=document.language,
        status=document.status,
        collection=collection,
    )


def _spans(section: Section, max_words: int) -> Iterator[tuple[int, int]]:
    if _count(section.text) <= max_words:
        if section.text.strip():
            yield 0, len(section.text)
        return
    start: int | None = None
    end, count = 0, 0
    for sentence in sentences.split(section.text):
        size = _count(sentence.text)
        if start is not None and count + size > max_words:
            yield start, end
            start, count = None, 0
        if start is None:
            start = sentence.start
        end, count = sentence.end, count + size
    if start is not None:
        yield start, end


def _count(text: str) -> int:
    """Return how many words a text has, about."""
    return len(text.split()) + len(_UNSPACED.findall(text))
