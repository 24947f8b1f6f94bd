"""An index folder: vectors (FAISS), words (tantivy) and passages, in atomic generations.

    <folder>/CURRENT            name of the generation that readers open
    <folder>/<generation>/      manifest.json vectors.faiss passages.jsonl lexical/

A generation is written aside, synced and renamed, then CURRENT is replaced; a reader that has an
older one open keeps it. Every file's digest is checked before it is loaded, since FAISS loads a
damaged file without a word. Knows nothing of queries or ranking.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from retrieval import chunking, files
from retrieval.encoder import Encoder
from retrieval.errors import IndexError_
from retrieval.types import Document, Passage

if TYPE_CHECKING:
    from retrieval.index.lexical import LexicalIndex

FORMAT = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Index:
    """One opened generation; immutable, shared by threads.

    Attributes:
        passages: in row order.
        vectors: unit vectors, float32 (rows, width).
        manifest: format, encoder, counts, fingerprint of the documents, digests.
    """

    passages: tuple[Passage, ...]
    vectors: NDArray[np.float32]
    faiss_index: Any
    lexical: LexicalIndex
    manifest: dict[str, Any]

    @classmethod
    def build(
        cls,
        folder: Path,
        documents: Iterable[Document],
        encoder: Encoder,
        progress: Progress | None = None,
        fingerprint: str = "",
    ) -> Index:
        """Write a new generation into `folder`, publish it and open it.

        Vectors of unchanged passages are taken over from the generation before.

        Args:
            folder: the index folder; made if absent.
            documents: everything that the index is to hold.
            encoder: makes the vectors.
            progress: called with (passages embedded, passages in all).
            fingerprint: what the documents were made from, to recognise a stale index later.

        Raises:
            IndexError_: if there are no documents, or the folder can't be written.
        """
        passages = list(chunking.passages(documents))  # a source's own errors are not the index's
        _check(passages)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                generation = _write(folder, passages, encoder, progress, fingerprint)
                files.write_text(folder / "CURRENT", generation + "\n")
                _drop_old(folder, generation)
        except OSError as error:
            raise IndexError_(
                f"The index can't be written to {folder} ({error.strerror or error}): "
                "free some space or set AUSCULT_STATE_DIR to a folder that can be written."
            ) from error
        return cls.open(folder, encoder)

    @classmethod
    def open(cls, folder: Path, encoder: Encoder) -> Index:
        """Open the published generation of `folder` after checking every digest.

        Raises:
            IndexError_: if there is none, it is damaged, or another encoder made it.
        """
        generation = folder / current(folder)
        manifest = read_manifest(generation)
        if manifest["encoder"] != encoder.identity:
            raise IndexError_(
                f"The index in {folder} was made by the encoder {manifest['encoder']}, not "
                f"{encoder.identity}: run 'auscult ingest --rebuild'."
            )
        for name, digest in manifest["digests"].items():
            path = generation / name
            if not path.is_file() or files.sha256(path) != digest:
                raise IndexError_(
                    f"The index in {folder} is damaged ({name} is not what its digest says): "
                    "run 'auscult ingest --rebuild'."
                )
        return _load(generation, manifest)

    def dense(self, query: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """Return up to `k` (row, cosine), best first, for a unit vector (width,)."""
        if k < 1:
            return []
        scores, rows = self.faiss_index.search(query[None, :], min(k, len(self.passages)))
        return [(int(r), float(s)) for r, s in zip(rows[0], scores[0], strict=True) if r >= 0]


def current(folder: Path) -> str:
    """Return the name of the published generation.

    Raises:
        IndexError_: if there is no index in `folder`.
    """
    try:
        name = (folder / "CURRENT").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    if not name or Path(name).name != name or not (folder / name).is_dir():
        raise IndexError_(f"There is no usable index in {folder}: run 'auscult ingest --rebuild'.")
    return name


def read_manifest(generation: Path) -> dict[str, Any]:
    """Return a generation's manifest.

    Raises:
        IndexError_: if it can't be read or has another format.
    """
    try:
        manifest = json.loads((generation / "manifest.json").read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and "encoder" in manifest
        known = known and {"passages.jsonl", "vectors.faiss"} <= manifest["digests"].keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known, manifest = False, {}
    if not known:
        raise IndexError_(
            f"The manifest of the index in {generation.parent} can't be read: "
            "run 'auscult ingest --rebuild'."
        )
    return dict(manifest)


def _write(
    folder: Path,
    passages: Sequence[Passage],
    encoder: Encoder,
    progress: Progress | None,
    fingerprint: str,
) -> str:
    import faiss

    from retrieval.index.lexical import LexicalIndex

    vectors = _embed(folder, passages, encoder, progress)
    generation = _next_name(folder)
    with files.atomic_folder(folder / generation) as temporary:
        with (temporary / "passages.jsonl").open("w", encoding="utf-8") as stream:
            for passage in passages:
                stream.write(json.dumps(asdict(passage), ensure_ascii=False) + "\n")
        flat = faiss.IndexFlatIP(encoder.width)
        flat.add(vectors)
        # Serialised and written by us: faiss turns a full disk into a bare RuntimeError.
        (temporary / "vectors.faiss").write_bytes(faiss.serialize_index(flat).tobytes())
        (temporary / "lexical").mkdir()
        try:
            LexicalIndex.build(temporary / "lexical", passages)
        except ValueError as error:  # tantivy reports input and output errors as ValueError
            raise OSError(None, str(error)) from error
        written = sorted(p for p in temporary.rglob("*") if p.is_file() and p.suffix != ".lock")
        manifest = {
            "format": FORMAT,
            "encoder": encoder.identity,
            "passages": len(passages),
            "documents": len({p.document for p in passages}),
            "fingerprint": fingerprint,
            "digests": {str(p.relative_to(temporary)): files.sha256(p) for p in written},
        }
        files.write_json(temporary / "manifest.json", manifest)
    return generation


def _check(passages: Sequence[Passage]) -> None:
    if not passages:
        raise IndexError_("There is nothing to index: the documents hold no text.")
    seen: set[str] = set()
    for passage in passages:
        if passage.id in seen:
            raise IndexError_(
                f"Two documents have the id {passage.document!r}: rename one of them."
            )
        seen.add(passage.id)
        try:
            f"{passage.title}{passage.section}{passage.text}".encode()
        except UnicodeEncodeError as error:
            raise IndexError_(
                f"The document {passage.document!r} holds a character that is no text (a lone "
                "surrogate): remove it and ingest the document again."
            ) from error


def _embed(
    folder: Path, passages: Sequence[Passage], encoder: Encoder, progress: Progress | None
) -> NDArray[np.float32]:
    known = _known_vectors(folder, encoder)
    keys = [_key(passage) for passage in passages]
    missing = [row for row, key in enumerate(keys) if key not in known]
    vectors = np.zeros((len(passages), encoder.width), dtype=np.float32)
    for row, key in enumerate(keys):
        if key in known:
            vectors[row] = known[key]
    if missing:
        texts = [embedded_text(passages[row]) for row in missing]
        vectors[missing] = encoder.embed(texts, progress=progress)
    return vectors


def _known_vectors(folder: Path, encoder: Encoder) -> dict[bytes, NDArray[np.float32]]:
    try:
        before = Index.open(folder, encoder)
    except IndexError_:
        return {}
    return {_key(p): before.vectors[row] for row, p in enumerate(before.passages)}


def embedded_text(passage: Passage) -> str:
    """Return the text that stands for a passage in the vector space."""
    head = ": ".join(part for part in (passage.title, passage.section) if part)
    return f"{head}. {passage.text}" if head else passage.text


def _key(passage: Passage) -> bytes:
    return hashlib.sha256(embedded_text(passage).encode()).digest()


def _next_name(folder: Path) -> str:
    numbers = [int(p.name[1:]) for p in folder.glob("g[0-9]*") if p.name[1:].isdigit()]
    return f"g{max(numbers, default=0) + 1:06d}"


def _drop_old(folder: Path, keep: str) -> None:
    """Remove generations before `keep` but one, which readers may still be opening."""
    old = sorted(p for p in folder.glob("g[0-9]*") if p.is_dir() and p.name != keep)
    for generation in old[:-1]:
        shutil.rmtree(generation, ignore_errors=True)


def _load(generation: Path, manifest: dict[str, Any]) -> Index:
    import faiss

    from retrieval.index.lexical import LexicalIndex

    with (generation / "passages.jsonl").open(encoding="utf-8") as stream:
        passages = tuple(_passage(json.loads(line)) for line in stream)
    data = np.frombuffer((generation / "vectors.faiss").read_bytes(), dtype=np.uint8)
    flat = faiss.deserialize_index(data)
    return Index(
        passages=passages,
        vectors=flat.reconstruct_n(0, flat.ntotal),
        faiss_index=flat,
        lexical=LexicalIndex(generation / "lexical"),
        manifest=manifest,
    )


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(**{**row, "synonyms": tuple(row["synonyms"])})
