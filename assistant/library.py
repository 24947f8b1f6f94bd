"""The library that an installation searches: the starter library plus what was ingested.

Ingested documents are kept as JSON lines in the state folder; the index is made from both and
remembered by a fingerprint, so that it is rebuilt only when they change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import AuscultError, InputError
from retrieval import files, library, plugins
from retrieval.errors import IndexError_
from retrieval.types import Document, Section, Source

if TYPE_CHECKING:
    from assistant.resources import Resources
    from retrieval.librarian import Librarian

_MAX_FILES = 100_000


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion did.

    Attributes:
        documents: documents taken in.
        passages: passages in the index afterwards.
        skipped: files that were left out, each with its reason.
    """

    documents: int
    passages: int
    skipped: tuple[tuple[str, str], ...]


def open_or_build(resources: Resources) -> Librarian:
    """Open the index if it is current, else build it with progress."""
    from retrieval.index import store

    folder = resources.index_folder()
    print_ = fingerprint(resources)
    if (folder / "CURRENT").exists():
        index = store.Index.open(folder, resources.encoder)
        if index.manifest["fingerprint"] == print_:
            return _librarian(resources, index)
    return build(resources, print_)


def build(resources: Resources, print_: str) -> Librarian:
    """Build the index from the starter library and the ingested documents, and open it."""
    from retrieval.index import store

    index = store.Index.build(
        resources.index_folder(),
        _all_documents(resources),
        resources.encoder,
        progress=lambda done, total: resources.report("index", done, total),
        fingerprint=print_,
    )
    return _librarian(resources, index)


def ingest(resources: Resources, paths: Sequence[Path], *, rebuild: bool = False) -> IngestReport:
    """Take documents in and publish an index that holds them.

    A document whose id is already there is replaced. Files that can't be read are set aside with
    their reason.

    Raises:
        InputError: if a path doesn't exist or nothing could be read.
        IndexError_: if the state folder can't be written.
    """
    skipped: list[tuple[str, str]] = []
    fresh: dict[str, Document] = {}
    origin: dict[str, Path] = {}
    for path in _expand(paths):
        try:
            for document in read(path):
                if document.id in origin and origin[document.id] != path:
                    skipped.append((str(origin[document.id]), _replaced_by(path, document.id)))
                fresh[document.id] = document
                origin[document.id] = path
        except (AuscultError, OSError) as error:
            skipped.append((str(path), str(error)))
    if paths and not fresh:
        reasons = "; ".join(reason for _, reason in skipped[:3]) or "no readable file"
        raise InputError(f"Nothing was ingested: {reasons}")
    _keep(resources, fresh)
    if rebuild:
        (resources.index_folder() / "CURRENT").unlink(missing_ok=True)
    librarian = build(resources, fingerprint(resources))
    resources.replace_librarian(librarian)
    return IngestReport(len(fresh), len(librarian.searcher.index.passages), tuple(skipped))


def _replaced_by(path: Path, document_id: str) -> str:
    return (
        f"Its document {document_id!r} has the id of one in {path}, which took its place: "
        "give one of the files another name."
    )


def read(path: Path) -> Iterator[Document]:
    """Yield the documents of one file or BEIR folder, by the first reader that fits.

    Raises:
        InputError: if no reader takes such a file.
        SourceError: if the file is not what it claims.
    """
    if path.is_dir():
        yield from plugins.load("retrieval.sources", "beir").build().read(path)
        return
    if path.suffix.lower() == ".md" and path.read_bytes()[:4] == b"---\n":
        yield from plugins.load("retrieval.sources", "monograph").build().read(path)
        return
    for name in plugins.names("retrieval.sources"):
        module = plugins.load("retrieval.sources", name)
        if name != "monograph" and path.suffix.lower() in module.SUFFIXES:
            yield from module.build().read(path)
            return
    raise InputError(
        f"{path.name} has no reader: Markdown (.md), text (.txt) and BEIR folders can be ingested."
    )


def fingerprint(resources: Resources) -> str:
    """Return a digest of everything that the index is made from but the encoder."""
    digest = hashlib.sha256()
    for path in [*library.paths(), _kept_path(resources)]:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _librarian(resources: Resources, index: Any) -> Librarian:
    from assistant.records import drug_names
    from retrieval.librarian import Librarian
    from retrieval.search import Searcher

    searcher = Searcher(index, resources.encoder, resources.scorer)
    return Librarian(searcher, drug_names.is_name)


def _expand(paths: Sequence[Path]) -> list[Path]:
    out: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no file or folder at {path}: check the path.")
        if path.is_dir() and not any((path / f"corpus.jsonl{s}").exists() for s in ("", ".gz")):
            out.extend(p for p in sorted(path.rglob("*")) if p.is_file() and p.name[0] != ".")
        else:
            out.append(path)
    return out[:_MAX_FILES]


def _kept_path(resources: Resources) -> Path:
    return resources.settings.state_dir / "documents.jsonl"


def _kept(resources: Resources) -> Iterator[Document]:
    path = _kept_path(resources)
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                row["sections"] = tuple(Section(**s) for s in row["sections"])
                row["sources"] = tuple(Source(**s) for s in row["sources"])
                row["synonyms"] = tuple(row["synonyms"])
                row["metadata"] = tuple((k, v) for k, v in row["metadata"])
                yield Document(**row)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexError_(
            f"The ingested documents at {path} can't be read ({error}): "
            "move the file away and ingest the documents again."
        ) from error


def _keep(resources: Resources, fresh: dict[str, Document]) -> None:
    if not fresh:
        return
    documents = {document.id: document for document in _kept(resources)} | fresh
    lines = (
        json.dumps(dataclasses.asdict(document), ensure_ascii=False)
        for document in documents.values()
    )
    path = _kept_path(resources)
    try:
        files.write_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise IndexError_(
            f"The documents can't be written to {path.parent} ({error.strerror or error}): "
            "free some space or set AUSCULT_STATE_DIR to a folder that can be written."
        ) from error


def _all_documents(resources: Resources) -> Iterator[Document]:
    kept = {document.id: document for document in _kept(resources)}
    for document in library.documents():
        if document.id not in kept:
            yield document
    yield from kept.values()
