"""Checkpoints that survive a kill, a full disk and a flipped bit.

A checkpoint is a folder `step-0000123` with `state.safetensors`, `state.json` and `digests.json`.
It is written under another name, synced and renamed, so a folder of that name is whole or was
damaged later, which its digests show. Nothing but those three files is ever opened: a pickle that
lies in the folder, or poses as one of them, is not run. Knows nothing of models, tasks or recipes;
the loops decide what goes in.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval import files
from retrieval.errors import AuscultError

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

TENSORS, STATE, DIGESTS = "state.safetensors", "state.json", "digests.json"
_NAME = re.compile(r"step-(\d{7,})")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TrainingError(AuscultError):
    """A training can't go on; its checkpoints stand."""

    exit_code = 5


class DiskFullError(TrainingError):
    """There is no room for the next checkpoint; the one before stands."""


class DivergedError(TrainingError):
    """The loss or a gradient is no longer a finite number."""


class CheckpointError(TrainingError):
    """The checkpoints of a run are all damaged, of another training, or in use."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A whole checkpoint, read back.

    Attributes:
        folder: where it lies.
        step: steps taken when it was written.
        tensors: as given to `save`, on the CPU.
        state: as given to `save`, after a round trip through JSON.
        damaged: one sentence for each newer checkpoint that was passed over.
    """

    folder: Path
    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    damaged: tuple[str, ...] = ()


def save(
    run: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep: int = 2
) -> Path:
    """Write the checkpoint of a step, then remove older ones.

    Args:
        run: folder of the run's checkpoints; made if missing.
        step: steps taken, 0 or more.
        tensors: any shapes and types; copied to the CPU.
        state: what JSON can hold.
        keep: how many checkpoints stay, this one included; at least 1.

    Returns:
        The checkpoint's folder.

    Raises:
        OSError: if it can't be written; those before are untouched. See `guarded_save`.
    """
    target = run / f"step-{step:07d}"
    run.mkdir(parents=True, exist_ok=True)
    _sweep(run)
    made = run / f".{target.name}.new.tmp"
    with _removed_on_failure(made):
        made.mkdir()
        _write_tensors(tensors, made / TENSORS)
        files.write_json(made / STATE, dict(state))
        files.write_json(made / DIGESTS, {n: files.sha256(made / n) for n in (TENSORS, STATE)})
        for name in (TENSORS, STATE, DIGESTS):
            (made / name).chmod(0o600)
        with (made / TENSORS).open("rb") as stream:
            os.fsync(stream.fileno())
        files.sync_folder(made)
        if target.exists():  # a damaged one that training passed over and has reached again
            _remove(target)
        made.replace(target)
    files.sync_folder(run)
    _prune(run, step, keep)
    return target


def guarded_save(
    run: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep: int = 2
) -> Path:
    """Do as `save`, but say a failure to write in one sentence.

    Raises:
        DiskFullError: if the disk, a quota or a limit on file sizes leaves no room.
        TrainingError: if the folder can't be written for another reason.
    """
    try:
        return save(run, step, tensors, state, keep)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"There is no room in {run} for the checkpoint of step {step}: free space and "
                f"start the same command again; {_stands(run)}."
            ) from error
        reason = (error.strerror or str(error)).rstrip(".")
        raise TrainingError(
            f"The checkpoint of step {step} can't be written to {run} ({reason}); {_stands(run)}."
        ) from error


def check_finite(value: float, run: Path, what: str = "loss", step: int | None = None) -> None:
    """Return if `value` is a finite number.

    Args:
        value: a loss or the norm of a gradient.
        run: folder of the run's checkpoints.
        what: how to call the value.
        step: when it was computed.

    Raises:
        DivergedError: if it is NaN or infinite; the sentence names the last good checkpoint.
    """
    if math.isfinite(value):
        return
    when = "" if step is None else f" at step {step}"
    raise DivergedError(
        f"The {what} is {value}{when}: lower the learning rate or mend the data and start with "
        f"--fresh; {_stands(run)}."
    )


