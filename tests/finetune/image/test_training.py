"""Real trainings of a few steps: every kind ends in a served classifier, and goes on to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assistant.errors import ConfigError, InputError, ModelError
from assistant.vision import networks, weights
from finetune import _command, recipe, search
from finetune.checkpoints import CheckpointError
from finetune.image import crossval, teach, trainer
from finetune.image import data as pictures
from finetune.progress import Progress
from tests.finetune.image.conftest import THREE


@pytest.fixture(scope="session")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that the command has trained."""
    import yaml

    root = tmp_path_factory.mktemp("trained")
    keys = {
        "task": "image", "name": "tiny", "modality": "drawing", "kinds": ["film"], "licence": "CC0", "seed": 3,
        "data": {"index": "index.csv", "classes": {"no": ["across"], "yes": ["down", "blob"]},
                 "held_out": 0.2, "validation": 0.25, "licence": "CC0"},
        "external": [{"name": "elsewhere", "index": "index.csv", "limit": 12}],
        "side": 32, "store": 64, "widths": [4, 8], "blocks": [1, 1], "epochs": 6, "batch": 8,
        "rate": 0.01, "average": 0.8, "corruptions": ["dark 2"], "validate_every": 4, "threads": 1,
        "calibrate_on": "corrupted", "coverage": 0.6,
    }  # fmt: skip
    (root / "tiny.yaml").write_text(yaml.safe_dump(keys))
    said: list[str] = []
    options = _command.Options(data=folder, run=root / "runs", tensorboard=False)
    assert _command.execute(str(root / "tiny.yaml"), options, said.append) == 0
    return root / "runs" / "adapters" / "tiny"


def test_a_recipe_becomes_a_classifier_with_cards(trained: Path, folder: Path) -> None:
    card = weights.load(trained).card
    assert card["labels"] == ["no", "yes"]
    assert (card["positive"], card["negative"], card["views"]) == ("yes", "no", ["plain", "mirror"])
    assert [point["name"] for point in card["operating_points"]] == [
        "balanced",
        "rule out",
        "rule in",
    ]
    assert {"hold-out", "hold-out, corrupted", "hold-out, jpeg 3", "elsewhere"} <= set(
        card["results"]
    )
    assert card["results"]["hold-out"]["auroc"] > 0.9
    assert card["conformal"]["coverage"] == 0.6
    assert card["data_card"]["files"][0]["part"] == "train"
    assert card["versions"]["torch"]
    page = (trained / "CARD.md").read_text()
    assert "Tells no, yes apart" in page
    assert "base" not in page
    for name in ("card.json", "CARD.md", "data_report.json"):
        assert str(folder) not in (trained / name).read_text()


def test_the_classifier_that_serves_reads_it(trained: Path, folder: Path, make) -> None:
    from assistant.settings import Settings
    from assistant.vision import classifiers

    served = classifiers.build(str(trained), Settings())
    films = pictures.of(make(store=224), folder)
    readings = served.read(list(films.pixels[:6]))
    network = teach.load(trained, ["no", "yes"])
    from finetune.image import calibrate, score

    own = calibrate.calibration.from_card(served_card(trained)["calibration"], 2)
    chances = own(calibrate.pair(score.logits(network, films.pixels[:6])))
    told = np.array([reading.probabilities for reading in readings])
    assert told == pytest.approx(chances, abs=0.02)


def served_card(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "card.json").read_text())


def digest(folder: Path) -> str:
    return served_card(folder)["sha256"]


def test_a_killed_training_goes_on_to_the_last_bit(folder: Path, make, tmp_path: Path) -> None:
    recipe = make(**{"distil.members": 1, "pretrain.method": "simsiam", "pretrain.epochs": 1,
                     "epochs": 2, "mixup": 0.3})  # fmt: skip
    trainer.train(recipe, folder, tmp_path / "whole", tmp_path / "a")
    seen: list[int] = []
    due = [3, 7, 10]

    def stop(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step in due:
            due.remove(progress.step)
            raise KeyboardInterrupt

    for _ in range(4):
        try:
            trainer.train(recipe, folder, tmp_path / "parts", tmp_path / "b", stop)
        except KeyboardInterrupt:
            assert not (tmp_path / "parts" / "card.json").exists()
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    assert len(seen) > len(set(seen))  # Some steps were taken twice, from a checkpoint on.


def test_a_checkpoint_of_another_recipe_or_other_pictures_is_refused(
    folder: Path, make, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert trainer.train(make(), folder, tmp_path / "out", run, stop_after=2) == {}
    with pytest.raises(CheckpointError, match=r"recipe rate was 0\.002, now 0\.1"):
        trainer.train(make(rate=0.1), folder, tmp_path / "out", run)
    with pytest.raises(CheckpointError, match="data differs"):
        trainer.train(make(**{"data.limit": 40}), folder, tmp_path / "out", run)
    assert (
        trainer.train(make(rate=0.1), folder, tmp_path / "out", run, fresh=True, stop_after=2) == {}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "densenet", "blocks": [1, 1], "growth": 4, "normalise": "ranks"},
        {"network": "seed", "augment.use": False, "balance": False, "select": "last"},
        {"progressive": True, "side": 48, "calibration": "beta", "distil.teachers": ["TRAINED"]},
        {"start": "TRAINED", "extra": [{"name": "more", "index": "index.csv", "limit": 4}]},
    ],
)
def test_every_kind_of_network_and_lesson_trains(
    folder: Path, make, tmp_path: Path, trained: Path, changes: dict
) -> None:
    told = json.loads(json.dumps(changes).replace("TRAINED", str(trained)))
    recipe = make(**{**told, "data.classes": THREE if "growth" in told else make().data.classes})
    results = trainer.train(
        recipe.model_copy(update={"steps": 3}), folder, tmp_path / "out", tmp_path / "run"
    )
    assert results["hold-out"]["films"] > 0
    card = weights.load(tmp_path / "out").card
    network = networks.build(card["architecture"])
    network.load_state_dict(weights.load(tmp_path / "out").tensors)
    network.eval()
    maps = network.late(network.early(torch.rand(2, 1, 64, 64)))
    assert network.classify(maps).shape == ((2, 3) if "growth" in told else (2,))
    assert str(tmp_path) not in json.dumps(card)


