"""`auscult library`: what a collection holds; shown, removed, exported, verified and compacted."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import InputError
from ui.commands.opening import open_assistant
from ui.failures import say

if TYPE_CHECKING:
    from assistant.resources import Resources
    from retrieval.collections import CollectionInfo
    from retrieval.index.store import Index
    from retrieval.types import Document

_TITLE = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Which collection is meant.

    Attributes:
        config: settings file, or None.
        collection: its name; "" is the common library.
        user: on whose behalf; "" sees what is shared.
    """

    config: Path | None
    collection: str = ""
    user: str = ""


def list_documents(place: Place, match: str, limit: int, *, as_json: bool) -> int:
    """Print a line for each document: id, title, year, source, passages."""
    index = _open(place)
    wanted = match.casefold()
    found = 0
    for document in index.documents:
        if wanted and wanted not in f"{document.id} {document.title}".casefold():
            continue
        found += 1
        if found > limit:
            continue
        passages = len(index.documents.rows(document.id))
        sys.stdout.write(_row(document, passages, as_json=as_json) + "\n")
    if not as_json:
        shown = f", the first {limit:,} are shown" if found > limit else ""
        sys.stdout.write(f"{found:,} documents{shown}.\n")
    return 0


def show(place: Place, identity: str, *, as_json: bool) -> int:
    """Print a document with all that is known of it.

    Raises:
        InputError: if there is none of this id.
    """
    from retrieval.sources import documents

    document = _open(place).documents.get(identity)
    if document is None:
        raise InputError(
            f"There is no document {identity!r} here: 'auscult library list' lists those there are."
        )
    if as_json:
        sys.stdout.write(documents.line(document) + "\n")
        return 0
    from ui import render

    console = render.console()
    for name, value in _facts(document):
        console.print(render.plain_text(f"{name}: {value}"))
    for section in document.sections:
        console.print()
        console.print(render.plain_text(section.title or "Text", "bold"))
        console.print(render.plain_text(section.text))
    return 0


def remove(place: Place, ids: tuple[str, ...], *, dry_run: bool) -> int:
    """Remove documents in one step; return 3 if none of them is there.

    Raises:
        InputError: if none of the ids is there.
    """
    from assistant import library

    resources, info = _place(place)
    held = _existing(resources, info).documents
    there = [name for name in ids if name in held]
    for name in ids:
        if name not in there:
            say(f"{name}: there is no such document.")
    if not there:
        raise InputError("Nothing was removed: 'auscult library list' lists what there is.")
    if dry_run:
        for name in there:
            sys.stdout.write(f"{name} would be removed.\n")
        return 0
    gone, back = library.remove(resources, there, info)
    for name in gone:
        more = "; the starter library's own text is back" if name in back else ""
        sys.stdout.write(f"{name} is removed{more}.\n")
    return 0


def export(place: Place, target: Path) -> int:
    """Write every document with all its metadata, so that 'auscult ingest' takes it in again.

    Raises:
        InputError: if the file can't be written.
    """
    from retrieval import files
    from retrieval.sources import documents

    index = _open(place)
    count = 0
    try:
        with files.atomic_path(target) as temporary, temporary.open("wb") as raw:
            # Without name and time, so that equal documents give equal files.
            packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if target.suffix == ".gz" else None
            out = packed or raw
            out.write(documents.header(index.name).encode() + b"\n")
            for document in index.documents:
                out.write(documents.line(document).encode() + b"\n")
                count += 1
            if packed is not None:
                packed.close()
    except OSError as error:
        raise InputError(
            f"{target} can't be written ({error.strerror or error}): name a file in a folder "
            "with enough space."
        ) from error
    sys.stdout.write(f"{count:,} documents are in {target}.\n")
    return 0


def verify(place: Place) -> int:
    """Check every file and record; return 4 with what was found where something is wrong."""
    from retrieval.errors import IndexError_
    from retrieval.index import writer

    _, info = _place(place)
    if not info.is_built:
        sys.stdout.write("Nothing was put in yet.\n")
        return 0
    findings = writer.verify(info.folder)
    for finding in findings:
        say(finding)
    if findings:
        say(f"{len(findings)} findings; {_mend(info)} salvages what is sound.")
        return IndexError_.exit_code
    sys.stdout.write("Every file and every record is as it was written.\n")
    return 0


