"""Generations of an index folder: published whole, checked whole, removed when two newer exist.

    <folder>/CURRENT             "g000002 sha256:<digest of its manifest>"
    <folder>/g000002/            manifest.json live-*.bin lexical/ and a folder for each segment
    <folder>/.g000003.*.tmp/     a generation that a writer is making, or that died with it

A generation is made aside, synced, renamed, and then CURRENT is replaced: whatever kills the writer,
a reader finds the old generation or the new one. Only the writer that holds the lock calls what
changes the folder. Knows nothing of documents.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.errors import IndexError_
from retrieval.index.segment import FILES

FORMAT = 2
# Above this, the records' own digests stand for the file's: they are checked at every read.
LARGE_BYTES = 1 << 30
_FIELDS = {
    "encoder": str, "width": int, "analysis": int, "name": str, "owner": str, "documents": int,
    "passages": int, "fingerprint": str, "ledger": dict, "segments": list, "next_uid": int,
    "next_segment": int, "digests": dict,
}  # fmt: skip
_NAME = re.compile(r"g[0-9]+")
_THREADS = 4
_DIGEST_BYTES = 16


class Published(NamedTuple):
    """What CURRENT says."""

    name: str
    digest: str


def current(folder: Path) -> str:
    """Return the name of the published generation.

    Raises:
        IndexError_: if there is no index in `folder`.
    """
    return published(folder).name


def published(folder: Path) -> Published:
    """Return what CURRENT says.

    Raises:
        IndexError_: if there is no index in `folder`.
    """
    try:
        words = (folder / "CURRENT").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        words = []
    name, digest = words[0] if words else "", words[1] if len(words) == 2 else ""
    if not _NAME.fullmatch(name) or not (folder / name).is_dir():
        raise IndexError_(f"There is no usable index in {folder}: run 'auscult ingest --rebuild'.")
    return Published(name, digest.removeprefix("sha256:"))


def read_manifest(generation: Path, digest: str | None = None) -> dict[str, Any]:
    """Return a generation's manifest.

    Args:
        generation: its folder.
        digest: SHA-256 that the file must have; None takes any.

    Raises:
        IndexError_: if it can't be read, has another format or another digest.
    """
    try:
        data = (generation / "manifest.json").read_bytes()
        manifest = json.loads(data)
        found = manifest["format"]
        if found == 1 and digest == "":
            raise IndexError_(
                f"The index in {generation.parent} has format 1, which this version doesn't read: "
                "run 'auscult ingest --rebuild'."
            )
        known = found == FORMAT and digest in (None, hashlib.sha256(data).hexdigest())
        known = known and all(isinstance(manifest[n], kind) for n, kind in _FIELDS.items())
        known = known and _needed(manifest["segments"]) <= manifest["digests"].keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known, manifest = False, {}
    if not known:
        raise IndexError_(
            f"The manifest of the index in {generation.parent} can't be read or is damaged: "
            "run 'auscult ingest --rebuild'."
        )
    return dict(manifest)


def check(generation: Path, digests: Mapping[str, str]) -> list[str]:
    """Return the names of the files that are not what their digests say.

    documents.bin above `LARGE_BYTES` is left to its records' own digests.
    """

    def wrong(item: tuple[str, str]) -> bool:
        path = generation / item[0]
        try:
            large = path.name == "documents.bin" and path.stat().st_size > LARGE_BYTES
            return not large and files.sha256(path) != item[1]
        except OSError:
            return True

    # The largest first, so that no thread is left with one at the end.
    items = sorted(digests.items(), key=lambda item: -_size(generation / item[0]))
    with ThreadPoolExecutor(_THREADS) as pool:
        return [item[0] for item, bad in zip(items, pool.map(wrong, items), strict=True) if bad]


@contextmanager
def staged(folder: Path, after: str | None) -> Iterator[Path]:
    """Yield an empty folder to make a generation in; on success publish it.

    Its manifest.json must be there in the end. On an exception the folder is removed and the
    published generation stays.

    Args:
        folder: of the index.
        after: the published generation, which is kept for readers that are opening it, or None.
    """
    name = _next_name(folder, after)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=folder))
    try:
        yield temporary
        digest = files.sha256(temporary / "manifest.json")
        _sync(temporary)
        if (folder / name).exists():  # renamed by a writer that was killed before publishing it
            shutil.rmtree(folder / name)
        temporary.replace(folder / name)
        files.sync_folder(folder)
        files.write_text(folder / "CURRENT", f"{name} sha256:{digest}\n")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        _drop_unpublished(folder, name)
        raise
    for path in _generations(folder):
        if path.name not in (name, after):
            shutil.rmtree(path, ignore_errors=True)


def clean(folder: Path) -> None:
    """Remove what killed writers left: folders under way and generations not published."""
    for path in (*folder.glob(".g*.tmp"), *folder.glob(".CURRENT.*.tmp")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    try:
        name, digest = published(folder)
        read_manifest(folder / name, digest)
    except IndexError_:
        return  # a damaged CURRENT may not say which generation is the newest
    for path in _generations(folder):
        if int(path.name[1:]) > int(name[1:]):
            shutil.rmtree(path, ignore_errors=True)


def write_live(path: Path, live: NDArray[np.bool_]) -> None:
    """Write which documents of a segment live, behind a digest of its own."""
    body = np.packbits(live, bitorder="little").tobytes()
    path.write_bytes(hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() + body)


def read_live(path: Path, documents: int) -> NDArray[np.bool_]:
    """Return bool (documents,) of which live.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is damaged.
    """
    data = path.read_bytes()
    body = data[_DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != data[:_DIGEST_BYTES]:
        raise ValueError(f"{path.name} is not what its digest says")
    bits = np.unpackbits(np.frombuffer(body, dtype=np.uint8), bitorder="little")
    if len(bits) < documents:
        raise ValueError(f"{path.name} is too short")
    return bits[:documents].astype(np.bool_)


def digests(generation: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of every file but the manifest; those `known` are taken over.

    Args:
        generation: a folder under way.
        known: digests of files that were linked from the generation before.
    """
    there = sorted(p for p in generation.rglob("*") if p.is_file() and p.suffix != ".lock")
    names = [str(p.relative_to(generation)) for p in there if p.name != "manifest.json"]
    return {name: known.get(name) or files.sha256(generation / name) for name in names}


