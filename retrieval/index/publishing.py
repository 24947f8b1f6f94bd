"""Makes one generation out of the one before and a plan of what changes.

What stays is linked, what changes is written anew, nothing is changed in place. Also decides which
segments ought to be merged. Knows nothing of encoders: vectors come with the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.errors import IndexError_
from retrieval.index import building, dense, generations
from retrieval.index.building import Prepared, SegmentWriter
from retrieval.index.segment import Segment
from retrieval.works import content_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.index.lexical import LexicalWriter
    from retrieval.index.store import Index

MAX_SEGMENTS = 8
MAX_DEAD_SHARE = 0.3
_BATCH_DOCUMENTS = 500
Kept = tuple[tuple[Segment, NDArray[np.bool_]], ...]


def _no_vectors() -> NDArray[np.float32]:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Plan:
    """What the next generation is made of.

    Attributes:
        kept: segments of the generation before, with what lives in them from now on; none means
            that nothing of it is kept, the words neither.
        dead_uids: of the documents that lived before and no longer do.
        fresh: documents to write, each with passages.
        vectors: float32 (passages of `fresh`, width).
        merged: first and one past the last position in `kept` of what becomes one segment.
        anew: whether nothing of the generation before is taken over.
    """

    kept: Kept = ()
    dead_uids: tuple[int, ...] = ()
    fresh: tuple[Prepared, ...] = ()
    vectors: NDArray[np.float32] = field(default_factory=_no_vectors)
    merged: tuple[int, int] | None = None
    anew: bool = False


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a full or forbidden disk into one clear sentence."""
    try:
        yield
    except OSError as error:
        raise IndexError_(
            f"The index can't be written to {folder} ({error.strerror or error}): "
            "free some space or set AUSCULT_STATE_DIR to a folder that can be written."
        ) from error


def publish(folder: Path, manifest: dict[str, Any], plan: Plan) -> None:
    """Make a generation and publish it.

    Args:
        folder: the index folder, whose lock the caller holds.
        manifest: of the generation before, with the fields that get another value.
        plan: what changes.

    Raises:
        IndexError_: if the folder can't be written; the published generation stays.
    """
    after = _current(folder)
    with writing(folder), generations.staged(folder, after) as stage:
        maker = _Maker(stage, folder / (after or ""), dict(manifest))
        entries = maker.segments(plan)
        maker.words(plan)
        known = {} if plan.anew else manifest["digests"]
        made = maker.manifest | {
            "segments": entries,
            "documents": sum(e["documents"] - e["dead"] for e in entries),
            "passages": sum(e["rows"] - e["dead_rows"] for e in entries),
            "next_uid": manifest["next_uid"] + len(plan.fresh),
            "digests": generations.digests(stage, _immutable(known)),
        }
        files.write_json(stage / "manifest.json", made)