def compact(place: Place) -> int:
    """Merge the index into one piece without what was removed, and print what that saved."""
    from assistant import library
    from ui.commands.ingest import size_text

    resources, info = _place(place)
    _existing(resources, info)
    before = _bytes(info)
    with library.writing(resources, info) as writer:
        writer.compact(lambda done, total: resources.report("compact", done, total))
    after = _bytes(info)
    sys.stdout.write(f"{size_text(before)} before, {size_text(after)} after.\n")
    return 0


def collections(place: Place, *, as_json: bool) -> int:
    """Print the collections that the user may search."""
    resources = _resources(place)
    for info in resources.collections.visible(place.user):
        manifest = _manifest(info)
        row = {
            "collection": info.shown,
            "owner": info.owner,
            "documents": manifest.get("documents", 0),
            "passages": manifest.get("passages", 0),
            "bytes": _bytes(info),
        }
        if as_json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        whose = f"of {info.owner}" if info.owner else "shared"
        counts = f"{row['documents']:,} documents, {row['passages']:,} passages"
        sys.stdout.write(_clean(f"{info.shown}  ({whose})  {counts}") + "\n")
    return 0


def drop(place: Place) -> int:
    """Remove a whole collection.

    Raises:
        InputError: if the user has none of this name, or it is the common library.
    """
    info = _resources(place).collections.drop(place.collection, place.user)
    sys.stdout.write(f"The collection {info.shown} is gone with everything in it.\n")
    return 0


def _resources(place: Place) -> Resources:
    return open_assistant(place.config).resources


def _place(place: Place) -> tuple[Resources, CollectionInfo]:
    resources = _resources(place)
    return resources, resources.collections.find(place.collection, place.user)


def _open(place: Place) -> Index:
    resources, info = _place(place)
    return _existing(resources, info)


def _existing(resources: Resources, info: CollectionInfo) -> Index:
    """Open a collection as it is on disk, without the encoder where that is possible."""
    from assistant import library
    from retrieval.index.store import Index

    if info.is_built and not library.is_stale(resources, info):
        return Index.open(info.folder, None)
    if not info.name:
        return library.open_index(resources, info)
    raise InputError(f"The collection {info.shown!r} is empty: 'auscult ingest' fills it.")


def _row(document: Document, passages: int, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "id": document.id,
                "title": document.title,
                "year": document.year,
                "source": document.source,
                "kind": document.kind,
                "language": document.language,
                "status": document.status,
                "passages": passages,
            },
            ensure_ascii=False,
        )
    title = document.title if len(document.title) <= _TITLE else document.title[: _TITLE - 1] + "…"
    status = f"  {document.status.upper()}" if document.status else ""
    year = document.year if document.year is not None else "----"
    return _clean(f"{document.id}  {title}  {year}  {document.source}  {passages} passages{status}")


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what is known of a document, by name, leaving out what is not."""
    values: tuple[tuple[str, Any], ...] = (
        ("Id", document.id),
        ("Title", document.title),
        ("Status", document.status.upper()),
        ("Notices", "; ".join(document.notices)),
        ("Other names", ", ".join(document.synonyms)),
        ("Kind", document.kind),
        ("Year", document.year or ""),
        ("Journal", document.journal),
        ("Authors", ", ".join(document.authors)),
        ("Evidence", document.evidence.replace("_", " ")),
        ("Publication types", ", ".join(document.publication_types)),
        ("MeSH", ", ".join(document.mesh)),
        ("Language", document.language),
        ("Identifiers", ", ".join(document.identifiers)),
        ("Source", document.source),
        ("URL", document.url),
        ("Licence", document.licence),
        ("Based on", "; ".join(f"{s.title} <{s.url}>" for s in document.sources)),
        *document.metadata,
    )
    yield from ((name, str(value)) for name, value in values if value)


def _clean(text: str) -> str:
    """Return a line that can be printed: a title must not move the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


def _manifest(info: CollectionInfo) -> dict[str, Any]:
    from retrieval.errors import IndexError_
    from retrieval.index import store

    if not info.is_built:
        return {}
    try:
        return store.read_manifest(info.folder / store.current(info.folder))
    except IndexError_ as error:
        say(str(error))
        return {}


def _bytes(info: CollectionInfo) -> int:
    """Return what a collection takes on the disk: a file that generations share counts once."""
    sizes = {}
    for path in info.folder.rglob("*"):
        if path.is_file():
            seen = path.stat()
            sizes[seen.st_ino] = seen.st_size
    return sum(sizes.values())


def _mend(info: CollectionInfo) -> str:
    name = f" --collection {info.name!r}" if info.name else ""
    owner = f" --owner {info.owner!r}" if info.owner else ""
    return f"'auscult ingest --rebuild{name}{owner}'"
