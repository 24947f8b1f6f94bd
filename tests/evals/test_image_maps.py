"""The tasks on robustness and on explanation: their figures on made-up predictions, and real runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from assistant.settings import Settings
from evals.tasks import image_explain, image_robustness
from evals.tasks.image_robustness import COPIES
from retrieval.errors import InputError

FILM = np.full((224, 224), 60, np.uint8)
FILM[40:90, 120:180] = 250


def white(films: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([min(1.0, float((film > 200).sum()) / 3000) for film in films])


def rows(name: str, truth: bool, chances: Sequence[float], **more: Any) -> list[dict[str, Any]]:
    base = {"file": name, "patient_id": "", "truth": truth, "refused": False, "reason": "",
            "decision": "suspected" if truth else "ruled out"}  # fmt: skip
    return [
        {**base, "copy": copy, "probability": chance, **more}
        for copy, chance in zip(COPIES, chances, strict=True)
    ]


def test_robustness_figures() -> None:
    task = image_robustness.build(Settings())
    good, bad = [0.9] * 25, [0.1] * 25
    found = [*rows("a", True, good), *rows("b", False, bad), *rows("c", True, good)]
    # One copy of one film turns round, and the gate refuses it.
    at = COPIES.index("blur 3")
    found[25 + at] |= {"probability": 0.95, "refused": True, "decision": ""}
    values = {name: f.statistic(np.arange(3)) for name, f in task.figures(found).items()}
    assert values["auroc_plain"] == 1
    assert values["auroc_blur_3"] == 0
    assert values["auroc_worst"] == 0
    assert values["auroc_mean"] == pytest.approx(23 / 24)
    assert 0.9 < (values["auroc_pooled"] or 0) < 1
    assert values["auroc_mean_judged"] is None  # Of blur 3 only one class was let pass.
    assert values["refused_blur_3"] == pytest.approx(1 / 3)
    assert values["refused_mean"] == pytest.approx(1 / 72)
    assert values["refused_plain"] == 0
    assert values["turned_over"] == 0
    found[3] |= {"decision": "ruled out"}
    figures = task.figures(found)
    assert figures["turned_over"].statistic(np.arange(3)) == pytest.approx(1 / 71)
    assert len(figures["auroc_mean"].units) == 3


def test_a_good_map_has_better_areas_than_a_bad_one() -> None:
    heat = np.zeros((224, 224), np.float32)
    heat[40:90, 120:180] = 1
    generator = np.random.default_rng(0)
    good = image_explain.areas(white, FILM, heat, generator)
    bad = image_explain.areas(white, FILM, 1 - heat, generator)
    chance = image_explain.areas(white, FILM, np.zeros_like(heat), generator)
    assert good[0] < chance[0] < bad[0]
    assert good[1] > chance[1] > bad[1]


def test_pictures_of_nothing() -> None:
    found = image_explain.nothing(3)
    assert {kind: len(pictures) for kind, pictures in found.items()} == {"blank": 6, "noise": 6}
    assert all(p.dtype == np.uint8 and p.shape == (224, 224) for ps in found.values() for p in ps)
    assert all(p.std() < 3 for p in found["blank"])
    assert all(p.std() > 15 for p in found["noise"])
    again = image_explain.nothing(3)
    assert all((a == b).all() for k in found for a, b in zip(found[k], again[k], strict=True))


def test_explanation_figures() -> None:
    film = {"kind": "film", "file": "a", "patient_id": "", "truth": True, "probability": 0.9,
            "called": True, "areas": {
                f"{game}_{fill}": dict(zip(image_explain.MAPS, values, strict=True))
                for fill in image_explain.FILLS
                for game, values in (("deletion", (0.3, 0.5, 0.4)), ("insertion", (0.8, 0.5, 0.7)))
            }, "lung_share": 0.7, "lung_area": 0.4}  # fmt: skip
    missed = {"kind": "film", "file": "b", "patient_id": "", "truth": True, "called": False}
    none = {"kind": "noise", "file": "n", "patient_id": "", "refused": True, "called": True,
            "probability": 0.6}  # fmt: skip
    task = image_explain.build(Settings())
    found = {
        n: m.value for n, m in task.score([film, missed, none, {**none, "kind": "blank"}]).items()
    }
    assert found["deletion_blur_gain_over_random"] == pytest.approx(0.2)
    assert found["insertion_grey_gain_over_centre"] == pytest.approx(0.1)
    assert found["called"] == 0.5
    assert found["lungs_found"] == 1
    assert found["lung_share"] == pytest.approx(0.7)
    assert found["noise_refused"] == 1
    assert found["noise_called_past_gate"] == 1


def test_robustness_of_the_built_in_films() -> None:
    task = image_robustness.build(Settings(threads=1))
    dataset = task.load(None, None)
    found = list(task.solve(dataset, lambda done, total: None))
    assert len(found) == 25 * len(dataset.samples)
    assert [row["copy"] for row in found[:25]] == list(COPIES)
    assert all(0 <= row["probability"] <= 1 for row in found)
    assert task.figures(found)["auroc_plain"].statistic(np.arange(len(dataset.samples))) == 1


@pytest.mark.slow
def test_maps_of_the_built_in_films_and_pictures_of_nothing() -> None:
    task = image_explain.build(Settings(threads=1))
    found = list(task.solve(task.load(None, None), lambda done, total: None))
    called = [row for row in found if row["kind"] == "film" and row["called"]]
    assert called
    assert all(set(row["areas"]["deletion_grey"]) == set(image_explain.MAPS) for row in called)
    nothing = [row for row in found if row["kind"] != "film"]
    assert len(nothing) == 12
    assert all(row["refused"] for row in nothing), [r["file"] for r in nothing if not r["refused"]]


def test_an_index_that_is_not_there_is_said() -> None:
    from pathlib import Path

    for module in (image_robustness, image_explain):
        with pytest.raises(InputError, match="There is no file"):
            module.build(Settings()).load(Path("no-such.csv"), None)