def _needed(segments: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the files that a generation can't be without."""
    names = {f"{entry['name']}/{file}" for entry in segments for file in (*FILES, "segment.json")}
    dead = {f"live-{entry['name']}.bin" for entry in segments if entry["dead"]}
    lists = {f"{e['name']}/ivf.faiss" for e in segments if e["layout"]["kind"] == "ivf"}
    return names | dead | lists | {"lexical/meta.json"}


def _sync(folder: Path) -> None:
    """Make every file and folder durable; what is linked from an older generation is so already."""
    paths = [folder, *folder.rglob("*")]
    for path in reversed(paths):
        if path.is_dir():
            files.sync_folder(path)
        elif path.stat().st_nlink == 1:
            _sync_file(path)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _generations(folder: Path) -> Iterable[Path]:
    return sorted(p for p in folder.glob("g*") if _NAME.fullmatch(p.name) and p.is_dir())


def _next_name(folder: Path, after: str | None) -> str:
    if after is not None:
        return f"g{int(after[1:]) + 1:06d}"
    numbers = [int(path.name[1:]) for path in _generations(folder)]
    return f"g{max(numbers, default=0) + 1:06d}"


def _drop_unpublished(folder: Path, name: str) -> None:
    """Remove a renamed generation that CURRENT doesn't name."""
    with suppress(IndexError_):
        if current(folder) == name:
            return
    shutil.rmtree(folder / name, ignore_errors=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
