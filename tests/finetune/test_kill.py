"""Trainings that are killed, run out of room, diverge or find damaged checkpoints, and go on."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finetune import _encoder_train as training
from finetune import checkpoints
from finetune.progress import Progress
from retrieval.encoder import Encoder

DRIVER = Path(__file__).with_name("kill_driver.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def driver() -> ModuleType:
    return _load()


@pytest.fixture(scope="session")
def base(driver: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return driver.make_base(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def encoder(base: Path) -> Encoder:
    return Encoder.load(str(base), bf16=False)


class Run:
    """Trains the small model in a folder, with changes to the recipe."""

    def __init__(self, driver: ModuleType, base: Path, encoder: Encoder) -> None:
        self.driver, self.base, self.encoder = driver, base, encoder
        self.seen: list[Progress] = []

    def __call__(self, folder: Path, stop: int | None = None, **changes: Any) -> tuple[Any, str]:
        fresh = bool(changes.pop("fresh", False))
        recipe = self.driver.make_recipe(self.base, epochs=3, **changes)
        task, model = self.driver.make(self.encoder, recipe)
        state = training.train(
            model, task, recipe, folder, self.seen.append, stop_after=stop, fresh=fresh
        )
        return state, self.driver.digest(model)


@pytest.fixture
def run(driver: ModuleType, base: Path, encoder: Encoder) -> Run:
    return Run(driver, base, encoder)


@pytest.fixture(scope="session")
def whole(driver, base, encoder, tmp_path_factory) -> tuple[Any, str]:
    """The end of the training that nothing interrupted."""
    return Run(driver, base, encoder)(tmp_path_factory.mktemp("whole"))


def _kill(folder: Path, kills: int, seed: int, timeout_s: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(kills), str(seed)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(DRIVER.parents[2])},
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.timeout(900)
def test_three_kills_change_nothing(tmp_path) -> None:
    found = _kill(tmp_path, 3, 1, 880)
    assert found["equal"]
    assert found["kills"] == 3
    assert found["validations"] >= 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_change_nothing(tmp_path) -> None:
    found = _kill(tmp_path, 50, 2, 3500)
    assert found["equal"]
    assert found["kills"] == 50
    assert found["mid_save"] >= 5
    assert found["resumed"] >= 20


def test_a_stopped_run_goes_on_to_the_same_history_and_weights(run, whole, tmp_path) -> None:
    state, _ = run(tmp_path, stop=7)  # between two validations, two checkpoints and two epochs
    assert len(state.losses) == 2
    assert run(tmp_path) == whole
    assert [p.step for p in run.seen] == list(range(1, whole[0].step + 1))


def test_progress_counts_real_tokens_and_validations(run, tmp_path) -> None:
    state, _ = run(tmp_path)
    assert {p.step: p.validation for p in run.seen if p.validation is not None} == {
        step: figure for step, _, figure in state.history
    }
    assert all(p.tokens_per_second > 0 and p.learning_rate > 0 for p in run.seen)
    assert run.seen[-1].seconds_left == 0


def test_a_flipped_bit_falls_back_one_checkpoint_and_says_so(run, whole, tmp_path, caplog) -> None:
    run(tmp_path, stop=8)
    newest, before = tmp_path / "step-0000008", tmp_path / "step-0000006"
    data = bytearray((newest / "state.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "state.safetensors").write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert run(tmp_path) == whole
    assert "step-0000008 is damaged" in caplog.text
    assert run.seen[8].step == 7
    assert not before.exists()


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_ends_in_one_sentence_and_the_run_goes_on_later(run, whole, tmp_path) -> None:
    run(tmp_path, stop=4)
    with _files_up_to(2000), pytest.raises(checkpoints.DiskFullError) as caught:
        run(tmp_path)
    assert str(tmp_path / "step-0000004") in str(caught.value)
    assert sorted(p.name for p in tmp_path.glob("*step-*")) == ["step-0000002", "step-0000004"]
    assert run(tmp_path) == whole


def test_a_loss_that_is_no_number_ends_in_one_sentence(run, tmp_path) -> None:
    with pytest.raises(checkpoints.DivergedError, match="learning rate") as caught:
        run(tmp_path, learning_rate=1e35, head_learning_rate=1e35, checkpoint_every=1)
    assert str(tmp_path / "step-00000") in str(caught.value)
    assert caught.value.exit_code
    assert "\n" not in str(caught.value)


def test_another_training_is_not_taken_up(run, tmp_path) -> None:
    run(tmp_path, stop=4)
    with pytest.raises(checkpoints.CheckpointError, match="--fresh") as caught:
        run(tmp_path, rank=8)
    assert "recipe rank was 4, now 8" in str(caught.value)
    assert run(tmp_path, stop=2, rank=8, fresh=True)[0].step == 2
    assert run(tmp_path, stop=4, rank=8, threads=2, checkpoint_every=1)[0].step == 4


def test_other_data_and_another_base_are_noticed(driver, base, encoder, run, tmp_path) -> None:
    run(tmp_path, stop=2)
    recipe = driver.make_recipe(base, epochs=3)
    task, model = driver.make(encoder, recipe)
    task.validation = task.validation[1:]
    with pytest.raises(checkpoints.CheckpointError, match=r"\(data differs\)"):
        training.train(model, task, recipe, tmp_path)
    other = driver.make_base(tmp_path / "base")
    with (other / "model.safetensors").open("r+b") as stream:
        stream.seek(-4, 2)
        stream.write(b"\0\0\0\1")
    run.base, run.encoder = other, Encoder.load(str(other), bf16=False)
    with pytest.raises(checkpoints.CheckpointError, match=r"\(base differs\)"):
        run(tmp_path)
