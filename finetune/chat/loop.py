"""The training loop of an adapter on a chat model: seeded, checkpointed, resumable, on any devices.

A lean loop on accelerate and peft, not TRL's trainer: a step's work is a plan that follows from the
seed, and every step seeds its own randomness, so a run that was killed goes on exactly as it would
have, without any state of a sampler; and batches of like length with logits at learned positions
only are what makes it several times as fast (`python -m evals.bench.training`). A `Task` gives
batches and losses; the loop knows nothing of what they mean.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from finetune import checkpoints
from finetune.chat import model, sharded
from finetune.chat.batches import Micro, Step, shares
from finetune.progress import Meter, Report

if TYPE_CHECKING:
    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.model import Parts

log = logging.getLogger(__name__)
_FLOOR = 0.1


class Task(Protocol):
    """What is learned."""

    def plan(self, epoch: int) -> Sequence[Step]:
        """Return an epoch's steps in order; the same on every process and at every call."""
        ...

    def loss(self, model: Any, micro: Micro) -> Tensor:
        """Return the loss of a micro-batch, summed over what its `weight` counts, with gradient."""
        ...

    def validation(self) -> Sequence[Micro]:
        """Return what the best step is selected on: the least mean loss is best."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with: digests of the recipe, data and base."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands.

    Attributes:
        step: steps taken.
        best: the least validation loss so far.
        best_step: when it was reached; 0 before any validation.
        stale: validations since then.
        losses: mean loss of each step since the last validation.
        history: (step, mean loss since the last validation, validation loss).
        done: whether the run has ended.
        tokens: real tokens learned from so far.
    """

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    stale: int = 0
    losses: tuple[float, ...] = ()
    history: tuple[tuple[int, float, float], ...] = ()
    done: bool = False
    tokens: int = 0


@dataclass(eq=False, slots=True)
class _Run:
    """The parts of a run in motion."""

    accelerator: Any
    model: Any
    optimiser: Any
    task: Task
    recipe: ChatRecipe
    parts: Parts
    folder: Path
    plan: list[Step]
    state: State
    best: dict[str, Tensor]

    @property
    def inner(self) -> torch.optim.Optimizer:
        found: torch.optim.Optimizer = getattr(self.optimiser, "optimizer", self.optimiser)
        return found


def train(
    parts: Parts,
    task: Task,
    recipe: ChatRecipe,
    folder: Path,
    report: Report | None = None,
    *,
    stop_after: int | None = None,
    fresh: bool = False,
) -> tuple[State, dict[str, Tensor]]:
    """Train and return the final state and the best step's tensors (on the main process).

    Args:
        parts: the model with its fresh adapter; its best weights are in it afterwards.
        task: batches and losses.
        recipe: schedule and seed.
        folder: of the checkpoints; training goes on from the newest one.
        report: called after each step, on the main process.
        stop_after: stop after this step as if interrupted, leaving its checkpoint.
        fresh: remove earlier checkpoints and begin anew.

    Raises:
        TrainingError: if the loss is no number, the disk is full, or the checkpoints are of another
            training; those that were written stand.
    """
    from accelerate import Accelerator

    place = model.place()
    accelerator = Accelerator(mixed_precision="no", cpu=place.device.type == "cpu")
    guard = checkpoints.held(folder) if accelerator.is_main_process else nullcontext()
    with guard:
        run = _begin(accelerator, parts, task, recipe, folder, fresh)
        meter = Meter(len(run.plan), run.state.step)
        while not run.state.done and run.state.step < len(run.plan):
            if stop_after is not None and run.state.step >= stop_after:
                return run.state, run.best
            _advance(run, meter, report if accelerator.is_main_process else None)
        if run.best or accelerator.num_processes > 1:
            sharded.put_weights(run.model, run.best)
        return replace(run.state, done=True), run.best


