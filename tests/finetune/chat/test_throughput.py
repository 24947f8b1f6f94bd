"""The comparison of training speed runs, and what it is run on is what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.chat import throughput

ROOT = Path(__file__).resolve().parents[3]


def test_the_made_up_dialogues_vary_in_length_and_end_with_the_assistant():
    rows = throughput.dialogues(throughput.SIZES, 1000)
    lengths = [sum(len(m["content"].split()) for m in row) for row in rows]
    assert len(rows) == throughput.SIZES["dialogues"]
    assert max(lengths) > 4 * sorted(lengths)[len(lengths) // 2] or max(lengths) > 900
    assert max(lengths) < throughput.SIZES["most_tokens"]
    assert {row[-1]["role"] for row in rows} == {"assistant"}
    assert rows == throughput.dialogues(throughput.SIZES, 1000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_benchmark_tells_real_tokens_a_second_of_both(tmp_path):
    out = tmp_path / "training.json"
    command = [sys.executable, "-m", "evals.bench.training", "--quick", "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ, capture_output=True)
    found = json.loads(out.read_text())
    figures = found["figures"]
    assert figures["times faster"]["median"] > 1
    assert found["facts"]["real tokens a round"] > found["facts"]["of them the assistant's"] > 0
    assert figures["finetune.chat"]["median"] > figures["TRL defaults"]["median"]
