"""Trained tensors and the optimiser's, whole and on the CPU, however the model is wrapped.

One process, DDP and FSDP are the same to the callers: what is read out is complete on the main
process and empty elsewhere, and what is put in is handed out from there. Built on
`torch.distributed.checkpoint.state_dict`. Every process has to call these together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint import state_dict as states


def _options() -> states.StateDictOptions:
    spread = torch.distributed.is_available() and torch.distributed.is_initialized()
    return states.StateDictOptions(
        full_state_dict=True,
        cpu_offload=True,
        ignore_frozen_params=True,
        strict=False,
        broadcast_from_rank0=spread,
    )


def trainable(model: Any) -> dict[str, Tensor]:
    """Return the trained tensors by name, on the CPU."""
    names = {_plain(name) for name, value in model.named_parameters() if value.requires_grad}
    found = states.get_model_state_dict(model, options=_options())
    return {
        name: tensor.detach().clone() for name, tensor in found.items() if _plain(name) in names
    }


def moments(model: Any, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's tensors as `<parameter>|<name>`, on the CPU."""
    found: Any = states.get_optimizer_state_dict(model, optimiser, options=_options())
    return {
        f"{name}|{key}": torch.as_tensor(value).detach().clone()
        for name, entry in found.get("state", {}).items()
        for key, value in entry.items()
    }


def put_weights(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Put trained tensors back; only the main process's count."""
    # Frozen weights are not in the state, which is why it is not strict.
    states.set_model_state_dict(model, dict(tensors), options=_options())


def put_moments(
    model: Any, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Put the optimiser's tensors back; only the main process's count."""
    whole: Any = states.get_optimizer_state_dict(model, optimiser, options=_options())
    state: dict[str, dict[str, Tensor]] = {}
    for joined, tensor in tensors.items():
        name, _, key = joined.rpartition("|")
        state.setdefault(name, {})[key] = tensor
    if whole:
        whole["state"] = state
    states.set_optimizer_state_dict(model, optimiser, whole, options=_options())


def _plain(name: str) -> str:
    """Return a parameter's name without what wrappers put into it."""
    for part in ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."):
        name = name.replace(part, "")
    return name
