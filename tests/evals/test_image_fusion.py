"""The fusion task: simulated patients, real pairs from a table, and what is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assistant.settings import Settings
from evals.tasks import _fusion_patients as patients
from evals.tasks import image_fusion
from retrieval.errors import InputError


@pytest.fixture
def task() -> image_fusion.FusionTask:
    return image_fusion.build(Settings(), 3)


def test_the_same_seed_draws_the_same_patients(task: image_fusion.FusionTask) -> None:
    first, again = task.load(None, 50), image_fusion.build(Settings(), 3).load(None, 50)
    assert first.samples == again.samples
    assert first.samples != image_fusion.build(Settings(), 4).load(None, 50).samples
    assert len(first.samples) == 50 * len(patients.SCENARIOS)


def test_simulated_signs_have_their_published_ratio(task: image_fusion.FusionTask) -> None:
    drawn = [s for s in task.load(None, 6000).samples if s["scenario"] == "independent"]
    told = [s for s in drawn if "oxygen saturation" in s["signs"]]
    shown = np.array([s["signs"]["oxygen saturation"] for s in told])
    ill = np.array([s["truth"] for s in told])
    assert shown[ill].mean() / shown[~ill].mean() == pytest.approx(2.8, rel=0.12)


def test_both_together_rank_better_than_either_where_the_film_is_weak(
    task: image_fusion.FusionTask,
) -> None:
    done: list[tuple[int, int]] = []
    dataset = task.load(None, 1500)
    found = list(task.solve(dataset, lambda at, of: done.append((at, of))))
    assert done[-1] == (len(dataset.samples), len(dataset.samples))
    figures = task.figures(found)
    rows = np.arange(len(found))
    values = {name: figure.statistic(rows) for name, figure in figures.items()}
    for name in ("independent", "weak_film"):
        both = values[f"{name}_both_auroc"]
        assert both is not None
        assert both > (values[f"{name}_film_auroc"] or 1)
        assert both > (values[f"{name}_record_auroc"] or 1)


def test_real_pairs_are_read_from_a_table(task: image_fusion.FusionTask, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "patient,truth,decision,oxygen saturation,fever\n"
        "a,1,suspected,present,present\nb,0,ruled out,absent,\nc,0,uncertain,,absent\n",
        encoding="utf-8",
    )
    found = list(task.solve(task.load(path, None), lambda at, of: None))
    assert [p["scenario"] for p in found] == ["pairs"] * 3
    assert found[0]["both"] > found[0]["film"] > found[2]["film"] > found[1]["film"]
    assert task.figures(found)["pairs_both_auroc"].statistic(np.arange(3)) == 1.0


@pytest.mark.parametrize(
    ("row", "said"),
    [("x,suspected,", "truth"), ("1,maybe,", "decision"), ("1,suspected,perhaps", "fever")],
)
def test_a_line_that_cant_be_used_is_named(
    task: image_fusion.FusionTask, tmp_path: Path, row: str, said: str
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"truth,decision,fever\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"line 2: .*{said}"):
        task.load(path, None)
