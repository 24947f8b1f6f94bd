"""Teachers' answers for the pictures that a network learns from, before it learns.

A teacher is a folder of a trained classifier, a network that was trained for this (`distil.members`),
or the answers of a cross-validation, in which no network answers for a picture that it was trained
on. Knows nothing of the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.image import score
from retrieval.errors import InputError, ModelError

if TYPE_CHECKING:
    from torch import nn

    from finetune.image.data import Films


def load(folder: Path, labels: Sequence[str]) -> nn.Module:
    """Return the network of a trained classifier, in evaluation mode.

    Raises:
        ModelError: if the folder is none, or tells other classes apart.
    """
    from assistant.vision import networks, weights

    found = weights.load(folder)
    try:
        theirs = list(found.card["labels"])
        network = networks.build(found.card["architecture"])
        network.load_state_dict(found.tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder} is no classifier that can teach ({error}).") from error
    if theirs != list(labels):
        raise ModelError(
            f"{folder} tells {', '.join(theirs)} apart, not {', '.join(labels)}: name another teacher."
        )
    return network.eval()


def find(name: str, data: Path | None) -> Path:
    """Return a teacher's folder, or a file of answers: in the data folder, or as the path says.

    Raises:
        InputError: if it is in neither place.
    """
    for path in [*([data / name] if data is not None else []), Path(name).expanduser()]:
        if path.exists():
            return path
    raise InputError(f"There is no {name}: mend distil: or out_of_fold: in the recipe.")


def answers(networks: Sequence[nn.Module], films: Films, *, bf16: bool) -> np.ndarray | None:
    """Return the mean logits of some networks, (N,) or (N, K); None without a network."""
    found = [score.logits(network, films.pixels, bf16=bf16) for network in networks]
    return np.mean(found, axis=0) if found else None


def out_of_fold(path: Path, labels: Sequence[str]) -> dict[str, Any]:
    """Return the arrays of a cross-validation's file: files, labels, folds, logits, corrupted.

    Raises:
        InputError: if it is none, or of other classes.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
        theirs = [str(name) for name in found["classes"]]
        found["files"], found["logits"], found["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is no file of a cross-validation ({error}).") from error
    if theirs != list(labels):
        raise InputError(f"{path} is of the classes {', '.join(theirs)}, not {', '.join(labels)}.")
    return found


def matched(stored: dict[str, Any], files: Sequence[str]) -> np.ndarray:
    """Return the stored logits of files, NaN for those that the cross-validation didn't see."""
    place = {str(name): row for row, name in enumerate(stored["files"])}
    logits = np.asarray(stored["logits"], np.float32)
    out = np.full((len(files), *logits.shape[1:]), np.nan, np.float32)
    for row, file in enumerate(files):
        if file in place:
            out[row] = logits[place[file]]
    if np.isnan(out).reshape(len(files), -1).all():
        raise InputError("The cross-validation's file knows none of these pictures.")
    return out


def joined(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """Return the mean of two teachers' logits where both are known, and the one that is elsewhere."""
    if one is None or other is None:
        return one if other is None else other
    return np.where(np.isnan(other), one, np.where(np.isnan(one), other, (one + other) / 2))
