"""The library of an installation: its collections opened, brought up to date, and taken into.

The common library holds the starter library and what was ingested without a collection's name. The
index of a collection is all there is of it: nothing is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from assistant._library_open import is_stale, open_index, retire_old_format, writing
from assistant.errors import InputError
from retrieval import _ingest_starter as starter
from retrieval import ingest as pipeline
from retrieval._ingest_ledger import Ledger
from retrieval._ingest_report import Report
from retrieval.collections import COMMON, CollectionInfo
from retrieval.errors import IndexError_
from retrieval.ingest import Note, Progress, Reading, Tally

if TYPE_CHECKING:
    from assistant.resources import Resources
    from retrieval._ingest_trial import Trial
    from retrieval.engines import Engine
    from retrieval.pubmed import Plan

__all__ = ["IngestReport", "Request", "dry_run", "ingest", "is_stale", "open_index", "rebuild",
           "remove", "stream", "writing"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be taken in, and where.

    Attributes:
        paths: files, folders and archives.
        query: a PubMed query, or "".
        limit: most documents that the query may bring.
        collection: name of the collection; "" is the common library.
        owner: whose collection; "" is everybody's.
        reading: how files are read.
        engine: where texts are embedded: local or ray.
        address: of the engine's cluster; "" is this machine.
        rebuild: whether the index is salvaged and made anew first.
    """

    paths: tuple[Path, ...] = ()
    query: str = ""
    limit: int = 1000
    collection: str = ""
    owner: str = ""
    reading: Reading = field(default_factory=Reading)
    engine: str = "local"
    address: str = ""
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion did.

    Attributes:
        documents: documents that were read.
        passages: passages in the index afterwards.
        skipped: the first files and items that were left out, each with its reason.
        tally: all counts.
        notes: the first things that were left out or replaced.
        file: where all of these are, or None where there are none.
        lost: what a rebuild could not salvage.
    """

    documents: int
    passages: int
    skipped: tuple[tuple[str, str], ...]
    tally: Tally = field(default_factory=Tally)
    notes: tuple[Note, ...] = ()
    file: Path | None = None
    lost: tuple[str, ...] = ()


def ingest(resources: Resources, paths: Sequence[Path], *, rebuild: bool = False) -> IngestReport:
    """Take files into the common library; as `stream`, without its progress."""
    steps = stream(resources, Request(paths=tuple(paths), rebuild=rebuild))
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            report: IngestReport = stop.value
            return report


def stream(
    resources: Resources,
    request: Request,
    tick: Callable[[Progress], None] | None = None,
    announce: Callable[[Plan], None] | None = None,
) -> Generator[Progress, None, IngestReport]:
    """Take documents in, yield progress after every batch, and return what was done.

    A document whose id is already there is replaced. What can't be read is set aside with its
    reason; everything is in the index as soon as its batch is counted.

    Args:
        resources: the parts.
        request: what, and where to.
        tick: called in between, while a batch is embedded.
        announce: told what a query found, before its first document.

    Raises:
        InputError: if a path doesn't exist or nothing could be read.
        IndexError_: if the index can't be written.
    """
    _check(request)
    info = resources.collections.create(request.collection, request.owner)
    lost = rebuild(resources, info) if request.rebuild else ()
    notes = Report(resources.settings.state_dir / "reports")
    tally, passages = Tally(), 0
    engine = _engine(resources, request)
    try:
        with writing(resources, info) as writer:
            if request.paths or request.query:
                ledger = Ledger.of(writer.index.manifest if writer.index is not None else None)
                steps = pipeline.ingest(
                    _found(resources, request, info, announce)
                    if request.query
                    else pipeline.read(request.paths, request.reading, ledger),
                    writer,
                    engine=engine,
                    # A cluster is worth its start only for many texts; a query's state lags by less.
                    batch=None if request.query else getattr(engine, "batch_texts", None),
                    note=notes,
                    position=pipeline.Position(request.paths) if request.paths else None,
                    tick=tick,
                )
                for progress in steps:
                    tally = progress.tally
                    yield progress
            passages = writer.index.manifest["passages"] if writer.index is not None else 0
    finally:
        notes.close()
        if engine is not None:
            engine.close()
        if info.name and not info.is_built:  # nothing came of it
            resources.collections.drop(info.name, info.owner)
    if (request.paths or request.query) and not (tally.read or tally.known or tally.removed):
        reasons = "; ".join(note.reason for note in notes.notes[:3]) or "no readable file"
        raise InputError(f"Nothing was ingested: {reasons}")
    resources.refresh()
    skipped = tuple((note.where, note.reason) for note in notes.notes if note.kind == "skipped")
    return IngestReport(
        tally.read, passages, skipped, tally, tuple(notes.notes), notes.path, tuple(lost)
    )


def dry_run(resources: Resources, request: Request) -> tuple[Trial, tuple[Note, ...]]:
    """Say what `stream` would do, and write nothing.

    Returns:
        The trial, and the first things that would be left out.

    Raises:
        InputError: if a path doesn't exist.
        IndexError_: if the index is damaged.
    """
    from retrieval import _ingest_trial
    from retrieval.index.store import Index

    _check(request)
    info = next(
        (
            found
            for found in resources.collections.visible(request.owner)
            if (found.name, found.owner) == (_plain(request.collection), request.owner)
        ),
        None,
    )
    index = Index.open(info.folder, resources.encoder) if info and info.is_built else None
    notes: list[Note] = []
    items = pipeline.read(
        request.paths, request.reading, Ledger.of(index.manifest if index is not None else None)
    )
    result = _ingest_trial.trial(
        items, index, resources.encoder, lambda n: notes.append(n) if len(notes) < 1000 else None
    )
    return result, tuple(notes)


def remove(
    resources: Resources, ids: Collection[str], info: CollectionInfo
) -> tuple[list[str], list[str]]:
    """Remove documents from a collection in one commit; as `retrieval.ingest.remove`."""
    with writing(resources, info) as writer:
        gone = pipeline.remove(writer, ids, starter.named if not info.name else lambda _: [])
    resources.refresh()
    return gone


def rebuild(resources: Resources, info: CollectionInfo) -> Sequence[str]:
    """Salvage what is sound of a collection's index and publish it anew; return what was lost.

    Raises:
        IndexError_: if the index can't be written.
    """
    from retrieval.index import writer as writers

    retire_old_format(info.folder)
    if not (info.folder / "CURRENT").exists() and not any(info.folder.glob("g[0-9]*")):
        return ()
    try:
        report = writers.rebuild(
            info.folder,
            resources.encoder,
            lambda done, total: resources.report("index", done, total),
        )
    except IndexError_ as error:
        if info.name or not str(error).startswith("Nothing can be saved"):
            raise
        # The common library is never without something to begin from.
        with writers.Writer(info.folder, resources.encoder, fresh=True) as writer:
            starter.sync(writer, lambda done, total: resources.report("index", done, total))
        return (str(error),)
    return tuple(report.lost)


def _plain(name: str) -> str:
    return "" if name == COMMON else name


def _check(request: Request) -> None:
    for path in request.paths:
        if not path.exists():
            raise InputError(f"There is no file or folder at {path}: check the path.")


def _found(
    resources: Resources,
    request: Request,
    info: CollectionInfo,
    announce: Callable[[Plan], None] | None,
) -> Iterator[pipeline.Item]:
    """Yield what a PubMed query finds."""
    from retrieval import pubmed

    settings = resources.settings
    key = settings.pubmed_api_key.get_secret_value() if settings.pubmed_api_key else ""
    return pipeline.clean(
        pubmed.fetch(
            request.query,
            request.limit,
            state=settings.state_dir
            / "pubmed"
            / (info.folder.parent.name if info.name else COMMON),
            server=pubmed.Server(settings.pubmed_url, key, settings.pubmed_email),
            announce=announce,
        )
    )


def _engine(resources: Resources, request: Request) -> Engine | None:
    """Return the engine that was asked for, or None for the encoder of this process."""
    if request.engine == "local":
        return None
    from retrieval import plugins

    module = plugins.load("retrieval.engines", request.engine)
    engine: Engine = module.build(resources.encoder, address=request.address or None)
    return engine