def test_wrong_teachers_and_starts_are_named(
    folder: Path, make, tmp_path: Path, trained: Path
) -> None:
    three = make(**{"data.classes": THREE, "distil.teachers": [str(trained)]})
    with pytest.raises(ModelError, match="tells no, yes apart"):
        trainer.train(three, folder, tmp_path / "out", tmp_path / "run")
    wide = make(widths=[6, 8], start=str(trained))
    with pytest.raises(ModelError, match="another trunk"):
        trainer.train(wide, folder, tmp_path / "out", tmp_path / "run")
    with pytest.raises(InputError, match="There is no absent"):
        trainer.train(make(start="absent"), folder, tmp_path / "out", tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibration": "beta", "data.classes": THREE}, "is for two classes"),
        ({"corruptions": ["fog 2"]}, "no corruption 'fog 2'"),
        ({"widths": [4, 8, 16]}, "one number each"),
        ({"network": "seed", "progressive": True}, "any input size"),
        ({"augment.zoom": [1.2, 0.8]}, "the smaller first"),
        ({"augment.erse": 1}, "Did you mean 'augment.erase'"),
    ],
)
def test_a_wrong_value_is_one_sentence(make, changes: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**changes)


def test_cross_validation_compares_arms_and_calibrates_a_whole_network(
    folder: Path, make, tmp_path: Path
) -> None:
    arms = [make(name="one", rate=0.01), make(name="two", steps=2, select="last")]
    options = crossval.Options(folds=3)
    table = crossval.run(arms, folder, tmp_path / "cv", options)
    assert [row["arm"] for row in table] == ["one", "two"]
    assert table[0]["pictures"] == 48
    assert {"auroc", "ece", "corrupted_mean", "corrupted_worst", "corrupted_ece"} <= set(table[0])
    stamp = (tmp_path / "cv" / "one" / "fold-0.npz").stat().st_mtime_ns
    assert crossval.run(arms[:1], folder, tmp_path / "cv", options) == table[:1]
    assert (tmp_path / "cv" / "one" / "fold-0.npz").stat().st_mtime_ns == stamp
    answers = str(tmp_path / "cv" / "one" / crossval.FILE)
    whole = make(
        steps=2, out_of_fold=answers,
        **{"data.held_out": 0, "data.validation": 0, "distil.logits": answers},
    )  # fmt: skip
    results = trainer.train(whole, folder, tmp_path / "out", tmp_path / "run")
    assert results["out of fold"]["films"] == 48
    card = weights.load(tmp_path / "out").card
    assert card["training"]["films"] == 48
    assert card["recipe"]["out_of_fold"] == crossval.FILE
    with pytest.raises(ConfigError, match="same name"):
        crossval.run([arms[0], arms[0]], folder, tmp_path / "cv", options)


def test_a_dry_run_shows_and_trains_nothing(
    folder: Path, make, tmp_path: Path, monkeypatch
) -> None:
    import yaml

    path = tmp_path / "tiny.yaml"
    path.write_text(
        yaml.safe_dump(make().model_dump(mode="json", exclude_defaults=True) | {"task": "image"})
    )
    said: list[str] = []
    options = _command.Options(data=folder, run=tmp_path / "runs", dry_run=True)
    assert _command.execute(str(path), options, said.append) == 0
    text = "".join(said)
    assert "labels: no 16, yes 32" in text
    assert "peak" in text
    assert "8 views of 32 by 32 pixels" in text
    assert not (tmp_path / "runs").exists()


def test_a_search_varies_a_recipe(folder: Path, make, tmp_path: Path) -> None:
    told = make(steps=4, search={"rate": {"low": 0.001, "high": 0.02, "log": True}})
    found = search.run(told, 2, data=folder, run_dir=tmp_path)
    assert [trial.state for trial in found.trials].count("complete") >= 1
    assert found.higher_is_better
    assert found.recipe is not None
    assert recipe.load(str(found.recipe)).task == "image"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_share_a_batch(folder: Path, make, tmp_path: Path) -> None:
    import yaml

    told = make(steps=6, **{"pretrain.method": "simsiam", "pretrain.epochs": 1})
    keys = told.model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"task": "image", **keys}))
    # In a script, for the launcher takes options such as --run for its own.
    script = (
        "import sys; from finetune.__main__ import main\nsys.exit(main(sys.argv[1].split('|')))\n"
    )
    (tmp_path / "train.py").write_text(script)
    given = (
        "tiny.yaml",
        "--data",
        str(folder),
        "--no-tensorboard",
        "--run",
        str(tmp_path / "runs"),
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "train.py", "|".join(given)]  # fmt: skip
    root = Path(__file__).resolve().parents[3]
    told_env = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=800, cwd=tmp_path,
        env={**os.environ, **told_env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("tiny is in") == 1
    assert weights.load(tmp_path / "runs" / "adapters" / "tiny").card["training"]["steps"] == 6
    kept = next((tmp_path / "runs" / "tiny").glob("step-*")) / "state.json"
    assert json.loads(kept.read_text())["fingerprint"]["processes"] == 2
