"""Every benchmark of the library runs from end to end at a tiny size, and what must agree agrees."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PEERS = {
    "encoding": ("sentence_transformers",),
    "lexical": ("langchain_community", "rank_bm25", "bm25s"),
    "hybrid": ("langchain_community", "langchain_classic", "rank_bm25"),
    "store": ("langchain_community",),
    "growth": (),
    "rerank": (),
}


def _run(part: str, folder: Path, cache: Path) -> dict[str, Any]:
    missing = [name for name in PEERS[part] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed: 'pip install .[bench]'")
    out = folder / f"{part}.json"
    command = [sys.executable, "-m", "evals.bench.all", "--quick", "--only", part]
    # No shared data: everyone's text is the starter library's.
    environment = os.environ | {"AUSCULT_DATA": str(folder / "none")}
    done = subprocess.run(
        [*command, "--out", str(folder), "--cache", str(cache)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return dict(json.loads(out.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def test_growth_finds_the_nearest_vectors(tmp_path: Path, cache: Path) -> None:
    value = _run("growth", tmp_path, cache)
    figures = value["figures"]
    assert figures["400: recall of the 10 nearest"]["median"] >= 0.95
    assert figures["400: disk"]["median"] > 768
    assert figures["400: document in"]["rounds"] == 2
    assert (tmp_path / "growth-200.json").is_file()


def test_encoding_agrees(tmp_path: Path, cache: Path) -> None:
    figures = _run("encoding", tmp_path, cache)["figures"]
    assert figures["cosine, smallest"]["median"] >= 0.999


def test_lexical_agrees_with_bm25s(tmp_path: Path, cache: Path) -> None:
    figures = _run("lexical", tmp_path, cache)["figures"]
    assert figures["agreement with bm25s"]["median"] >= 0.8


def test_hybrid_finds_the_same_nearest_vectors(tmp_path: Path, cache: Path) -> None:
    figures = _run("hybrid", tmp_path, cache)["figures"]
    assert figures["nearest vectors: agreement with the FAISS store"]["median"] >= 0.95


def test_stores_open_to_the_same_answer(tmp_path: Path, cache: Path) -> None:
    figures = _run("store", tmp_path, cache)["figures"]
    assert figures["opening: agreement of the first answer"]["median"] >= 0.95


def test_reranking_is_timed(tmp_path: Path, cache: Path) -> None:
    figures = _run("rerank", tmp_path, cache)["figures"]
    assert figures["30 of the library, one thread: processor time"]["median"] > 0
