"""From the command line to an adapter with its cards: real steps on tiny models, on own files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from finetune import _command, recipe, search
from finetune.__main__ import main
from retrieval.adapters import PairScorer, Tagger
from retrieval.encoder import Encoder
from retrieval.errors import ConfigError, InputError
from tests.retrieval.conftest import _two_threads as _two_threads
from tests.retrieval.conftest import tiny_folder as tiny_folder

PAIRS = (
    ("gout", "colchicine"),
    ("asthma", "steroids"),
    ("angina", "nitrates"),
    ("sepsis", "antibiotics"),
)


def groups(start: int, count: int) -> list[dict]:
    out = []
    for n in range(start, start + count):
        disease, drug = PAIRS[n % len(PAIRS)]
        wrong = [
            f"{d} is relieved by {w} at visit {n}." for _, w in PAIRS for d in ("It",) if w != drug
        ]
        right = f"It is relieved by {drug} at visit {n}."
        out.append({"question": f"What relieves {disease} at visit {n}?", "texts": [right, *wrong]})
    return out


def spans(start: int, count: int) -> list[dict]:
    out = []
    for n in range(start, start + count):
        disease, drug = PAIRS[n % len(PAIRS)]
        text = f"At visit {n} the {disease} was treated with {drug}."
        d, c = text.index(disease), text.index(drug)
        marked = [[d, d + len(disease), disease, "Disease"], [c, c + len(drug), drug, "Chemical"]]
        out.append({"text": text, "entities": marked})
    return out


@pytest.fixture
def project(tmp_path: Path, tiny_folder: Path) -> Callable[..., str]:
    """Write data and a recipe of an encoder task; return the recipe's path."""

    def write(task: str = "rerank", **more: object) -> str:
        rows = groups if task == "rerank" else spans
        for name, made in (("train", rows(0, 16)), ("val", rows(100, 6))):
            text = "\n".join(json.dumps(row) for row in made)
            (tmp_path / f"{name}.jsonl").write_text(text)
        keys = {
            "task": task, "name": "tiny", "encoder": str(tiny_folder), "rank": 2, "alpha": 4,
            "layers": [0, 1], "epochs": 2, "batch_tokens": 512, "max_tokens": 32, "threads": 0,
            "validate_every": 2, "hidden": 8, "licence": "CC0",
            "data": {"train": "train.jsonl", "validation": "val.jsonl"}, **more,
        }  # fmt: skip
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(keys))
        return str(path)

    return write


def options(folder: Path, **more: object) -> _command.Options:
    return _command.Options(data=folder, run=folder / "runs", tensorboard=False, **more)  # type: ignore[arg-type]


def said(name: str, given: _command.Options) -> str:
    out: list[str] = []
    assert _command.execute(name, given, out.append) == 0
    return "".join(out)


@pytest.mark.parametrize(("task", "served"), [("rerank", PairScorer), ("entities", Tagger)])
def test_own_files_become_a_served_adapter_with_cards(
    project, tmp_path: Path, tiny_folder: Path, task: str, served: type
) -> None:
    text = said(project(task), options(tmp_path))
    out = tmp_path / "runs" / "adapters" / "tiny"
    assert f"tiny is in {out}" in text
    served.load(Encoder.load(str(tiny_folder), bf16=False), str(out))
    card = json.loads((out / "card.json").read_text())
    assert card["training_data"] == [{"name": "train.jsonl", "licence": "CC0"}]
    assert card["data_card"]["files"][1]["rows"] == 6
    assert card["licence"] == "CC0"
    assert str(tmp_path) not in (out / "CARD.md").read_text()
    assert (out / "data_report.json").is_file()


