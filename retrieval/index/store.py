"""An opened index: one generation of documents, passages, vectors and words, read-only.

Everything is memory-mapped and checked by digest before it is used, since faiss loads a damaged
file without a word. A reader that has an older generation open keeps it while newer ones are
published (retrieval.index.writer). Knows nothing of queries or ranking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexError_
from retrieval.index import analysis, dense, generations
from retrieval.index.generations import FORMAT as FORMAT
from retrieval.index.generations import current as current
from retrieval.index.segment import NO_YEAR, Segment, damaged
from retrieval.index.views import Columns, Documents, Named, Passages, Table, Vectors
from retrieval.types import Document, Filters, Passage

if TYPE_CHECKING:
    from retrieval.index.lexical import LexicalIndex

Progress = Callable[[int, int], None]
FEW_ROWS = 20_000  # so few rows are scored one by one rather than looked for in lists
_VOCABULARY = 200_000
_SMALL_DOCUMENTS = 5_000
_TRIES = 20


class Encoder(Protocol):
    """What an index needs of retrieval.encoder.Encoder."""

    @property
    def identity(self) -> str:
        """Name and digest of the weights."""
        ...

    @property
    def width(self) -> int:
        """Length of a vector."""
        ...

    def embed(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors, float32 (texts, width)."""
        ...


