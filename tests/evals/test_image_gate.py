"""The gate's evaluation: built-in pictures, a CSV of kinds or of yes and no, and faults in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant import vision
from assistant.settings import Settings
from evals import runner
from evals.tasks import image_gate
from retrieval.errors import InputError

SAMPLE = Path(vision.__file__).parent / "samples" / "normal-1.png"


@pytest.fixture
def task(tmp_path: Path) -> image_gate.GateTask:
    return image_gate.build(Settings(state_dir=tmp_path / "state", threads=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "film.png").write_bytes(SAMPLE.read_bytes())
    noise = np.random.default_rng(1).integers(0, 255, (200, 200)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    return tmp_path


def test_the_built_in_set_runs(task: image_gate.GateTask) -> None:
    dataset = task.load(None, None)
    found = list(task.solve(dataset, lambda done, total: None))
    assert len(found) == len(dataset.samples) >= 12
    scores = task.score(found)
    assert scores["refused_others"].value is not None
    assert scores["refused_others"].value >= 0.9
    assert scores["refused_films"].value == 0
    assert {"refused_noise", "refused_document", "refused_mr", "kind_right"} <= set(scores)
    assert all(Path(file).suffix == ".safetensors" for file in task.weights())


@pytest.mark.parametrize(
    "text",
    [
        "file,kind,group\nfilm.png,film,a\nnoise.png,noise,b\nbroken.png,photo,b\n",
        "file,label\nfilm.png,yes\nnoise.png,no\nbroken.png,0\n",
    ],
)
def test_a_csv_is_scored(task: image_gate.GateTask, folder: Path, text: str) -> None:
    index = folder / "index.csv"
    index.write_text(text, encoding="utf-8")
    dataset = task.load(index, None)
    found = list(task.solve(dataset, lambda done, total: None))
    assert [one["refused"] for one in found] == [False, True, True]
    assert found[2]["kind"] is None
    assert found[0]["distance"] is not None
    figures = task.score(found)
    assert figures["refused_films"].value == 0
    assert figures["refused_others"].value == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file\nfilm.png\n", "give a column kind"),
        ("file,kind\nfilm.png,cat\n", "line 2: the kind 'cat' is none of film"),
        ("file,label\nfilm.png,maybe\n", "line 2: the label 'maybe'"),
        ("file,kind\nabsent.png,film\n", "line 2: there is no image"),
    ],
)
def test_a_bad_index_is_named(
    task: image_gate.GateTask, folder: Path, text: str, words: str
) -> None:
    index = folder / "index.csv"
    index.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        task.load(index, None)


def test_the_runner_writes_a_report(folder: Path, tmp_path: Path) -> None:
    index = folder / "index.csv"
    index.write_text("file,kind\nfilm.png,film\nnoise.png,noise\n", encoding="utf-8")
    out = tmp_path / "report"
    runner.run("image_gate", index, None, out, Settings(state_dir=tmp_path / "s", threads=1))
    assert (out / "metrics.json").is_file()
