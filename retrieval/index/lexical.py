"""The lexical half of an index: BM25 over stemmed words, kept by tantivy.

Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import tantivy

from retrieval.types import Passage

_WORD = re.compile(r"[^\W_]+")
_NAMES_BOOST = 0.6


class LexicalIndex:
    """Opened words of an index. Searching is safe from any number of threads."""

    def __init__(self, folder: Path) -> None:
        self._index = tantivy.Index.open(str(folder))

    @staticmethod
    def build(folder: Path, passages: Iterable[Passage]) -> None:
        """Write the words of passages into an empty folder, one row each in order."""
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("row", stored=True, fast=True)
        builder.add_text_field("names", tokenizer_name="en_stem")
        builder.add_text_field("body", tokenizer_name="en_stem")
        index = tantivy.Index(builder.build(), path=str(folder))
        writer = index.writer(heap_size=64_000_000, num_threads=1)
        for row, passage in enumerate(passages):
            document = tantivy.Document()
            document.add_unsigned("row", row)
            document.add_text("names", " ".join(passage.synonyms))
            document.add_text("body", f"{passage.title} {passage.section} {passage.text}")
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to `k` (row, BM25 score), best first; an empty list where no word is known."""
        words = " ".join(_WORD.findall(query.lower()))
        if not words or k < 1:
            return []
        parsed = self._index.parse_query(words, ["body", "names"], {"names": _NAMES_BOOST})
        searcher = self._index.searcher()
        found = searcher.search(parsed, limit=k).hits
        rows = searcher.fast_field_values("row", [address for _, address in found]) if found else []
        return [(int(row or 0), float(score)) for (score, _), row in zip(found, rows, strict=True)]

    def knows(self, word: str) -> bool:
        """Whether any row holds the word, up to inflection."""
        return bool(self.search(word, 1))
