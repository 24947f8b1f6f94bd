"""A writer that is killed at any moment loses nothing it acknowledged and leaves nothing behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from retrieval.index.store import Index
from retrieval.index.writer import Writer, verify

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("index_child.py")
State = dict[int, int]


def applied(state: State, line: str, seed: int) -> State:
    """What an index holds, number to version, after a change that the child told."""
    _, version, add, gone = line.split("|")
    after = {n: v for n, v in state.items() if str(n) not in gone.split(",")}
    return after | {int(n): seed * 100_000 + int(version) for n in add.split(",") if n}


def run_and_kill(folder: Path, seed: int, lines: int, wait_s: float) -> list[str]:
    """Let a child tell `lines` lines, wait, kill it; return all that it told."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), str(seed)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        told = [child.stdout.readline().rstrip() for _ in range(lines)]
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read().splitlines()
    assert child.returncode == -signal.SIGKILL
    return told


def held(index: Index) -> State:
    return {int(d.id[1:]): int(d.sections[0].text.split()[-1].rstrip(".")) for d in index.documents}


def killed_again_and_again(folder: Path, child: Any, kills: int, seed: int) -> int:
    """Kill writers; after each, the index is what was acknowledged, or one change further."""
    draw, state, changes = random.Random(seed), {}, 0
    for turn in range(1, kills + 1):
        told = run_and_kill(folder, turn, draw.randint(0, 8), draw.uniform(0, 0.08))
        under_way = None
        for line in told:
            if line.startswith("done|"):
                state, under_way, changes = applied(state, line, turn), None, changes + 1
            elif line.count("|") == 3:
                under_way = line
        if not (folder / "CURRENT").exists():
            assert state == {}
            continue
        assert verify(folder) == []
        found = held(Index.open(folder, child))
        possible = [state] + ([applied(state, under_way, turn)] if under_way else [])
        assert found in possible
        state = found
        with Writer(folder, child):
            names = sorted(p.name for p in folder.iterdir())
        current = (folder / "CURRENT").read_text().split()[0]
        assert [n for n in names if n.endswith(".tmp") or (n[0] == "g" and n > current)] == []
    return changes


def test_a_killed_writer_loses_nothing_and_leaves_nothing(tmp_path: Path, light: Any) -> None:
    assert killed_again_and_again(tmp_path / "index", light, kills=6, seed=11) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_kills(tmp_path: Path, light: Any) -> None:
    assert killed_again_and_again(tmp_path / "index", light, kills=100, seed=12) > 100


def test_a_generation_that_was_renamed_but_not_published_is_dropped(
    tmp_path: Path, light: Any, numbered: Any
) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1)])
        before = (tmp_path / "CURRENT").read_bytes()
        writer.commit([numbered(2)])
    # As if the writer had died after its rename and before CURRENT was replaced.
    (tmp_path / "CURRENT").write_bytes(before)
    (tmp_path / ".g000003.x.tmp").mkdir()
    assert list(Index.open(tmp_path, light).documents.ids()) == ["d1"]
    with Writer(tmp_path, light) as writer:
        assert sorted(p.name for p in tmp_path.glob("*g0*")) == ["g000001"]
        writer.commit([numbered(3)])
    assert sorted(Index.open(tmp_path, light).documents.ids()) == ["d1", "d3"]
    assert verify(tmp_path) == []
