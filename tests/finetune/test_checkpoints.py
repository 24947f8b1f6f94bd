"""Checkpoints: written whole or not at all, verified, and never a pickle opened."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune import _fingerprint, _resume, checkpoints
from finetune.checkpoints import CheckpointError, DiskFullError, DivergedError, TrainingError
from retrieval import files


def fill(run: Path, *steps: int, keep: int = 9) -> list[Path]:
    return [checkpoints.save(run, n, {"a": torch.full((50,), n)}, {"n": n}, keep) for n in steps]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def poison(marker: Path) -> bytes:
    """A pickle that makes a file when it is opened."""
    return f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode()


def test_what_is_saved_comes_back(tmp_path) -> None:
    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors = {
        "float": whole, "same": whole, "part": whole[1], "turned": whole.T, "empty": torch.zeros(0),
        "half": torch.randn(3).bfloat16(), "bytes": torch.get_rng_state(), "one": torch.tensor(7),
    }  # fmt: skip
    state = {"best": float("-inf"), "losses": [0.1, 1 / 3], "name": "é"}
    folder = checkpoints.save(tmp_path / "run", 12, tensors, state)
    assert folder.name == "step-0000012"
    found = checkpoints.latest(tmp_path / "run")
    assert found is not None
    assert (found.folder, found.step, found.damaged) == (folder, 12, ())
    assert found.state == state
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor), name
    assert checkpoints.latest(tmp_path / "none") is None


def test_older_ones_go_once_the_new_one_stands(tmp_path) -> None:
    fill(tmp_path, 1, 2, 3, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-0000002", "step-0000003"]
    fill(tmp_path, 10_000_000, keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["step-10000000"]


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "digests.json"])
def test_a_flipped_bit_is_passed_over_and_named(tmp_path, caplog, name) -> None:
    before, newest = fill(tmp_path, 1, 2)
    flip(newest / name)
    with caplog.at_level(logging.WARNING):
        found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.folder == before
    assert str(newest) in caplog.text
    assert len(found.damaged) == 1


def test_torn_ones_are_passed_over(tmp_path) -> None:
    good, cut, empty, linked = fill(tmp_path, 1, 2, 3, 4)
    (cut / "state.safetensors").write_bytes((cut / "state.safetensors").read_bytes()[:40])
    (empty / "digests.json").unlink()
    (linked / "state.json").unlink()
    (linked / "state.json").symlink_to(good / "state.json")
    (tmp_path / "step-0000009").write_text("a file of that name")
    (tmp_path / ".step-0000010.new.tmp").mkdir()
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.folder == good
    assert len(found.damaged) == 3


def test_when_all_are_damaged_it_says_so(tmp_path) -> None:
    for folder in fill(tmp_path, 1, 2):
        flip(folder / "state.safetensors")
    with pytest.raises(CheckpointError, match=r"(?s)step-0000002.*step-0000001.*--fresh"):
        checkpoints.latest(tmp_path)
    assert checkpoints.resume(tmp_path, {}, fresh=True) is None
    assert not list(tmp_path.iterdir())


def test_training_that_went_back_replaces_the_damaged_ones(tmp_path) -> None:
    _, second, third = fill(tmp_path, 1, 2, 3)
    flip(second / "state.json")
    flip(third / "state.json")
    fill(tmp_path, 2, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-0000001", "step-0000002"]
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.step == 2


def test_a_pickle_is_never_opened(tmp_path) -> None:
    marker = tmp_path / "opened"
    folder = tmp_path / "run" / "step-0000003"
    folder.mkdir(parents=True)
    for name in ("pytorch_model.bin", "state.pt", "optimizer.pt", "scheduler.pkl"):
        (folder / name).write_bytes(poison(marker))
    with pytest.raises(CheckpointError, match=r"no file digests\.json"):
        checkpoints.latest(tmp_path / "run")
    (folder / "state.safetensors").write_bytes(poison(marker))
    (folder / "state.json").write_text("{}")
    names = ("state.safetensors", "state.json")
    files.write_json(folder / "digests.json", {n: files.sha256(folder / n) for n in names})
    with pytest.raises(CheckpointError, match="no safetensors file"):
        checkpoints.latest(tmp_path / "run")
    assert not marker.exists()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_leaves_the_one_before_and_names_it(tmp_path) -> None:
    (good,) = fill(tmp_path, 1)
    big = {"a": torch.zeros(100_000)}
    with files_up_to(50_000), pytest.raises(DiskFullError, match="free space") as caught:
        checkpoints.guarded_save(tmp_path, 2, big, {})
    assert str(good) in str(caught.value)
    assert caught.value.exit_code != 0
    assert [p.name for p in tmp_path.iterdir()] == [good.name]
    with files_up_to(50_000), pytest.raises(DiskFullError, match="no checkpoint had been written"):
        checkpoints.guarded_save(tmp_path / "new", 2, big, {})


def test_a_place_that_can_not_be_written_is_named(tmp_path) -> None:
    (tmp_path / "run").write_text("a file where a folder should be")
    with pytest.raises(TrainingError, match="can't be written"):
        checkpoints.guarded_save(tmp_path / "run", 1, {}, {})
    with (
        pytest.raises(CheckpointError, match="can't hold checkpoints"),
        checkpoints.held(tmp_path / "run"),
    ):
        pass  # pragma: no cover


def test_a_number_that_is_none_names_the_last_good_checkpoint(tmp_path) -> None:
    checkpoints.check_finite(1.5, tmp_path)
    good, bad = fill(tmp_path, 1, 2)
    flip(bad / "state.safetensors")
    for value in (float("nan"), float("inf")):
        with pytest.raises(DivergedError, match=str(value)) as caught:
            checkpoints.check_finite(value, tmp_path, "gradient's norm", 7)
        assert str(good) in str(caught.value)
        assert "at step 7" in str(caught.value)


def test_only_the_same_training_goes_on(tmp_path) -> None:
    made = {"recipe": {"rank": 4, "layers": (0, 1)}, "data": "d" * 64, "base": "b" * 64}
    assert checkpoints.resume(tmp_path, made) is None
    checkpoints.save(tmp_path, 1, {}, {"fingerprint": made})
    assert checkpoints.resume(tmp_path, made) is not None
    other = {**made, "recipe": {"rank": 8, "layers": [0, 1]}, "data": "e" * 64}
    with pytest.raises(
        CheckpointError, match=r"\(data differs; recipe rank was 4, now 8\).*--fresh"
    ):
        checkpoints.resume(tmp_path, other)
    checkpoints.save(tmp_path, 2, {}, {})
    with pytest.raises(CheckpointError, match="does not say what it was trained on"):
        checkpoints.resume(tmp_path, made)


def test_two_trainings_do_not_share_a_folder(tmp_path) -> None:
    with (
        checkpoints.held(tmp_path),
        pytest.raises(CheckpointError, match="Another training"),
        checkpoints.held(tmp_path),
    ):
        pass  # pragma: no cover
    with checkpoints.held(tmp_path):
        pass


def test_generators_and_optimisers_go_on_to_the_last_bit() -> None:
    def draw() -> tuple[float, ...]:
        import random

        return torch.rand(1).item(), random.gauss(0, 1), np.random.randn()  # noqa: NPY002

    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
        (weight**2).sum().backward()
        optimiser.step()
        optimiser.zero_grad()

    draw()  # each keeps a second normal number
    kept = _resume.pack_rng()
    first = draw()
    _resume.unpack_rng(kept)
    assert draw() == first

    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.AdamW([weight], lr=0.1)
    step(weight, optimiser)
    packed = {k: v.clone() for k, v in _resume.pack_optimiser(optimiser).items()}
    again = torch.nn.Parameter(weight.detach().clone())
    fresh = torch.optim.AdamW([again], lr=0.1)
    _resume.unpack_optimiser(fresh, packed)
    step(weight, optimiser)
    step(again, fresh)
    assert torch.equal(weight, again)


@dataclass(frozen=True)
class Item:
    text: str
    marks: tuple[tuple[int, int], ...]


def test_a_digest_of_data_sees_texts_but_not_a_model_s_last_bits() -> None:
    def value(text: str = "a", end: int = 2, flag: bool = True) -> object:
        return {"rows": [Item(text, ((0, end),))], ("k", 1): {3, 1, 2}, "mask": np.array([flag])}

    digests = {_fingerprint.of(v) for v in (value(), value("b"), value(end=3), value(flag=False))}
    assert len(digests) == 4
    assert _fingerprint.of(value()) in digests
    assert _fingerprint.of(torch.ones(3)) == _fingerprint.of(torch.ones(3) + 1e-7)
    assert _fingerprint.of(torch.ones(3)) != _fingerprint.of(torch.ones(4))
    assert _fingerprint.of(torch.arange(3)) != _fingerprint.of(torch.arange(3) + 1)
