"""Dense search: exact in small segments, measured against exact in large ones, filters inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.index import dense
from retrieval.index.store import FEW_ROWS, Index
from retrieval.index.writer import Writer, verify
from retrieval.types import Document, Filters, Section

WIDTH = 24
ROWS = 5000


def clustered(rows: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors around sixty centres."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((60, WIDTH))
    vectors = centres[generator.integers(0, 60, rows)]
    vectors = vectors + 0.6 * generator.standard_normal((rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(numbers: range) -> list[Document]:
    return [
        Document(f"d{n}", "", (Section("", "", f"Text {n}"),), year=2000 + n % 10) for n in numbers
    ]


def truth(index: Index, query: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> list[int]:
    scores = index.vectors[:] @ query
    if mask is not None:
        scores[~mask] = -2
    return np.argsort(-scores, kind="stable")[:10].tolist()


def recall(index: Index, mask: NDArray[np.bool_] | None) -> float:
    shares = []
    for query in clustered(60, 9):
        found = index.dense(query, 10, mask)
        best = [score for _, score in found]
        assert best == sorted(best, reverse=True)
        for row, score in found[:3]:
            assert score == pytest.approx(float(index.vectors[row] @ query), abs=1e-5)
            assert mask is None or mask[row]
        shares.append(len({row for row, _ in found} & set(truth(index, query, mask))) / 10)
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory, index_child: Any) -> Index:
    folder = tmp_path_factory.mktemp("exact")
    with Writer(folder, index_child.WordsEncoder()) as writer:
        for start in (0, 1500):
            numbers = range(start, start + 1500)
            writer.commit(made(numbers), vectors=clustered(1500, start))
        index = writer.index
    assert index is not None
    return index


@pytest.mark.parametrize("filters", [None, Filters(year_from=2003), Filters(year_from=2009)])
def test_small_segments_are_searched_exactly(
    exact: Index, filters: Filters | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {s.meta["layout"]["kind"] for s in exact.segments} == {"flat"}
    assert recall(exact, exact.allowed(filters)) == 1.0
    monkeypatch.setattr("retrieval.index.store.FEW_ROWS", 0)  # inside faiss, not row by row
    assert recall(exact, exact.allowed(filters)) == 1.0


def test_a_few_allowed_rows_are_all_found(exact: Index) -> None:
    mask = np.zeros(len(exact.passages), dtype=np.bool_)
    mask[[3, 1499, 1500, 2999]] = True
    assert FEW_ROWS > 4
    hits = exact.dense(clustered(1, 5)[0], 10, mask)
    assert sorted(row for row, _ in hits) == [3, 1499, 1500, 2999]
    assert exact.dense(clustered(1, 5)[0], 10, np.zeros_like(mask)) == []


def test_vectors_are_rows_lists_and_slices(exact: Index) -> None:
    assert exact.vectors.shape == (3000, WIDTH)
    whole = np.asarray(exact.vectors)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(exact.vectors[[2999, 0, 1500]], whole[[2999, 0, 1500]])
    np.testing.assert_array_equal(exact.vectors[1498:1502], whole[1498:1502])
    np.testing.assert_array_equal(exact.vectors[-1], whole[2999])
    np.testing.assert_allclose(exact.vectors @ whole[7], whole @ whole[7], atol=1e-6)
    assert exact.vectors[[]].shape == (0, WIDTH)
    for wrong in (3000, -3001, [0, 3000]):
        with pytest.raises(IndexError):
            exact.vectors[wrong]
        if isinstance(wrong, int):
            with pytest.raises(IndexError):
                exact.passages[wrong]
    assert [p.document for p in exact.passages[1499:1501]] == ["d1499", "d1500"]


@pytest.fixture
def large(tmp_path: Path, light: Any, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setattr(dense, "EXACT_ROWS", 2000)
    monkeypatch.setattr("retrieval.index.store.FEW_ROWS", 100)
    with Writer(tmp_path, light) as writer:
        for start in range(0, ROWS, 1000):
            numbers = range(start, start + 1000)
            writer.commit(made(numbers), vectors=clustered(1000, start))
        writer.compact()
        index = writer.index
    assert index is not None
    return index


def test_large_segments_have_lists_with_measured_recall(
    large: Index, tmp_path: Path, light: Any
) -> None:
    (entry,) = large.manifest["segments"]
    layout = entry["layout"]
    assert layout["kind"] == "ivf"
    assert min(layout["recall_at_10"], layout["recall_at_10_perturbed"]) >= dense.RECALL
    assert recall(large, None) >= 0.95
    assert recall(large, large.allowed(Filters(year_from=2008))) >= 0.95
    assert verify(tmp_path) == []
    with Writer(tmp_path, light) as writer:
        generation = writer.index
        assert generation is not None
        writer.compact()
        assert writer.index is generation, "there is nothing to compact"
        writer.commit(made(range(ROWS, ROWS + 5)), ["d1", "d3"], vectors=clustered(5, 77))
        index = writer.index
        assert index is not None
        assert recall(index, index.allowed(None)) >= 0.95
        best = index.dense(index.vectors[ROWS + 2], 1)
        assert best[0][0] == ROWS + 2
        assert index.dense(index.vectors[1], 1)[0][0] != 1, "row 1 is dead"


def test_the_lists_are_checked_like_every_file(large: Index, tmp_path: Path, light: Any) -> None:
    path = next((tmp_path / large.generation).rglob("ivf.faiss"))
    data = path.read_bytes()
    for at in (0, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        assert "ivf.faiss is not what its digest says" in verify(tmp_path)[0]
    path.write_bytes(data)
    assert recall(Index.open(tmp_path, light), None) >= 0.95


def test_vectors_that_lists_cannot_tell_apart_stay_exact(
    tmp_path: Path, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "EXACT_ROWS", 400)
    monkeypatch.setattr(dense, "RECALL", 1.1)
    with Writer(tmp_path, light) as writer:
        writer.commit(made(range(600)), vectors=clustered(600, 1))
        index = writer.index
        assert index is not None
        (segment,) = index.segments
        assert segment.meta["layout"]["kind"] == "flat"
        assert "recall@10" in segment.meta["layout"]["refused"]
        assert recall(index, None) == 1.0
        writer.compact()
        assert writer.index is index, "what was refused once is not tried again"