class Index:
    """One opened generation; immutable, shared by threads.

    Attributes:
        passages: by row; dead rows too, which no search returns.
        vectors: unit vectors by row; indexing gives float32.
        lexical: the words.
        manifest: format, encoder, counts, segments, fingerprint, ledger, digests.
        documents: the live documents.
        name: the collection's name.
        owner: whose collection it is; "" for all.
        generation: the generation's name.
    """

    def __init__(
        self, generation: Path, manifest: dict[str, Any], reuse: Mapping[str, Segment]
    ) -> None:
        from retrieval.index.lexical import LexicalIndex

        self.generation, self.manifest = generation.name, manifest
        self.name, self.owner = str(manifest["name"]), str(manifest["owner"])
        segments, live = [], []
        for entry in manifest["segments"]:
            segment = reuse.get(entry["name"]) or _segment(generation / entry["name"])
            segments.append(segment)
            live.append(_live(generation, entry, segment.documents))
        self._table = Table(segments, live)
        self.lexical: LexicalIndex = LexicalIndex(generation / "lexical", self._table)
        self.passages: Sequence[Passage] = Passages(self._table, self.name)
        self.vectors = Vectors(self._table, int(manifest["width"]))
        self.documents = Documents(self._table, self.lexical)

    @classmethod
    def open(
        cls,
        folder: Path,
        encoder: Encoder | None,
        *,
        verify: bool = True,
        reuse: Mapping[str, Segment] | None = None,
    ) -> Index:
        """Open the published generation of `folder`.

        Args:
            folder: the index folder.
            encoder: must be the one that made the index; None takes any.
            verify: check every file's digest first.
            reuse: segments that are open already, by name; they aren't checked again.

        Raises:
            IndexError_: if there is none, it is damaged, or another encoder made it.
        """
        for _ in range(_TRIES):
            name, digest = generations.published(folder)
            try:
                return cls._open(folder / name, digest, encoder, verify, reuse or {})
            except (IndexError_, OSError):
                if _is_current(folder, name, digest):
                    raise
                # Two newer generations were published meanwhile, and this one removed.
        raise IndexError_(f"The index in {folder} changes faster than it can be opened: try again.")

    @classmethod
    def _open(
        cls,
        generation: Path,
        digest: str,
        encoder: Encoder | None,
        verify: bool,
        reuse: Mapping[str, Segment],
    ) -> Index:
        folder, manifest = generation.parent, generations.read_manifest(generation, digest)
        if encoder is not None and manifest["encoder"] != encoder.identity:
            raise IndexError_(
                f"The index in {folder} was made by the encoder {manifest['encoder']}, not "
                f"{encoder.identity}: run 'auscult ingest --rebuild'."
            )
        if manifest["analysis"] != analysis.VERSION:
            raise IndexError_(
                f"The index in {folder} was made by version {manifest['analysis']} of the word "
                f"rules, not {analysis.VERSION}: run 'auscult ingest --rebuild'."
            )
        told = manifest["digests"]
        # A segment is another one of the same name unless its own list of digests is the same.
        reuse = {n: s for n, s in reuse.items() if told.get(f"{n}/segment.json") == s.digest}
        fresh = {n: digest for n, digest in told.items() if n.split("/")[0] not in reuse}
        wrong = generations.check(generation, fresh) if verify else []
        if wrong:
            raise damaged(folder, f"{', '.join(wrong[:3])}: not what the digest says")
        try:
            return cls(generation, manifest, reuse)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise damaged(folder, str(error)) from error

    @classmethod
    def build(
        cls,
        folder: Path,
        documents: Iterable[Document],
        encoder: Encoder,
        progress: Progress | None = None,
        fingerprint: str = "",
        *,
        name: str = "",
        owner: str = "",
    ) -> Index:
        """Publish a generation that holds these documents and nothing else, and open it.

        Vectors of unchanged passages are taken over from the generation before.

        Args:
            folder: the index folder; made if absent.
            documents: everything that the index is to hold.
            encoder: makes the vectors.
            progress: called with (passages embedded, passages to embed).
            fingerprint: what the documents were made from, to recognise a stale index later.
            name: the collection's name.
            owner: whose collection it is; "" for all.

        Raises:
            IndexError_: if there are no documents, two have one id, or the folder can't be
                written.
        """
        from retrieval.index.writer import Writer

        everything = list(documents)  # a source's own errors are not the index's
        with Writer(folder, encoder, name=name, owner=owner, timeout_s=-1, fresh=True) as writer:
            return writer.replace(everything, progress, fingerprint)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments in row order."""
        return self._table.segments

    @property
    def live(self) -> tuple[NDArray[np.bool_], ...]:
        """Which documents of each segment live."""
        return self._table.live

    @property
    def table(self) -> Table:
        """The map between rows, documents and segments."""
        return self._table

    def dense(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[int, float]]:
        """Return up to `k` (row, cosine), best first.

        Args:
            query: unit vector, float32 (width,).
            k: rows wanted.
            allowed: bool (rows,) of the rows that may be found; None for all that live.
        """
        mask = self._table.live_rows
        if allowed is not None:
            mask = allowed if mask is None else allowed & mask
        if k < 1 or not len(self.vectors):
            return []
        rows = self._candidates(query, k, mask)
        scores = self.vectors[rows] @ query
        best = np.lexsort((rows, -scores))[:k]
        return [(int(rows[i]), float(scores[i])) for i in best]

    @property
    def _few(self) -> int:
        """Up to how many rows are scored one by one: a scan reads ten in the time of one."""
        exact = all(s.meta["layout"]["kind"] == "flat" for s in self.segments)
        return min(FEW_ROWS, len(self.passages) // 10) if exact else FEW_ROWS

    def _candidates(
        self, query: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        if mask is not None and int(np.count_nonzero(mask)) <= self._few:
            return np.flatnonzero(mask)
        bases, found = self._table.bases, []
        for at, segment in enumerate(self.segments):
            own = None if mask is None else mask[bases[at] : bases[at + 1]]
            found.append(dense.search(segment, query, k, own) + int(bases[at]))
        return np.concatenate(found)

    def allowed(self, filters: Filters | None) -> NDArray[np.bool_] | None:
        """Return bool (rows,) of the live rows that pass, or None where all are and do."""
        if filters is None or filters == Filters():
            return self._table.live_rows
        masks = [
            live & _passing(segment, filters)
            for segment, live in zip(self.segments, self.live, strict=True)
        ]
        return self._table.spread(masks)

    @cached_property
    def columns(self) -> Columns:
        """What is known of every row without reading its document."""
        return Columns.of(self._table)

    def named(self) -> Sequence[Named]:
        """Return the documents that are about one subject, in index order."""
        found = []
        for at, (segment, live) in enumerate(zip(self.segments, self.live, strict=True)):
            for number, identity, title, kind, synonyms in segment.names():
                if live[number]:
                    rows = self._table.document_rows(at, number)
                    found.append(Named(identity, title, tuple(synonyms), kind, rows))
        return found

    def vocabulary(self) -> frozenset[str]:
        """Return the lower-case ASCII words of four letters or more, the most frequent first kept.

        In a small index every word counts, in others those that occur twice.
        """
        words: Counter[str] = Counter()
        for segment in self.segments:
            words.update(segment.words())
        for segment, live in zip(self.segments, self.live, strict=True):
            dead = np.flatnonzero(~live)
            if len(dead) <= _SMALL_DOCUMENTS:
                for number in dead.tolist():
                    words.subtract(segment.vocabulary_of(number))
        least = 1 if len(self.documents) <= _SMALL_DOCUMENTS else 2
        return frozenset(word for word, n in words.most_common(_VOCABULARY) if n >= least)

    def close(self) -> None:
        """Let go of what searching loaded; the files are unmapped with the last reference."""
        for segment in self.segments:
            segment.cache.clear()


def embedded_text(passage: Passage) -> str:
    """Return the text that stands for a passage in the vector space."""
    head = ": ".join(part for part in (passage.title, passage.section) if part)
    return f"{head}. {passage.text}" if head else passage.text


def read_manifest(generation: Path) -> dict[str, Any]:
    """Return a generation's manifest, of whatever digest.

    Raises:
        IndexError_: if it can't be read or has another format.
    """
    return generations.read_manifest(generation)


def _segment(folder: Path) -> Segment:
    segment = Segment.open(folder)
    dense.open_lists(segment)
    return segment


def _live(generation: Path, entry: dict[str, Any], documents: int) -> NDArray[np.bool_]:
    if not entry["dead"]:
        return np.ones(documents, dtype=np.bool_)
    return generations.read_live(generation / f"live-{entry['name']}.bin", documents)


def _is_current(folder: Path, name: str, digest: str) -> bool:
    try:
        return generations.published(folder) == (name, digest)
    except IndexError_:
        return True


def _passing(segment: Segment, filters: Filters) -> NDArray[np.bool_]:
    """Return bool (documents,) of those that pass."""
    columns = segment.columns
    mask = np.ones(segment.documents, dtype=np.bool_)
    years = columns["year"]
    if filters.year_from is not None:
        mask &= years >= max(filters.year_from, NO_YEAR + 1)
    if filters.year_to is not None:
        mask &= (years <= filters.year_to) & (years != NO_YEAR)
    wanted = {
        "kind": filters.kinds, "evidence": filters.evidence, "source": filters.sources,
        "language": (*filters.languages, "") if filters.languages else (),
    }  # fmt: skip
    for name, values in wanted.items():
        if values:
            table = np.array([v in values for v in segment.values(name)], dtype=np.bool_)
            mask &= table[columns[name]]
    if not filters.retracted:
        table = np.array([v != "retracted" for v in segment.values("status")], dtype=np.bool_)
        mask &= table[columns["status"]]
    return mask