def latest(run: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint; None if the folder holds none at all.

    Raises:
        CheckpointError: if there are checkpoints and every one is damaged.
    """
    damaged: list[str] = []
    for folder in reversed(_folders(run)):
        try:
            tensors, state = _read(folder)
        except (OSError, ValueError) as error:
            damaged.append(f"{folder.name} is damaged ({error})")
            log.warning("%s is damaged (%s): it is passed over.", folder, error)
            continue
        return Checkpoint(folder, _step(folder), tensors, state, tuple(damaged))
    if damaged:
        raise CheckpointError(
            f"No checkpoint in {run} is whole: {'; '.join(damaged)}; restore one from a backup or "
            "start over with --fresh."
        )
    return None


def resume(run: Path, fingerprint: Mapping[str, Any], *, fresh: bool = False) -> Checkpoint | None:
    """Return the checkpoint to go on from, if it is of this very training.

    Args:
        run: folder of the run's checkpoints.
        fingerprint: what the training is made of; the loop keeps it in the state under
            "fingerprint". Values may be nested; the first level and that of "recipe" are named.
        fresh: remove the folder's checkpoints and begin anew.

    Raises:
        CheckpointError: if the checkpoint is of another recipe, data or base, or all are damaged.
    """
    if fresh:
        clear(run)
        return None
    found = latest(run)
    if found is None:
        return None
    kept = found.state.get("fingerprint")
    if not isinstance(kept, dict):
        raise CheckpointError(
            f"{found.folder} does not say what it was trained on: give another folder for the run "
            "or start over with --fresh."
        )
    changes = _differences(kept, json.loads(json.dumps(dict(fingerprint))))
    if changes:
        raise CheckpointError(
            f"{found.folder} is of another training ({'; '.join(changes)}): undo the change, give "
            "another folder for the run, or start over with --fresh."
        )
    return found


def clear(run: Path) -> None:
    """Remove every checkpoint of the folder, and what a killed run left of one."""
    _sweep(run)
    for folder in _folders(run):
        _remove(folder)


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Keep other processes from training in `run`; the system lets go of it when this one dies.

    Raises:
        CheckpointError: if another process trains there, or the folder can't be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        opened = (run / ".lock").open("a")
    except OSError as error:
        raise CheckpointError(
            f"{run} can't hold checkpoints ({error.strerror}): give another folder for the run."
        ) from error
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"Another training is running in {run}: wait for it or give another folder."
            ) from None
        yield


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    seen: set[int] = set()
    flat: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        place = here.untyped_storage().data_ptr()
        # Tensors that share memory are refused by the format: a later one gets its own copy.
        flat[name] = here.clone() if place in seen else here
        seen.add(place)
    try:
        save_file(flat, path)
    except SafetensorError as error:
        code = re.search(r"(?:os error|code:) (\d+)", str(error))  # an OSError, as Rust words it
        if code is None:
            raise
        raise OSError(int(code[1]), str(error)) from error


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what a checkpoint holds.

    Raises:
        OSError, ValueError: if it is not whole; the message says why.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for name in (DIGESTS, TENSORS, STATE):
        if not (folder / name).is_file() or (folder / name).is_symlink():
            raise ValueError(f"there is no file {name}")
    digests = _mapping(folder / DIGESTS)
    for name in (TENSORS, STATE):
        if files.sha256(folder / name) != digests.get(name):
            raise ValueError(f"{name} is not what its digest says")
    state = _mapping(folder / STATE)
    try:
        return load_file(folder / TENSORS), state
    except SafetensorError as error:
        raise ValueError(f"{TENSORS} is no safetensors file") from error


def _mapping(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not a JSON mapping")
    return value


def _differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    out = []
    for key in sorted({*kept, *now}):
        a, b = kept.get(key), now.get(key)
        if a == b:
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            out += [f"{key} {found}" for found in _differences(a, b)]
        elif max(len(str(a)), len(str(b))) > 40:
            out.append(f"{key} differs")
        else:
            out.append(f"{key} was {a}, now {b}")
    return out


def _folders(run: Path) -> list[Path]:
    """Return the folders named as checkpoints, oldest first."""
    if not run.is_dir():
        return []
    return sorted((p for p in run.iterdir() if _NAME.fullmatch(p.name) and p.is_dir()), key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _stands(run: Path) -> str:
    """Say which checkpoint a run can go on from."""
    for folder in reversed(_folders(run)):
        with suppress(OSError, ValueError):
            _read(folder)
            return f"the last good checkpoint is {folder}"
    return "no checkpoint had been written before"


def _prune(run: Path, step: int, keep: int) -> None:
    """Keep the newest `keep` up to `step`; later ones are damaged ones that were passed over."""
    standing = [p for p in _folders(run) if _step(p) <= step]
    for folder in _folders(run):
        if folder not in standing[-max(keep, 1) :]:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Take a checkpoint away in one move, so that a kill never leaves half of one."""
    aside = folder.with_name(f".{folder.name}.old.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    folder.replace(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _sweep(run: Path) -> None:
    """Remove what killed runs left unfinished."""
    if not run.is_dir():
        return
    for path in run.iterdir():
        if path.name.startswith(".step-") and path.name.endswith(".tmp"):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
