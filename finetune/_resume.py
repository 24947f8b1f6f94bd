"""Random generators and optimisers as flat tensors, for a checkpoint, and back to the last bit.

Knows nothing of files, models or tasks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_RNG, _OPTIMISER = "rng.", "optimiser."


def pack_rng() -> dict[str, Tensor]:
    """Return the state of every generator that a training draws from: torch, Python, numpy."""
    out = {f"{_RNG}torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        out |= {f"{_RNG}cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    _, words, gauss = random.getstate()
    out[f"{_RNG}python"] = torch.tensor(words, dtype=torch.int64)
    _, key, place, has, spare = np.random.get_state(legacy=True)  # noqa: NPY002 - libraries draw
    out[f"{_RNG}numpy"] = torch.tensor([*np.asarray(key).tolist(), int(place)], dtype=torch.int64)
    # Both keep the second of a pair of normal numbers for the next call.
    pair = (float("nan") if gauss is None else gauss, float(has), float(spare))
    out[f"{_RNG}spare"] = torch.tensor(pair, dtype=torch.float64)
    return out


def unpack_rng(tensors: Mapping[str, Tensor]) -> None:
    """Put back what `pack_rng` returned; a graphics card that is not there is left out."""
    torch.set_rng_state(tensors[f"{_RNG}torch"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if f"{_RNG}cuda.{index}" in tensors:
                torch.cuda.set_rng_state(tensors[f"{_RNG}cuda.{index}"], index)
    gauss, has, spare = tensors[f"{_RNG}spare"].tolist()
    words = tuple(tensors[f"{_RNG}python"].tolist())
    random.setstate((3, words, None if math.isnan(gauss) else gauss))
    *key, place = tensors[f"{_RNG}numpy"].tolist()
    state = ("MT19937", np.array(key, dtype=np.uint32), place, int(has), spare)
    np.random.set_state(state)  # noqa: NPY002


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's moments and counters; numbers become tensors of no dimension."""
    out: dict[str, Tensor] = {}
    for index, moments in optimiser.state_dict()["state"].items():
        for key, value in moments.items():
            if isinstance(value, Tensor):
                out[f"{_OPTIMISER}{index}.{key}"] = value
            else:
                out[f"{_OPTIMISER}{index}.{key}#"] = torch.tensor(value)
    return out


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `pack_optimiser` returned; parameter groups keep their own settings."""
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in under(tensors, _OPTIMISER).items():
        index, _, key = name.partition(".")
        value = tensor.item() if key.endswith("#") else tensor
        state.setdefault(int(index), {})[key.removesuffix("#")] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
