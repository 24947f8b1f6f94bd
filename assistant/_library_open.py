"""Opening a collection's index: built, brought up to date, or taken over from an older version.

Knows nothing of what is taken in afterwards; see `assistant.library`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval import _ingest_starter as starter
from retrieval import ingest as pipeline
from retrieval.collections import CollectionInfo
from retrieval.errors import IndexError_, SourceError
from retrieval.sources import Item, Skipped

if TYPE_CHECKING:
    from assistant.resources import Resources
    from retrieval.index.store import Index
    from retrieval.index.writer import Writer

_WAIT_S = 600.0
_log = logging.getLogger(__name__)


def open_index(resources: Resources, info: CollectionInfo, before: Index | None = None) -> Index:
    """Open a collection's index; that of the common library is built or brought up to date first.

    Args:
        resources: the parts.
        info: which.
        before: an older generation that is open; what is unchanged is shared with it.

    Raises:
        IndexError_: if it is damaged or can't be written; the message names the next step.
    """
    from retrieval.index.store import Index

    reuse = {segment.name: segment for segment in before.segments} if before is not None else {}
    if info.name:
        return Index.open(info.folder, resources.encoder, reuse=reuse)
    retire_old_format(info.folder)
    kept = _kept_path(resources)
    index = None
    if (info.folder / "CURRENT").exists():
        index = Index.open(info.folder, resources.encoder, reuse=reuse)
        if index.manifest.get("fingerprint") == starter.fingerprint() and not kept.is_file():
            return index
    try:
        with writing(resources, info, timeout_s=_WAIT_S if index is None else 1.0):
            pass
    except IndexError_ as error:
        if index is None or kept.is_file():
            raise
        # Somebody else writes, or nobody may: what is there still serves.
        _log.warning("the starter library was not brought up to date: %s", error)
        return index
    return Index.open(info.folder, resources.encoder)


def is_stale(resources: Resources, info: CollectionInfo) -> bool:
    """Whether opening the common library would first have to bring it up to date."""
    from retrieval.index import store

    if info.name:
        return False
    if _kept_path(resources).is_file():
        return True
    try:
        manifest = store.read_manifest(info.folder / store.current(info.folder))
    except IndexError_:
        return True
    return bool(manifest.get("fingerprint") != starter.fingerprint())


@contextmanager
def writing(
    resources: Resources, info: CollectionInfo, timeout_s: float = 10.0
) -> Iterator[Writer]:
    """Hold a collection's writer; the common library is brought up to date first.

    Raises:
        IndexError_: if another process writes, or the index is damaged or can't be written.
    """
    from retrieval.index.writer import Writer

    with Writer(
        info.folder, resources.encoder, name=info.name, owner=info.owner, timeout_s=timeout_s
    ) as writer:
        if not info.name:
            index = writer.index
            if index is None or index.manifest.get("fingerprint") != starter.fingerprint():
                starter.sync(writer, lambda done, total: resources.report("index", done, total))
            _take_over(resources, writer)
        yield writer


def _kept_path(resources: Resources) -> Path:
    """Return where older versions kept what was ingested."""
    return resources.settings.state_dir / "documents.jsonl"


def _take_over(resources: Resources, writer: Writer) -> None:
    """Take in what an older version kept beside the index, once."""
    from retrieval.sources import documents

    path = _kept_path(resources)
    if not path.is_file():
        return
    try:
        for _ in pipeline.ingest(_sound(documents.build().read(path), path), writer):
            pass
    except SourceError as error:
        raise IndexError_(
            f"The ingested documents at {path} can't be read ({error}): "
            "move the file away and ingest the documents again."
        ) from error
    path.rename(path.with_name(path.name + ".migrated"))


def _sound(items: Iterator[Item], path: Path) -> Iterator[pipeline.Item]:
    for item in pipeline.clean(items):
        if isinstance(item, Skipped):
            raise SourceError(f"{path.name}: {item.where}: {item.reason}")
        yield item


def retire_old_format(folder: Path) -> None:
    """Remove an index of the first format, which is made anew from what it was made of."""
    try:
        name = (folder / "CURRENT").read_text(encoding="utf-8").split()[0]
        manifest = json.loads((folder / name / "manifest.json").read_text(encoding="utf-8"))
        old = manifest["format"] == 1
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return
    if old:
        (folder / "CURRENT").unlink()
        for generation in folder.glob("g[0-9]*"):
            shutil.rmtree(generation, ignore_errors=True)
