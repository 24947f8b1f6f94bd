"""The training loop of an encoder adapter: seeded, checkpointed, resumable, stopped early.

A checkpoint is a folder that is written aside and renamed; training that was interrupted goes on
from the newest one with the same order, dropout and optimiser as if it had never stopped.
Knows nothing of what the task is.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from retrieval import files

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

log = logging.getLogger(__name__)
Report = Callable[[int, int, float], None]


class Task(Protocol):
    """What a task gives the loop."""

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        """Return the batches of one epoch, in order."""
        ...

    def loss(self, model: AdapterModel, batch: Any) -> Tensor:
        """Return the mean loss of a batch, a scalar with gradient."""
        ...

    def validate(self, model: AdapterModel) -> float:
        """Return the figure that selects the best step; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands.

    Attributes:
        step: steps taken.
        best: the best validation figure so far.
        best_step: when it was reached.
        stale: validations since then.
        history: (step, mean loss since the last validation, validation figure).
        done: whether the run has ended.
    """

    step: int = 0
    best: float = float("-inf")
    best_step: int = 0
    stale: int = 0
    history: tuple[tuple[int, float, float], ...] = ()
    done: bool = False


def train(
    model: AdapterModel,
    task: Task,
    recipe: Recipe,
    run: Path,
    report: Report | None = None,
    stop_after: int | None = None,
) -> State:
    """Train, leaving the best weights in `model`.

    Args:
        model: fresh; its LoRA and head are trained.
        task: batches, loss and validation.
        recipe: schedule and seed.
        run: folder of the checkpoints; training goes on from the newest one.
        report: called with (step, steps, running loss).
        stop_after: stop after this step as if interrupted, leaving its checkpoint.

    Returns:
        The final state.
    """
    optimiser = torch.optim.AdamW(model.groups(recipe), weight_decay=recipe.weight_decay)
    torch.manual_seed(recipe.seed)
    epochs = [
        task.batches(np.random.default_rng([recipe.seed, epoch])) for epoch in range(recipe.epochs)
    ]
    plan = [batch for epoch in epochs for batch in epoch]
    state, best = _resume(run, model, optimiser)
    losses: list[float] = []
    started = time.monotonic()
    while not state.done and state.step < len(plan):
        if stop_after is not None and state.step >= stop_after:
            return state
        losses.append(
            _step(model, task, optimiser, plan[state.step], _rate(recipe, state.step, len(plan)))
        )
        state = replace(state, step=state.step + 1)
        if state.step % 25 == 0:
            log.info("step %d/%d: loss %.3f", state.step, len(plan), np.mean(losses[-25:]))
        if report is not None:
            report(state.step, len(plan), float(np.mean(losses[-50:])))
        last = state.step == len(plan)
        if state.step % recipe.validate_every == 0 or last or state.step == stop_after:
            state, best = _validate(model, task, recipe, state, best, float(np.mean(losses)))
            losses.clear()
            log.info(
                "step %d/%d: %s, %.0f s",
                state.step,
                len(plan),
                state.history[-1][1:],
                time.monotonic() - started,
            )
            _checkpoint(run, model, optimiser, state, best)
    model.restore(best)
    return replace(state, done=True)


def _step(
    model: AdapterModel, task: Task, optimiser: torch.optim.Optimizer, batch: Any, rate: float
) -> float:
    model.train()
    model.forget_pass()
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * rate
    loss = task.loss(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    model.forget_pass()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise FloatingPointError("The loss is not finite: lower the learning rate.")
    return value


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to a twentieth."""
    warm = max(1, int(recipe.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * (steps - step) / max(1, steps - warm)


def _validate(
    model: AdapterModel,
    task: Task,
    recipe: Recipe,
    state: State,
    best: dict[str, Tensor],
    loss: float,
) -> tuple[State, dict[str, Tensor]]:
    model.eval()
    with torch.inference_mode():
        figure = task.validate(model)
    history = (*state.history, (state.step, loss, figure))
    if figure > state.best or not best:
        copy = {name: tensor.clone() for name, tensor in model.trainable().items()}
        better = replace(state, best=figure, best_step=state.step, stale=0, history=history)
        return better, copy
    stale = state.stale + 1
    return replace(state, stale=stale, history=history, done=stale >= recipe.patience), best


def _checkpoint(
    run: Path,
    model: AdapterModel,
    optimiser: torch.optim.Optimizer,
    state: State,
    best: dict[str, Tensor],
) -> None:
    target = run / f"step-{state.step:07d}"
    if target.exists():
        return
    tensors = {f"now.{k}": v for k, v in model.trainable().items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v for k, v in moments.items()}
    tensors["rng"] = torch.get_rng_state()
    with files.atomic_folder(target) as folder:
        save_file(
            {k: v.contiguous().clone() for k, v in tensors.items()}, folder / "state.safetensors"
        )
        (folder / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
    for old in sorted(run.glob("step-*"))[:-1]:
        shutil.rmtree(old, ignore_errors=True)


def _resume(
    run: Path, model: AdapterModel, optimiser: torch.optim.Optimizer
) -> tuple[State, dict[str, Tensor]]:
    found = sorted(run.glob("step-*"))
    if not found:
        return State(), {}
    raw = json.loads((found[-1] / "state.json").read_text(encoding="utf-8"))
    raw["history"] = tuple(tuple(entry) for entry in raw["history"])
    tensors = load_file(found[-1] / "state.safetensors")
    model.restore(_under(tensors, "now."))
    saved = optimiser.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under(tensors, "adam.").items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({"state": moments, "param_groups": saved["param_groups"]})
    torch.set_rng_state(tensors["rng"])
    return State(**raw), _under(tensors, "best.")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
