"""The lexical half of an index: BM25 over stemmed words, kept by tantivy.

A passage is known here by `place`: its document's uid and its number within the document. Places
never change, so that merging segments of vectors leaves the words alone; whoever opens the words
gives the map between places and rows. Ids and identifiers of documents are looked up here too.

Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond".
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import tantivy
from numpy.typing import NDArray

from retrieval.index import analysis
from retrieval.types import Passage

Hits = list[tuple[int, float]]
Term = tantivy.Query.term_query
NUMBER_BITS = 24  # a place is uid << NUMBER_BITS | number
_NAMES_BOOST = 0.6
_MAX_TERMS = 512
_MAX_KEY = 200
_FEW_ROWS = 2000
_REWRITTEN = ("meta.json", ".managed.json")


class Places(Protocol):
    """Maps places to rows of an opened index and back."""

    def rows(self, places: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of each place, -1 where there is none."""
        ...

    def uids(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the uids of the rows' documents, each once."""
        ...


class LexicalIndex:
    """Opened words of an index. Searching is safe from any number of threads."""

    def __init__(self, folder: Path, places: Places | None = None) -> None:
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")  # a generation never changes: nothing to watch
        self._schema = index.schema
        self._searcher = index.searcher()
        self._places = places
        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        builder = builder.filter(tantivy.Filter.remove_long(40)).filter(tantivy.Filter.lowercase())
        self._stems = builder.filter(tantivy.Filter.stemmer("english")).build()

    @staticmethod
    def build(folder: Path, passages: Iterable[Passage]) -> None:
        """Write the words of passages into an empty folder, one row each in order."""
        with LexicalWriter(folder) as writer:
            for row, passage in enumerate(passages):
                writer.add(row, 0, passage)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def search(
        self,
        query: str,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        extra: Sequence[tuple[str, float]] = (),
    ) -> Hits:
        """Return up to `k` (row, BM25 score), best first; an empty list where no word is known.

        Args:
            query: any text.
            k: rows wanted.
            allowed: bool (rows,); only rows that it allows are counted.
            extra: further words, each with the weight of their scores.
        """
        clauses = self._clauses(query, 1.0)
        for words, weight in extra:
            clauses += self._clauses(words, weight)
        if not clauses or k < 1:
            return []
        asked = tantivy.Query.boolean_query(clauses)
        if allowed is None:
            return self._hits(asked, k, k)[0]
        return self._allowed_hits(asked, k, allowed)

    def knows(self, word: str) -> bool:
        """Whether any row holds the word, up to inflection."""
        return self.frequency(word) > 0

    def frequency(self, word: str) -> int:
        """Return how many rows hold the word, up to inflection; for several words, the rarest."""
        stems = self._stems.analyze(analysis.terms(word))
        counts = [
            max(self._searcher.doc_freq("body", s), self._searcher.doc_freq("names", s))
            for s in stems
        ]
        return min(counts, default=0)

    def place(self, key: str, field: Literal["document", "key"] = "document") -> int | None:
        """Return the place of a document's first passage by its id or another key, or None."""
        query = Term(self._schema, field, bounded(key), "basic")
        addresses = [a for _, a in self._searcher.search(query, limit=1, count=False).hits]
        found = self._searcher.fast_field_values("row", addresses) if addresses else []
        return int(found[0]) if found and found[0] is not None else None

    def uid_rows(self, uid: int) -> int:
        """Return how many passages of a document are held."""
        return int(self._searcher.doc_freq("uid", uid))

    def _clauses(self, text: str, weight: float) -> list[tuple[Any, Any]]:
        # Single-term clauses only: a flat union lets tantivy skip whole blocks (block-max WAND).
        counts = Counter(self._stems.analyze(analysis.terms(text)))
        clauses = []
        for stem, times in list(counts.items())[:_MAX_TERMS]:
            for name, boost in (("body", 1.0), ("names", _NAMES_BOOST)):
                if name == "names" and not self._searcher.doc_freq(name, stem):
                    continue
                term = Term(self._schema, name, stem, "freq")
                factor = boost * weight * times
                query = term if factor == 1.0 else tantivy.Query.boost_query(term, factor)
                clauses.append((tantivy.Occur.Should, query))
        return clauses

    def _allowed_hits(self, asked: Any, k: int, allowed: NDArray[np.bool_]) -> Hits:
        count = int(np.count_nonzero(allowed))
        if not count:
            return []
        limit = math.ceil(1.3 * k * len(allowed) / count) + 16
        if count <= _FEW_ROWS and limit > _FEW_ROWS and self._places is not None:
            # Few rows among many: tantivy itself looks at these documents only.
            uids = self._places.uids(np.flatnonzero(allowed)).tolist()
            among = tantivy.Query.term_set_query(self._schema, "uid", uids)
            among = tantivy.Query.const_score_query(among, 0.0)
            must = tantivy.Occur.Must
            asked = tantivy.Query.boolean_query([(must, asked), (must, among)])
            limit = k
        while True:
            hits, more = self._hits(asked, limit, len(allowed))
            hits = [hit for hit in hits if allowed[hit[0]]][:k]
            if len(hits) == k or not more:
                return hits
            limit *= 4

    def _hits(self, asked: Any, limit: int, rows: int) -> tuple[Hits, bool]:
        """Return hits and whether there may be more."""
        limit = min(limit, max(len(self), 1))
        found = self._searcher.search(asked, limit=limit, count=False).hits
        if not found:
            return [], False
        values = self._searcher.fast_field_values("row", [address for _, address in found])
        places: NDArray[np.uint64] = np.array(values, dtype=np.uint64)
        at = self._places.rows(places) if self._places else places >> np.uint64(NUMBER_BITS)
        hits = [(r, float(s)) for r, (s, _) in zip(at.tolist(), found, strict=True) if r >= 0]
        return hits, len(found) == limit < len(self)


class LexicalWriter:
    """Adds and removes documents in a folder that nobody reads yet; a context manager.

    Raises:
        ValueError: from any method, where tantivy can't read or write its files.
    """

    def __init__(self, folder: Path, heap_bytes: int = 64_000_000) -> None:
        fresh = not (folder / "meta.json").exists()
        self._index = (
            tantivy.Index(_schema(), path=str(folder)) if fresh else tantivy.Index.open(str(folder))
        )
        self._writer = self._index.writer(heap_size=heap_bytes, num_threads=1)

    def __enter__(self) -> LexicalWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._writer.commit()
            self._writer.wait_merging_threads()

    def remove(self, uids: Sequence[int]) -> None:
        """Remove every passage of documents that were there before this writer was made."""
        # By query: tantivy 0.27's delete_documents_by_term takes a number and removes nothing.
        query = tantivy.Query.term_set_query(self._index.schema, "uid", list(uids))
        self._writer.delete_documents_by_query(query)

    def add(self, uid: int, number: int, passage: Passage, keys: Iterable[str] = ()) -> None:
        """Add a passage; its document's id and `keys` are looked up through number 0."""
        document = tantivy.Document()
        document.add_unsigned("row", uid << NUMBER_BITS | number)
        document.add_unsigned("uid", uid)
        if number == 0:
            document.add_text("document", bounded(passage.document))
            for key in keys:
                document.add_text("key", bounded(key))
        if passage.synonyms:
            document.add_text("names", analysis.analyse(" ".join(passage.synonyms)))
        body = f"{passage.title} {passage.section} {passage.text}"
        document.add_text("body", analysis.analyse(body))
        self._writer.add_document(document)


def bounded(key: str) -> str:
    """Return a key that fits a term: long ones by their digest."""
    if len(key) <= _MAX_KEY:
        return key
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def link(old: Path, new: Path) -> None:
    """Make `new` a copy of the words in `old` that can be written without touching `old`.

    tantivy never changes a file but the two that list the others; all else is hard-linked.
    """
    new.mkdir(exist_ok=True)
    for path in old.iterdir():
        if path.name in _REWRITTEN:
            shutil.copyfile(path, new / path.name)
        elif path.suffix != ".lock":
            link_file(path, new / path.name)


def link_file(old: Path, new: Path) -> None:
    """Hard-link a file that never changes, or copy it where links can't be made."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", fast=True)
    builder.add_unsigned_field("uid", indexed=True)
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("names", tokenizer_name="en_stem", index_option="freq")
    builder.add_text_field("body", tokenizer_name="en_stem", index_option="freq")
    return builder.build()