def _begin(
    accelerator: Any, parts: Parts, task: Task, recipe: ChatRecipe, folder: Path, fresh: bool
) -> _Run:
    plan = [step for epoch in range(recipe.epochs) for step in task.plan(epoch)][: recipe.steps]
    learned = [p for p in parts.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    model, wrapped = accelerator.prepare(parts.model, optimiser)
    run = _Run(accelerator, model, wrapped, task, recipe, parts, folder, plan, State(), {})
    _resume(run, fresh)
    return run


def _advance(run: _Run, meter: Meter, report: Report | None) -> None:
    """Take one step, with what is due after it: validation, checkpoint, report."""
    recipe, step = run.recipe, run.state.step + 1
    rate = recipe.learning_rate * schedule(recipe, run.state.step, len(run.plan))
    meter.begin()
    loss = _step(run, run.plan[run.state.step], rate)
    tokens = sum(micro.tokens for micro in run.plan[run.state.step])
    meter.end(loss, tokens)
    run.state = replace(
        run.state,
        step=step,
        losses=(*run.state.losses, loss),
        tokens=run.state.tokens + tokens,
    )
    last = step == len(run.plan)
    figure = _validate(run) if step % recipe.validate_every == 0 or last else None
    if figure is not None or step % recipe.checkpoint_every == 0:
        _checkpoint(run)
    if report is not None:
        report(meter.progress(step, rate, figure))


def _step(run: _Run, step: Step, rate: float) -> float:
    """Take one optimiser step and return its mean loss over all devices."""
    accelerator, model = run.accelerator, run.model
    count, rank = accelerator.num_processes, accelerator.process_index
    model.train()
    # Of its own step and device alone, so that a resumed run draws the same.
    torch.manual_seed((run.recipe.seed * 1_000_003 + run.state.step) * 4099 + rank)
    for group in run.inner.param_groups:
        group["lr"] = rate
    weight = sum(micro.weight for micro in step)
    total = torch.zeros((), dtype=torch.float32, device=accelerator.device)
    own = shares(step, count, rank)
    for number, (micro, counts) in enumerate(own, start=1):
        quiet = accelerator.no_sync(model) if number < len(own) else nullcontext()
        with quiet:
            with run.parts.autocast(accelerator.device):
                loss = run.task.loss(model, micro) * (1.0 if counts else 0.0)
            # Devices' gradients are averaged, so each is scaled up by their number.
            accelerator.backward(loss * (count / weight))
        total += loss.detach().float()
    mean = float(accelerator.reduce(total, "sum")) / weight
    checkpoints.check_finite(mean, run.folder, step=run.state.step + 1)
    norm = accelerator.clip_grad_norm_(
        [p for p in model.parameters() if p.requires_grad], run.recipe.clip
    )
    if norm is not None:
        size = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        checkpoints.check_finite(size, run.folder, "gradient's norm", run.state.step + 1)
    run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    return mean


def schedule(recipe: ChatRecipe, step: int, steps: int) -> float:
    """Return the share of the peak learning rate for a step, counted from 0."""
    warm = math.ceil(recipe.warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    if recipe.scheduler == "constant":
        return 1.0
    gone = (step - warm) / max(1, steps - warm)
    left = 1 - gone if recipe.scheduler == "linear" else 0.5 * (1 + math.cos(math.pi * gone))
    return _FLOOR + (1 - _FLOOR) * left


def validate(task: Task, parts: Parts, model: Any, accelerator: Any) -> float:
    """Return the mean validation loss over all devices; NaN where nothing is to be validated on."""
    micros = tuple(task.validation())
    if not micros:
        return math.nan
    model.eval()
    total = torch.zeros((), dtype=torch.float32, device=accelerator.device)
    with torch.no_grad(), parts.autocast(accelerator.device):
        for micro, counts in shares(micros, accelerator.num_processes, accelerator.process_index):
            loss = task.loss(model, micro).float()
            total += loss if counts else 0 * loss
    model.train()
    return float(accelerator.reduce(total, "sum")) / sum(micro.weight for micro in micros)


def _validate(run: _Run) -> float:
    state = run.state
    figure = validate(run.task, run.parts, run.model, run.accelerator)
    checkpoints.check_finite(figure, run.folder, "validation loss", state.step)
    mean = sum(state.losses) / len(state.losses)
    history = (*state.history, (state.step, mean, figure))
    if figure < state.best:
        run.best = sharded.trainable(run.model)
        run.state = replace(
            state, best=figure, best_step=state.step, stale=0, losses=(), history=history
        )
    else:
        stale = state.stale + 1
        run.state = replace(
            state, stale=stale, losses=(), history=history, done=stale >= run.recipe.patience
        )
    return figure


def _checkpoint(run: _Run) -> None:
    """Write a checkpoint on the main process; every process learns how that went."""
    tensors = {f"now.{k}": v for k, v in sharded.trainable(run.model).items()}
    tensors |= {f"adam.{k}": v for k, v in sharded.moments(run.model, run.inner).items()}
    tensors |= {f"best.{k}": v for k, v in run.best.items()}
    failure: list[checkpoints.TrainingError | None] = [None]
    if run.accelerator.is_main_process:
        state = asdict(run.state) | {"fingerprint": run.task.fingerprint()}
        if math.isinf(run.state.best):
            state["best"] = None
        try:
            checkpoints.guarded_save(run.folder, run.state.step, tensors, state, run.recipe.keep)
        except checkpoints.TrainingError as error:
            failure = [error]
    _together(run.accelerator, failure)
    if failure[0] is not None:
        raise failure[0]


def _together(accelerator: Any, values: list[Any]) -> None:
    """Give every process the main one's values."""
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(values, from_process=0)


def _resume(run: _Run, fresh: bool) -> None:
    """Go on from the newest checkpoint; the main process reads it and hands it out."""
    found: checkpoints.Checkpoint | None = None
    failure: list[checkpoints.TrainingError | None] = [None]
    if run.accelerator.is_main_process:
        try:
            found = checkpoints.resume(run.folder, run.task.fingerprint(), fresh=fresh)
        except checkpoints.TrainingError as error:
            failure = [error]
    _together(run.accelerator, failure)
    if failure[0] is not None:
        raise failure[0]
    raw: list[dict[str, Any] | None] = [dict(found.state) if found is not None else None]
    _together(run.accelerator, raw)
    if raw[0] is None:
        return
    kept = {key: value for key, value in raw[0].items() if key != "fingerprint"}
    kept["best"] = math.inf if kept["best"] is None else kept["best"]
    kept["losses"] = tuple(kept["losses"])
    kept["history"] = tuple(tuple(entry) for entry in kept["history"])
    run.state = State(**kept)
    tensors = found.tensors if found is not None else {}
    sharded.put_weights(run.model, _under(tensors, "now."))
    sharded.put_moments(run.model, run.inner, _under(tensors, "adam."))
    run.best = _under(tensors, "best.")
    log.info("going on from step %d", run.state.step)


def _under(tensors: Any, prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
