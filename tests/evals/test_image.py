"""The image task: real files through the judge, figures by hand, and what bad indexes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant.settings import Settings
from evals import metrics, report, risk, runner
from evals.tasks import _image_data
from retrieval import plugins
from retrieval.errors import InputError

SAMPLES = Path(__file__).resolve().parents[2] / "assistant" / "vision" / "samples"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", threads=1)


def film(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, size=(96, 96), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def row(truth: bool, p: float | None, **more: Any) -> dict[str, Any]:
    """A prediction of two labels, its points at 0.3, 0.5 and 0.7."""
    base = {"file": f"{truth}{p}{len(more)}", "patient_id": "", "truth": truth, "refused": p is None,
            "probability": p, "call": None if p is None else p >= 0.5,
            "label": "pneumonia" if truth else "normal"}  # fmt: skip
    if p is None:
        return {**base, **more}
    decision = "suspected" if p >= 0.7 else "ruled out" if p < 0.3 else "uncertain"
    inside = [n for n, q in (("normal", 1 - p), ("pneumonia", p)) if q >= 0.4]
    return {**base, "decision": decision, "sureness": abs(p - 0.5), "set": inside,
            "at": {"balanced": p >= 0.5, "rule out": p >= 0.3, "rule in": p >= 0.7}, **more}  # fmt: skip


def values(rows: list[dict[str, Any]], settings: Settings) -> dict[str, float | None]:
    """The figures themselves, without their intervals."""
    figures = plugins.load(runner.PACKAGE, "image").build(settings).figures(rows)
    return {name: figure.statistic(np.arange(len(rows))) for name, figure in figures.items()}


def test_the_built_in_films_and_their_report(tmp_path: Path, settings: Settings) -> None:
    out = runner.run("image", None, None, tmp_path / "out", settings)
    found = json.loads((out / "metrics.json").read_text())
    shown = {name: metric["value"] for name, metric in found["metrics"].items()}
    assert shown["accuracy"] == shown["balanced_accuracy"] == 1.0
    assert {"sensitivity_rule_out", "npv_rule_out", "ppv_rule_in", "aurc", "abstained",
            "coverage_at_risk_0.05", "brier", "ece"} <= set(shown)  # fmt: skip
    curve = found["curves"]["Risk and coverage"]
    assert curve["coverage"][-1] == 1.0
    assert curve["risk"][-1] == pytest.approx(1 - shown["accuracy"])
    page = (out / "report.html").read_text()
    assert "<polyline" in page
    assert "Risk and coverage" in page
    assert any("pneumonia" in name for name in found["digests"])
    assert any("film_gate" in name for name in found["digests"])


def test_images_that_are_no_films_count_as_wrong_calls(tmp_path: Path, settings: Settings) -> None:
    for number in range(3):
        film(tmp_path / f"{number}.png", number)
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (tmp_path / "index.csv").write_text(
        "file,label,patient_id,orig_split\n"
        "0.png,NORMAL,a,test\n1.png,bacteria,b,test\n2.png,Pneumonia,b,test\n3.png,normal,c,test\n"
    )
    out = runner.run("image", tmp_path / "index.csv", None, tmp_path / "out", settings)
    found = json.loads((out / "metrics.json").read_text())
    lines = (out / "predictions.jsonl").read_text().splitlines()
    predictions = [json.loads(line) for line in lines]
    assert found["unit"] == "patients"
    assert predictions[3]["refused"]
    assert predictions[3]["reason"]
    refused = [p["refused"] for p in predictions]
    assert found["metrics"]["refused"]["value"] == pytest.approx(np.mean(refused))
    assert found["metrics"]["accuracy"]["value"] <= 1 - np.mean(refused)


def test_scores_by_hand(settings: Settings) -> None:
    rows = [row(True, 0.95), row(True, 0.35), row(True, None), row(False, 0.05), row(False, 0.45)]
    got = values(rows, settings)
    assert got["accuracy"] == pytest.approx(3 / 5)
    assert got["sensitivity"] == pytest.approx(1 / 3)
    assert got["specificity"] == 1.0
    assert got["balanced_accuracy"] == pytest.approx(2 / 3)
    assert got["auroc"] == pytest.approx(3 / 4)
    assert got["refused"] == pytest.approx(1 / 5)
    assert got["ece"] == pytest.approx((0.05 + 0.65 + 0.05 + 0.45) / 4)
    assert got["brier"] == pytest.approx((0.05**2 + 0.65**2 + 0.05**2 + 0.45**2) / 4)
    assert got["abstained"] == pytest.approx(2 / 4)
    assert got["accuracy_not_abstained"] == 1.0
    assert got["sensitivity_rule_out"] == pytest.approx(2 / 3)
    assert got["specificity_rule_out"] == pytest.approx(1 / 2)
    assert got["sensitivity_rule_in"] == pytest.approx(1 / 3)
    assert got["specificity_rule_in"] == 1.0
    assert got["set_size"] == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert got["set_coverage"] == pytest.approx(3 / 4)
    assert got["set_coverage_pneumonia"] == pytest.approx(1 / 2)
    # Surest first: two right, then the wrong one, then a right one.
    assert got["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert got["coverage_at_risk_0.05"] == pytest.approx(1 / 2)


def test_predictive_values_follow_the_prevalence() -> None:
    rows = [row(True, 0.9)] * 9 + [row(True, 0.2)] + [row(False, 0.1)] * 8 + [row(False, 0.8)] * 2
    for prevalence in (None, 0.01, 0.5):
        share = 0.5 if prevalence is None else prevalence
        got = values(rows, Settings(prevalence=prevalence))
        assert got["ppv_rule_in"] == pytest.approx(0.9 * share / (0.9 * share + 0.2 * (1 - share)))
        assert got["npv_rule_out"] == pytest.approx(
            0.8 * (1 - share) / (0.8 * (1 - share) + 0.1 * share)
        )


def test_groups_that_are_large_enough_get_figures(settings: Settings) -> None:
    young = [row(bool(n % 2), 0.9 if n % 2 else 0.1, groups={"age": "0 to 5"}) for n in range(20)]
    old = [
        row(bool(n % 2), 0.1 if n % 2 else 0.9, groups={"age": "65 and over"}) for n in range(20)
    ]
    got = values([*young, *old, row(True, 0.9, groups={"sex": "M"})], settings)
    assert got["auroc (age 0 to 5)"] == 1.0
    assert got["auroc (age 65 and over)"] == 0.0
    assert got["specificity (age 65 and over)"] == 0.0
    assert not [name for name in got if "sex" in name]


def test_several_labels_by_hand(settings: Settings) -> None:

    def many(truth: str, *shares: float) -> dict[str, Any]:
        scores = dict(zip(("cyst", "none", "solid"), shares, strict=True))
        call = max(scores, key=lambda name: scores[name])
        return {"file": f"{truth}{shares}", "patient_id": "", "truth": truth, "label": truth,
                "refused": False, "probability": scores[call], "call": call, "scores": scores,
                "decision": "uncertain" if scores[call] < 0.6 else "suspected",
                "sureness": scores[call], "set": [n for n in scores if scores[n] > 0.3]}  # fmt: skip

    refused = {"file": "x", "patient_id": "", "truth": "solid", "label": "solid", "refused": True,
               "probability": None, "call": None}  # fmt: skip
    rows = [many("cyst", 0.8, 0.1, 0.1), many("cyst", 0.4, 0.5, 0.1), many("none", 0.1, 0.7, 0.2),
            many("solid", 0.1, 0.2, 0.7), refused]  # fmt: skip
    got = values(rows, settings)
    assert got["accuracy"] == pytest.approx(3 / 5)
    assert got["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert got["recall_solid"] == pytest.approx(1 / 2)
    assert got["auroc"] == pytest.approx((1.0 + 1.0 + 1.0) / 3)
    assert got["abstained"] == pytest.approx(1 / 4)
    assert got["brier"] == pytest.approx((0.06 + 0.62 + 0.14 + 0.14) / 4)
    assert got["set_size"] == pytest.approx((1 + 2 + 1 + 1) / 4)
    assert got["accuracy_not_abstained"] == 1.0


def test_risk_and_coverage() -> None:
    wrong = [False, True, False, True]
    sure = [0.9, 0.1, 0.8, 0.5]
    covered, risks = risk.curve(wrong, sure)
    assert covered.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risks.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert risk.coverage_at(0.4)(wrong, sure) == 0.75
    assert risk.coverage_at(0.05)([True], [1.0]) == 0.0
    assert risk.aurc([], []) is None
    # Equal sureness can't be told apart: the order of the data must not count.
    assert risk.aurc([True, False], [1, 1]) == risk.aurc([False, True], [1, 1]) == 0.5
    kept = risk.thinned(np.zeros(5000), np.arange(5000))
    assert len(kept["coverage"]) <= risk.MOST
    assert kept["coverage"][-1] == 1.0


def test_metrics_of_several_labels() -> None:
    truth, chances = [0, 1, 2], np.eye(3)
    assert metrics.mean_auroc(truth, chances) == 1.0
    assert metrics.mean_auroc([0, 0, 0], chances) is None
    assert metrics.brier(np.eye(3), chances) == 0.0
    assert metrics.mean_recall([0, 0, 1], [0, 1, 1], range(3)) == pytest.approx(0.75)


def test_a_curve_that_is_empty_is_not_drawn() -> None:
    assert report._curve("x", {"a": [], "b": []}) == ""
    assert "&lt;b&gt;" in report._curve("<b>", {"a": [0.5], "b": [0.5]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,name\nx.png,NORMAL\n", "no column 'label'"),
        ("file,label\nx.png,NORMAL\n", "line 2: there is no image"),
        ("file,label\n0.png,covid\n", "line 2: the label 'covid'"),
        ("file,label\n0.png,NORMAL\n0.png,glioma\n", "line 3: the label 'glioma'"),
    ],
)
def test_bad_indexes(tmp_path: Path, settings: Settings, text: str, says: str) -> None:
    film(tmp_path / "0.png", 0)
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        runner.run("image", tmp_path / "index.csv", None, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_indexes_in_their_several_forms(tmp_path: Path, settings: Settings) -> None:
    from assistant.vision import classifiers

    card = classifiers.build("pneumonia", settings).card
    film(tmp_path / "0.png", 0)
    index = tmp_path / "index.csv"
    index.write_text(
        "file,label_nih,patient_id,age,sex,view\n0.png,PNEUMONIA,n-1,36,F,PA\n0.png,No Finding,n-2,,,\n"
    )
    found, known = _image_data.read(index, [card], None)
    assert known is card
    assert [sample["label"] for sample in found] == ["pneumonia", "normal"]
    assert found[0]["groups"] == {"age": "18 to 39", "sex": "F", "view": "PA"}
    assert found[1]["groups"] == {}
    index.write_text("file,label,near_dup_group\n0.png,Normal,g1\n0.png,viral,g1\n")
    found, _ = _image_data.read(index, [card], 1)
    assert [sample["patient_id"] for sample in found] == ["g1"]
