"""The dense half of an index: nearest vectors of one segment, exactly or by inverted lists.

Small segments are searched exactly over the float16 vectors. Large ones have inverted lists of
8-bit codes (`ivf.faiss`); their candidates are scored again from the float16 vectors by the
caller. Which rows may be found is told to faiss, so that a filter can't empty the list.

Source: Johnson, Douze & Jegou 2017, "Billion-scale similarity search with GPUs" (IVF and scalar
quantisers in faiss).
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.index.segment import Segment

EXACT_ROWS = 100_000  # more rows than this without inverted lists would be too slow
# Aimed at on the sample. Questions lie farther from passages than its perturbed vectors do: 0.985 of these
# went with 0.968 of real questions over real passages (32,000 vectors, 128 of 715 lists).
RECALL = 0.985
THREADS = 2
_SAMPLE = 200
_PER_LIST = 40
_FIRST_PROBES = 8
_NEAR = 0.3  # cosine between a sampled vector and the query made of it
_BLOCK = 32_768
_LOCK = threading.Lock()


class Recall(NamedTuple):
    """How many of the true ten nearest the inverted lists find, as a share."""

    stored: float
    perturbed: float


def search(
    segment: Segment, query: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None
) -> NDArray[np.int64]:
    """Return rows of the segment that hold its nearest `k` by cosine, in no certain order.

    Args:
        segment: what is searched.
        query: unit vector, float32 (width,).
        k: rows wanted; of approximate candidates more are returned.
        mask: bool (rows,) of the rows that may be found, or None for all.
    """
    faiss = _faiss()
    index = _opened(segment)
    bits = None if mask is None else np.packbits(mask, bitorder="little")
    selector = None if bits is None else faiss.IDSelectorBitmap(bits)
    wanted = min(k, len(segment))
    if segment.meta["layout"]["kind"] == "ivf":
        wanted = min(2 * k + 20, len(segment))
        probes = segment.meta["layout"]["nprobe"]
        if mask is not None:  # fewer rows a list: look into more lists
            share = max(float(np.count_nonzero(mask)) / len(mask), 1e-3)
            probes = min(index.nlist, math.ceil(probes * min(1 / share, 8.0)))
        parameters = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
    else:
        parameters = faiss.SearchParameters(sel=selector)
    _, rows = index.search(np.ascontiguousarray(query[None, :]), wanted, params=parameters)
    return rows[0][rows[0] >= 0]


def open_lists(segment: Segment) -> None:
    """Map a segment's inverted lists, where it has them.

    Raises:
        ValueError: if they don't fit the segment.
    """
    faiss = _faiss()
    if segment.meta["layout"]["kind"] != "ivf":
        return
    try:
        # Not IO_FLAG_MMAP: its on-disk lists start threads at every search.
        index = faiss.read_index(str(segment.folder / "ivf.faiss"), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ValueError(f"ivf.faiss can't be read: {error}") from error
    if index.ntotal != len(segment):
        raise ValueError("ivf.faiss has another number of vectors than its segment")
    segment.cache["faiss"] = index


def write_lists(segment: Segment) -> dict[str, Any]:
    """Train and write inverted lists for a segment; return its layout, measured.

    The number of lists searched (`nprobe`) is doubled until the sample's recall@10 against exact
    search holds; where it never does, the segment stays exact.

    Raises:
        OSError: if the file can't be written.
    """
    faiss = _faiss()
    rows, width = segment.vectors.shape
    lists = max(16, int(4 * math.sqrt(rows)))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(THREADS, before))
    try:
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )  # fmt: skip
        index.cp.niter, index.cp.max_points_per_centroid = 8, _PER_LIST
        index.cp.spherical, index.cp.min_points_per_centroid = True, 1
        generator = np.random.default_rng(rows)
        index.train(_taken(segment, generator, min(rows, lists * _PER_LIST)))
        for at in range(0, rows, _BLOCK):
            index.add(segment.vectors[at : at + _BLOCK].astype(np.float32))
        layout = _tuned(segment, index, generator)
    finally:
        faiss.omp_set_num_threads(before)
    if layout["kind"] == "ivf":
        _written(index, segment.folder / "ivf.faiss")
    return layout


def _faiss() -> Any:
    """Return faiss; its stubs know neither keyword arguments nor arrays."""
    import faiss

    return faiss


def _taken(segment: Segment, generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    chosen = np.sort(generator.choice(len(segment), count, replace=False))
    return segment.vectors[chosen].astype(np.float32)


def _tuned(segment: Segment, index: Any, generator: np.random.Generator) -> dict[str, Any]:
    """Return the layout with the fewest lists searched whose recall holds."""
    stored = _taken(segment, generator, min(_SAMPLE, len(segment)))
    noise = generator.standard_normal(stored.shape, dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    perturbed = _NEAR * stored + math.sqrt(1 - _NEAR**2) * noise
    perturbed /= np.linalg.norm(perturbed, axis=1, keepdims=True)
    queries = np.concatenate([stored, perturbed])
    truth = _exact(segment, queries, 10)
    index.nprobe = _FIRST_PROBES
    while True:
        recall = _recall(segment, index, queries, truth)
        if min(recall) >= RECALL:
            return {
                "kind": "ivf", "lists": index.nlist, "nprobe": index.nprobe,
                "recall_at_10": round(recall.stored, 4),
                "recall_at_10_perturbed": round(recall.perturbed, 4), "sample": len(stored),
            }  # fmt: skip
        if index.nprobe * 2 > index.nlist // 2:
            return {"kind": "flat", "refused": f"recall@10 {min(recall):.3f} by inverted lists"}
        index.nprobe *= 2


def _recall(
    segment: Segment, index: Any, queries: NDArray[np.float32], truth: NDArray[np.int64]
) -> Recall:
    _, found = index.search(queries, min(40, len(segment)))
    shares = []
    for query, rows, true in zip(queries, found, truth, strict=True):
        rows = rows[rows >= 0]
        scores = segment.vectors[rows].astype(np.float32) @ query
        best = rows[np.argsort(-scores, kind="stable")[: len(true)]]
        shares.append(len(set(best.tolist()) & set(true.tolist())) / len(true))
    half = len(shares) // 2
    return Recall(float(np.mean(shares[:half])), float(np.mean(shares[half:])))


def _exact(segment: Segment, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the rows of the exact nearest `k` of each query, (queries, k)."""
    best_scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    best_rows = np.full((len(queries), k), -1, dtype=np.int64)
    for at in range(0, len(segment), _BLOCK):
        block = segment.vectors[at : at + _BLOCK].astype(np.float32)
        scores = np.concatenate([best_scores, queries @ block.T], axis=1)
        found = np.broadcast_to(np.arange(at, at + len(block)), (len(queries), len(block)))
        rows = np.concatenate([best_rows, found], axis=1)
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best_scores = np.take_along_axis(scores, top, axis=1)
        best_rows = np.take_along_axis(rows, top, axis=1)
    return best_rows


def _opened(segment: Segment) -> Any:
    """Return the segment's faiss index; an exact one is made at the first search."""
    if (index := segment.cache.get("faiss")) is None:
        with _LOCK:
            if (index := segment.cache.get("faiss")) is None:
                index = segment.cache["faiss"] = _flat(segment)
    return index


def _flat(segment: Segment) -> Any:
    faiss = _faiss()
    index = faiss.IndexScalarQuantizer(
        segment.vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.is_trained = True
    index.add_sa_codes(np.ascontiguousarray(segment.vectors).view(np.uint8))
    return index


def _written(index: Any, path: Path) -> None:
    faiss = _faiss()
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # faiss has no other word for a full disk
        raise OSError(None, str(error)) from error