def run_to_merge(index: Index) -> tuple[int, int] | None:
    """Return which neighbouring segments ought to become one, or None.

    Everything where too much is dead; the exactly searched ones where they are too large together;
    and else tiers: from the newest back, as long as the next older one is at most twice what was
    taken, so that a passage is rewritten about as often as the index doubles.
    """
    sizes = [len(segment) for segment in index.segments]
    dead = sum(entry["dead_rows"] for entry in index.manifest["segments"])
    if sizes and dead > MAX_DEAD_SHARE * sum(sizes):
        return 0, len(sizes)
    flat = len(sizes)
    while flat and index.segments[flat - 1].meta["layout"] == {"kind": "flat"}:
        flat -= 1
    if sum(sizes[flat:]) > dense.EXACT_ROWS:
        return flat, len(sizes)
    if len(sizes) <= MAX_SEGMENTS:
        return None
    start, taken = len(sizes) - 1, sizes[-1]
    while start and (sizes[start - 1] <= 2 * taken or len(sizes) - start < MAX_SEGMENTS // 2):
        start -= 1
        taken += sizes[start]
    return start, len(sizes)


class _Maker:
    """Fills the folder of one generation under way.

    Attributes:
        manifest: what the new manifest will say; segments are counted on in it.
    """

    def __init__(self, stage: Path, before: Path, manifest: dict[str, Any]) -> None:
        self._stage, self._before, self.manifest = stage, before, manifest

    def segments(self, plan: Plan) -> list[dict[str, Any]]:
        """Link, merge and write segments; return their entries in the manifest."""
        start, end = plan.merged or (0, 0)
        entries = [self._linked(s, live) for s, live in plan.kept[:start]]
        entries.append(self._merged(plan.kept[start:end]))
        entries += [self._linked(s, live) for s, live in plan.kept[end:]]
        entries.append(self._written(plan))
        return [entry for entry in entries if entry]

    def words(self, plan: Plan) -> None:
        """Link the words and change what the plan changes."""
        from retrieval.index import lexical

        folder = self._stage / "lexical"
        if plan.anew:
            folder.mkdir()
        else:
            lexical.link(self._before / "lexical", folder)
            if not (plan.fresh or plan.dead_uids):
                return
        try:
            with lexical.LexicalWriter(folder) as writer:
                _write_words(writer, plan, self.manifest["next_uid"])
        except ValueError as error:  # tantivy reports input and output errors as ValueError
            raise OSError(None, str(error)) from error

    def _linked(self, segment: Segment, live: NDArray[np.bool_]) -> dict[str, Any] | None:
        """Link a segment with its tombstones; None where nothing lives in it."""
        from retrieval.index.lexical import link_file

        if not live.any():
            return None
        (self._stage / segment.name).mkdir()
        for path in (self._before / segment.name).iterdir():
            link_file(path, self._stage / segment.name / path.name)
        dead = int(np.count_nonzero(~live))
        if dead:
            generations.write_live(self._stage / f"live-{segment.name}.bin", live)
        rows = int(segment.columns["count"][~live].sum(dtype=np.int64)) if dead else 0
        return _entry(segment.name, segment.meta, dead, rows)

    def _merged(self, run: Kept) -> dict[str, Any] | None:
        """Write a run of segments as one; None where nothing lives in it."""
        if not any(live.any() for _, live in run):
            return None
        with self._new_segment() as (name, writer):
            for segment, live in run:
                writer.copy(segment, live)
            meta = writer.finish()
        if meta["rows"] > dense.EXACT_ROWS // 2:
            meta["layout"] = dense.write_lists(Segment.open(self._stage / name))
            if (lists := self._stage / name / "ivf.faiss").exists():
                meta["digests"]["ivf.faiss"] = files.sha256(lists)
            building.write_meta(self._stage / name, meta)
        return _entry(name, meta, 0, 0)

    def _written(self, plan: Plan) -> dict[str, Any] | None:
        """Write the plan's documents as a segment; None where there are none."""
        if not plan.fresh:
            return None
        at, uid = 0, self.manifest["next_uid"]
        with self._new_segment() as (name, writer):
            for start in range(0, len(plan.fresh), _BATCH_DOCUMENTS):
                batch = plan.fresh[start : start + _BATCH_DOCUMENTS]
                rows = sum(len(item.spans) for item in batch)
                writer.add(batch, plan.vectors[at : at + rows], uid + start)
                at += rows
            return _entry(name, writer.finish(), 0, 0)

    @contextmanager
    def _new_segment(self) -> Iterator[tuple[str, SegmentWriter]]:
        number = self.manifest["next_segment"]
        self.manifest["next_segment"] = number + 1
        name, manifest = f"s{number:04d}", self.manifest
        writer = SegmentWriter(self._stage / name, manifest["width"], manifest["encoder"])
        try:
            yield name, writer
        finally:
            writer.close()


def _write_words(writer: LexicalWriter, plan: Plan, uid: int) -> None:
    if plan.dead_uids:
        writer.remove(plan.dead_uids)
    for own, item in enumerate(plan.fresh, uid):
        keys = list(item.document.identifiers)
        if content := content_key(item.document):
            keys.append(f"content:{content}")
        for number, passage in enumerate(item.passages):
            writer.add(own, number, passage, keys)


def _entry(name: str, meta: Mapping[str, Any], dead: int, dead_rows: int) -> dict[str, Any]:
    return {
        "name": name, "documents": meta["documents"], "rows": meta["rows"], "dead": dead,
        "dead_rows": dead_rows, "layout": meta["layout"],
    }  # fmt: skip


def _immutable(digests: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of files that are linked from generation to generation."""
    rewritten = ("lexical/meta.json", "lexical/.managed.json")
    return {
        name: value for name, value in digests.items()
        if name not in rewritten and not name.startswith("live-")
    }  # fmt: skip


def _current(folder: Path) -> str | None:
    try:
        return generations.current(folder)
    except IndexError_:
        return None