def test_a_dry_run_checks_estimates_shows_and_trains_nothing(project, tmp_path: Path) -> None:
    text = said(project(), options(tmp_path, dry_run=True))
    assert re.search(r"train\.jsonl +train +rerank +16 ", text)
    assert re.search(r"peak +\d+ MiB +on the ", text)
    assert "[CLS] what relieves gout at visit 0? [SEP] it is relieved by colchicine" in text
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_of_a_chat_model_marks_what_carries_loss(tiny_chat, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "What relieves gout?"},
                        {"role": "assistant", "content": "Colchicine relieves it."}]}  # fmt: skip
    other = {"messages": [{"role": "user", "content": "What relieves asthma at night?"},
                          {"role": "assistant", "content": "Steroids relieve it."}]}  # fmt: skip
    for name, made in (("t", row), ("v", other)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(made))
    keys = {"task": "chat", "name": "tiny", "base": str(tiny_chat("qwen")),
            "data": {"train": "t.jsonl", "validation": "v.jsonl"}}  # fmt: skip
    (tmp_path / "chat.yaml").write_text(yaml.safe_dump(keys))
    text = said(str(tmp_path / "chat.yaml"), options(tmp_path, dry_run=True))
    assert "⟦Colchicine relieves it.<|im_end|>⟧" in text
    assert "⟦What" not in text
    assert "logits" in text or "peak" in text


def test_bad_data_stops_before_anything_is_written(project, tmp_path: Path) -> None:
    path = project()
    text = (tmp_path / "train.jsonl").read_text().splitlines()
    (tmp_path / "val.jsonl").write_text("\n".join(text[:3]))
    with pytest.raises(InputError, match=r"share the text with training.*rows 1, 2, 3"):
        said(path, options(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_a_search_prunes_survives_failures_and_writes_the_best(project, tmp_path: Path) -> None:
    space = {
        "learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
        # Such a rate makes the loss no number, which fails its trial and not the search.
        "head_learning_rate": {"choices": [0.01, 1e38]},
    }
    path = project(search=space, epochs=1)
    given = options(tmp_path, search=4)
    text = said(path, given)
    spec = recipe.load(path)
    folder = tmp_path / "runs" / "tiny" / "search"
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert best["head_learning_rate"] == 0.01
    assert best["name"] == "tiny"
    assert "search" not in best
    assert recipe.load(str(folder / "best.yaml")).rank == spec.rank
    found = search.run(spec, 4, data=tmp_path, run_dir=tmp_path / "runs")
    assert len(found.trials) == 4  # none was trained again
    states = {t.values["head_learning_rate"]: t.state for t in found.trials}
    assert states[0.01] == "complete"
    assert states.get(1e38, "failed") == "failed"
    assert found.best is not None
    assert found.best.value == max(t.value for t in found.trials if t.value is not None)
    assert text.index(f"{found.best.value:.4f}") < text.index("The best is")
    assert not list(folder.glob("trial-*"))


@pytest.mark.parametrize(
    ("space", "said_"),
    [
        ({}, "no search: block"),
        ({"rnk": {"choices": [1, 2]}}, "unknown key 'rnk'"),
        ({"rank": {"low": 1, "high": 100_000}}, "key 'rank' is 100000"),
        ({"task": {"choices": ["embed"]}}, "'task' can't be varied"),
    ],
)
def test_a_search_space_is_checked_first(project, space: dict, said_: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said_)):
        search.check_space(recipe.load(project(search=space)))


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nothing"], 2, "There is no recipe 'nothing'"),
        (["{path}", "--set", "rank"], 2, "--set"),
        (["{path}", "--set", "ranks=2"], 2, "Did you mean 'rank'?"),
        (["{path}", "--data", "{folder}/none"], 2, "There is no data folder"),
        (["{path}", "--set", "data.train=none.jsonl"], 3, "none.jsonl"),
    ],
)
def test_python_m_finetune_says_one_sentence(
    project, tmp_path, capsys, arguments, code, word
) -> None:
    path = project()
    filled = [a.format(path=path, folder=tmp_path) for a in arguments]
    assert main([*filled, "--run", str(tmp_path / "runs")]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert word in line


def test_explain_takes_a_recipe_or_a_task(project, capsys) -> None:
    assert main([project(), "--explain"]) == 0
    assert "batch_tokens: whole number, at least 256" in capsys.readouterr().out
    assert main(["preference", "--explain"]) == 0
    assert "task: preference" in capsys.readouterr().out


@pytest.mark.slow
def test_accelerate_launches_the_same_module(project, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1",
               "-m", "finetune", project(), "--data", str(tmp_path), "--no-tensorboard",
               "--run", str(tmp_path / "runs")]  # fmt: skip
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=280,
        env={**os.environ, "PYTHONPATH": str(root)}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tiny is in" in done.stdout
