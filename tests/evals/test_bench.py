"""The benchmarks' own arithmetic, their corpus, and that the page is filled from their files."""

from __future__ import annotations

import json
import mmap
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.bench import _corpus, _paired, _table, plan, report
from evals.bench.lexical import block

WIDTH = 16


@pytest.fixture
def corpus() -> _corpus.Corpus:
    generator = np.random.default_rng(3)
    vectors = generator.standard_normal((40, WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pieces = [
        _corpus.Piece(
            f"a{n // 3}", f"Title {n // 3}", 2000 + n, f"alpha{n} beta{n} gamma{n} delta{n}"
        )
        for n in range(40)
    ]
    return _corpus.Corpus(pieces, vectors[:30].astype(np.float16), ["q"], "starter")


def test_rounds_give_every_variant_every_number_and_pair_the_ratios() -> None:
    seen: dict[str, list[int]] = {"slow": [], "fast": []}

    def slow(number: int) -> int:
        seen["slow"].append(number)
        return sum(range(200_000))

    def fast(number: int) -> int:
        seen["fast"].append(number)
        return sum(range(2_000))

    found = _paired.compare({"slow": slow, "fast": fast}, 5, random.Random(1))
    assert seen == {"slow": [0, 1, 2, 3, 4, 5], "fast": [0, 1, 2, 3, 4, 5]}
    assert len(found.cpu_s["slow"]) == 5
    assert found.outputs["fast"] == [sum(range(2_000))] * 5
    pairs = zip(found.cpu_s["slow"], found.cpu_s["fast"], strict=True)
    ratios = [a / max(b, 1e-9) for a, b in pairs]
    ratio = found.ratio("slow", "fast")
    assert (ratio.low, ratio.high) == (min(ratios), max(ratios))


def test_a_round_of_other_order_is_drawn() -> None:
    order: list[str] = []
    work = {name: lambda _, name=name: order.append(name) for name in "abc"}
    _paired.compare(work, 20, random.Random(0))
    rounds = {tuple(order[at : at + 3]) for at in range(3, len(order), 3)}
    assert len(rounds) > 1
    assert all(sorted(found) == ["a", "b", "c"] for found in rounds)


def test_overlap_by_hand() -> None:
    assert _paired.overlap([[1, 2, 3]], [[3, 4, 1]]) == pytest.approx(2 / 3)
    assert _paired.overlap([[1], []], [[1], [2]]) == 0.5
    assert _paired.overlap([[1]], [[]]) == 1.0


def test_a_child_measures_in_a_process_of_its_own() -> None:
    assert _paired.in_child(_paired.overlap, found=[[1, 2]], expected=[[2, 3]]) == 0.5
    with pytest.raises(SystemExit, match="overlap failed in its own process"):
        _paired.in_child(_paired.overlap, found=[[1]], expected=[[1], [2]])


def test_memory_is_seen_to_grow() -> None:
    before = _paired.memory()
    with mmap.mmap(-1, 40_000_000) as held:  # fresh pages, not some that were freed before
        held.write(b"1" * len(held))
        grown = _paired.memory()
    assert grown.total - before.total > 20
    assert grown.private <= grown.total


def test_targets_tell_met_from_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"ratio": _table.figure([3.0, 5.0, 4.0], "x"), "time": _table.single(9.0, "ms")}
    aims = {
        "ratio": _table.Target(least=4),
        "time": _table.Target(most=8),
        "absent": _table.Target(1),
    }
    out = tmp_path / "a.json"
    _table.publish("sample", figures, _table.machine(), out, facts={"n": 3}, targets=aims)
    value = json.loads(out.read_text())
    assert value["figures"]["ratio"] == {
        "median": 4.0, "low": 3.0, "high": 5.0, "rounds": 3, "unit": "x",
    }  # fmt: skip
    assert value["targets"] == {
        "ratio": {"aim": "at least 4", "met": True},
        "time": {"aim": "at most 8", "met": False},
    }
    assert "NOT MET" in capsys.readouterr().out


def test_blocks_of_questions_do_not_repeat_while_they_last() -> None:
    questions = [str(n) for n in range(100)]
    assert len({q for n in range(9) for q in block(questions, n, 10)}) == 90
    assert block(questions[:3], 7, 3) == questions[:3]


def test_cut_keeps_every_word_in_order() -> None:
    text = "One two three. " + "word " * 130 + "end. Four five. Six."
    found = list(_corpus.cut(text, words=50))
    assert " ".join(found).split() == text.split()
    assert max(len(run.split()) for run in found) == 50


def test_rows_are_the_real_ones_then_crossed_ones(corpus: _corpus.Corpus) -> None:
    pieces, vectors = corpus.rows(range(38, 50))
    assert pieces[:2] == list(corpus.pieces[38:40])
    assert len(pieces) == len(vectors) == 12
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    embedded = corpus.rows(range(28, 32))
    assert embedded[0] == list(corpus.pieces[28:32])
    np.testing.assert_array_equal(embedded[1][:2], corpus.vectors[28:].astype(np.float32))
    words = {word for piece in corpus.pieces for word in piece.text.split()}
    assert all(set(piece.text.split()) <= words for piece in pieces)
    assert corpus.rows(range(45, 50))[0] == pieces[7:]


def test_a_crossed_vector_lies_near_both_of_its_passages(corpus: _corpus.Corpus) -> None:
    pieces, vectors = corpus.rows(range(40, 60))
    near = (vectors @ corpus.vectors.astype(np.float32).T).argsort(axis=1)[:, ::-1]
    texts = [set(piece.text.split()) for piece in corpus.pieces]
    hits = [
        bool(set(piece.text.split()) & texts[row])
        for piece, rows in zip(pieces, near, strict=True)
        for row in rows[:1]
    ]
    assert sum(hits) >= 18


def test_batches_number_the_documents_by_their_first_passage(corpus: _corpus.Corpus) -> None:
    from evals.bench import _ours
    from retrieval import chunking

    found = []
    for documents, vectors in corpus.batches(55, size=20):
        passages = list(chunking.passages(documents))
        assert len(passages) == len(vectors)
        found += [_ours.number(passage.id) for passage in passages]
    assert found == list(range(55))


class Given:
    """Stands for the encoder where every vector is given."""

    identity = "given@0"
    width = WIDTH

    def embed(self, texts: list[str], progress: Any = None) -> Any:
        raise AssertionError("a vector that was given is embedded")


def test_an_index_grows_and_finds_what_exact_search_finds(
    corpus: _corpus.Corpus, tmp_path: Path
) -> None:
    from evals.bench import _ours, growth
    from retrieval.index.store import Index

    place, spent = tmp_path / "index", []
    _ours.grow(place, corpus, range(90), Given(), spent.append)
    assert len(spent) == 2
    changed = growth.one_document(place, corpus, 200, 2, Given())
    assert [len(seconds) for seconds in changed.values()] == [2, 2, 2]
    index = Index.open(place, Given())
    assert _ours.live(index) == 90
    asked = corpus.rows(range(5, 15))[1]
    nearest = [index.dense(vector, 1)[0][0] for vector in asked]
    assert _ours.numbers(index, nearest) == list(range(5, 15))
    assert growth.recall(index, asked) == 1.0
    sizes = growth.disk(place)
    assert set(sizes) == {"vectors", "text", "words", "rest"}
    index.close()


def test_recall_tells_what_was_missed(corpus: _corpus.Corpus, tmp_path: Path) -> None:
    from evals.bench import _ours, growth
    from retrieval.index.store import Index

    _ours.grow(tmp_path / "index", corpus, range(60), Given())

    class Half(Index):
        def dense(self, query: Any, k: int, allowed: Any = None) -> list[tuple[int, float]]:
            return super().dense(query, k, allowed)[: k // 2]

    assert growth.recall(Half.open(tmp_path / "index", Given()), corpus.rows(range(4))[1]) == 0.5


def test_line_through_points_by_hand() -> None:
    found = plan.line([1, 2, 3], [5, 7, 9])
    assert found == pytest.approx((3, 2))
    assert found.reaches(13) == pytest.approx(5)
    assert plan.line([4], [9]).reaches(10) == float("inf")
    assert plan.line([1, 3], [8, 2]) == (5, 0)


def _slopes(**changed: Any) -> plan.Slopes:
    values: dict[str, Any] = {
        "vector_bytes": 1_000.0, "word_bytes": 10.0, "memory_mb": plan.Line(100.0, 1e-3),
        "latency_ms": plan.Line(20.0, 4e-5), "add_us": 360.0, "words_per_s": 1_000.0,
        "measured_to": 1_000_000,
    }  # fmt: skip
    return plan.Slopes(**{**values, **changed})


def test_plan_by_hand() -> None:
    given = plan.Assumptions(
        abstracts=10_000_000, words=200, passages=1.0, latency_ms=101.0, memory_gb=100.0,
        cpu_threads=10, gpu_speedup=20.0, cpu_thread_hour=0.1, gpu_hour=3.0, disk_gb_month=0.2,
    )  # fmt: skip
    found = plan.plan(_slopes(), given)
    assert found.disk_gb == pytest.approx(10 + 20)
    assert found.disk_peak_gb == pytest.approx(60)
    assert (found.shards, found.shard_passages) == (5, 2_000_000)
    assert found.shard_latency_ms == pytest.approx(100)
    assert found.shard_memory_gb == pytest.approx(2.1)
    assert found.beyond_measured == pytest.approx(2)
    assert found.build_hours == pytest.approx(1)
    assert found.cpu_hours == pytest.approx(2e9 / 1_000 / 3_600 / 10)
    assert found.gpu_cost == pytest.approx(2e9 / 1_000 / 3_600 / 20 * 3)


def test_plan_refuses_limits_that_nothing_meets() -> None:
    with pytest.raises(ValueError, match="no index is small enough"):
        plan.plan(_slopes(), plan.Assumptions(latency_ms=5.0))


def test_slopes_come_from_the_figures() -> None:
    def one(value: float) -> dict[str, float]:
        return {"median": value}

    figures = {}
    for size, label in ((1_000, "1,000"), (3_000, "3,000")):
        figures |= {
            f"{label}: memory after the questions": one(100 + size / 100),
            f"{label}: hybrid: 95th percentile": one(10 + size / 1_000),
            f"{label}: adding and compacting": one(250.0),
            f"{label}: disk": one(1_500.0),
            f"{label}: disk: text": one(300.0),
            f"{label}: disk: words": one(200.0),
        }
    growth = {"facts": {"layouts": {"1000": "", "3000": ""}, "words a passage": 50.0}}
    encoding = {"figures": {"Encoder.embed": one(40.0)}, "facts": {"words a text": 120.0}}
    found = plan.slopes({**growth, "figures": figures}, encoding)
    assert found.vector_bytes == 1_000
    assert found.word_bytes == 10
    assert found.memory_mb == pytest.approx((100, 0.01))
    assert found.latency_ms.slope == pytest.approx(1e-3)
    assert (found.words_per_s, found.measured_to, found.add_us) == (4_800, 3_000, 250)


def test_the_page_is_filled_where_figures_are_there() -> None:
    page = "A\n<!-- figures: sample -->\nold\n<!-- end -->\nB\n<!-- figures: other -->\nkept\n<!-- end -->\n"
    machine = {"cpu": "C", "cores": 2, "load_average": 0.1, "versions": {"torch": "2"}}
    result = {
        "benchmark": "sample", "machine": machine, "after": machine, "facts": {"texts": 1234},
        "figures": {"ratio": {"median": 1234.5, "low": 1000.0, "high": 2000.0, "unit": "x"}},
        "targets": {"ratio": {"aim": "at least 2000", "met": False}},
    }  # fmt: skip
    filled = report.fill(page, {"sample": result})
    assert "| ratio | 1,234 | 1,000 | 2,000 | x | at least 2000: **not met** |" in filled
    assert "old" not in filled
    assert "kept" in filled
    assert report.fill(filled, {"sample": result}) == filled


def test_growth_is_shown_by_size() -> None:
    def one(value: float, unit: str) -> dict[str, Any]:
        return {"median": value, "low": value, "high": value, "unit": unit}

    machine = {"cpu": "C", "cores": 2, "load_average": 0.1, "versions": {}}
    result = {
        "benchmark": "growth", "machine": machine, "after": machine,
        "figures": {
            "10,000: opening": one(0.5, "s"), "1,000,000: opening": one(2.5, "s"),
            "ceiling: memory read": one(10, "GB/s"),
        },
        "targets": {"1,000,000: opening": {"aim": "at most 2", "met": False}},
    }  # fmt: skip
    lines = report.table(result).splitlines()
    assert "| passages | 10,000 | 1,000,000 |" in lines
    assert "| opening (s) | 0.5 | **2.5** (not met) |" in lines
    assert any(line.startswith("| ceiling: memory read | 10 |") for line in lines)


def test_every_block_of_the_page_names_a_benchmark() -> None:
    from evals.bench import all as every

    found = report._BLOCK.findall(report.PAGE.read_text(encoding="utf-8"))
    assert {name for _, name, _ in found} == set(every.PARTS)
