"""The training loop of image networks: seeded, averaged, checkpointed, resumable, on any devices.

A `Lesson` gives a step's loss; every step seeds its own randomness, so a run that was killed goes on
as if it had never stopped: on a CPU, to the last bit. The weights that are validated and kept are a
running mean (Polyak & Juditsky 1992). Knows nothing of pictures or classes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from finetune import _resume, checkpoints
from finetune.progress import Meter, Report

log = logging.getLogger(__name__)
# Share of the peak learning rate at the end.
_FLOOR = 0.01


class Lesson(Protocol):
    """What is learned."""

    size: int

    def loss(self, network: Any, step: int) -> Tensor:
        """Return the mean loss of this process's part of a step's batch, with gradient.

        Args:
            network: as the devices share it.
            step: steps taken before; all randomness has to follow from it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How a training runs; the recipe's keys of the same names say more.

    Attributes:
        validate_from: first step after which a validation is made.
        select: "best" or "last".
        bf16: whether passes run in bfloat16.
    """

    seed: int
    steps: int
    rate: float
    warmup: float
    weight_decay: float
    clip: float
    average: float
    select: str = "last"
    validate_every: int = 0
    validate_from: int = 0
    checkpoint_every: int = 50
    keep: int = 2
    bf16: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands.

    Attributes:
        step: steps taken.
        best: the highest validation figure so far; None before any.
        best_step: when it was reached.
        losses: of the steps since the last validation.
        history: (step, mean loss since the last validation, validation figure).
    """

    step: int = 0
    best: float | None = None
    best_step: int = 0
    losses: tuple[float, ...] = ()
    history: tuple[tuple[int, float, float], ...] = ()


Validate = Callable[[nn.Module], float]


def accelerator() -> Any:
    """Return accelerate's view of the devices; works on CPUs, GPUs and several processes."""
    from accelerate import Accelerator

    from finetune.chat import model

    place = model.place()
    return Accelerator(mixed_precision="no", cpu=place.device.type == "cpu")


@dataclass(frozen=True, eq=False)
class Place:
    """Where a training runs, and what it tells.

    Attributes:
        folder: of the checkpoints; training goes on from the newest whole one.
        fingerprint: what a checkpoint must agree with.
        devices: what `accelerator` returns.
        report: called after every step, on the main process.
        fresh: remove the folder's checkpoints and begin anew.
        stop_after: stop after this step as if interrupted, leaving its checkpoint.
    """

    folder: Path
    fingerprint: Mapping[str, Any]
    devices: Any
    report: Report | None = None
    fresh: bool = False
    stop_after: int | None = None


def train(
    network: nn.Module, lesson: Lesson, plan: Plan, place: Place, validate: Validate | None = None
) -> State:
    """Train a network in place and return the final state; the kept weights are in it.

    Args:
        network: fresh; on the CPU or its device.
        lesson: gives the losses.
        plan: schedule and seed.
        place: where it runs.
        validate: gives the figure of averaged weights, higher is better; None for none.

    Raises:
        TrainingError: if the loss is no number, the disk is full, or the checkpoints are of another
            training; those that were written stand.
    """
    guard = checkpoints.held(place.folder) if place.devices.is_main_process else nullcontext()
    with guard:
        run = _Run(network, lesson, plan, place, validate)
        run.resume(fresh=place.fresh)
        meter = Meter(plan.steps, run.state.step, unit="pictures")
        while run.state.step < plan.steps:
            if place.stop_after is not None and run.state.step >= place.stop_after:
                return run.state
            run.advance(meter)
        run.finish()
        return run.state


class _Run:
    """The parts of a run in motion."""

    def __init__(
        self,
        network: nn.Module,
        lesson: Lesson,
        plan: Plan,
        place: Place,
        validate: Validate | None,
    ) -> None:
        self.lesson, self.plan, self.place, self.folder = lesson, plan, place, place.folder
        self.devices = devices = place.devices
        shape = {"steps": plan.steps, "processes": devices.num_processes}
        self.fingerprint = {**place.fingerprint, **shape}
        self.validate, self.state, self.best = validate, State(), dict[str, Tensor]()
        if devices.num_processes > 1 and devices.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        network = network.to(devices.device, memory_format=torch.channels_last)
        decayed = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": plan.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.parameters = decayed + others
        optimiser = torch.optim.AdamW(groups, lr=plan.rate)
        self.shared, self.optimiser = devices.prepare(network, optimiser)
        self.network: nn.Module = devices.unwrap_model(self.shared)
        self.inner = getattr(self.optimiser, "optimizer", self.optimiser)
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def advance(self, meter: Meter) -> None:
        """Take one step, with what is due after it."""
        plan, step = self.plan, self.state.step + 1
        rate = plan.rate * schedule(plan, self.state.step)
        meter.begin()
        loss = self._step(rate)
        meter.end(loss, self.lesson.size)
        self.state = replace(self.state, step=step, losses=(*self.state.losses, loss))
        last = step == plan.steps
        figure = self._validated() if self._due(step) else None
        if step % plan.checkpoint_every == 0 or last or step == self.place.stop_after:
            self._save()
        if self.place.report is not None and self.devices.is_main_process:
            self.place.report(meter.progress(step, rate, figure))

    def _due(self, step: int) -> bool:
        every = self.plan.validate_every
        if self.validate is None or not every:
            return False
        return step == self.plan.steps or (step % every == 0 and step >= self.plan.validate_from)

    def _step(self, rate: float) -> float:
        step = self.state.step
        self.shared.train()
        # Of its own step and device alone, for dropout; a resumed run draws the same.
        torch.manual_seed(self.plan.seed * 7919 + step + 104_729 * self.devices.process_index)
        for group in self.inner.param_groups:
            group["lr"] = rate
        cast = torch.autocast(self.devices.device.type, torch.bfloat16, enabled=self.plan.bf16)
        with cast:
            loss = self.lesson.loss(self.shared, step)
        value = float(self.devices.reduce(loss.detach().float(), "mean"))
        checkpoints.check_finite(value, self.folder, step=step + 1)
        self.optimiser.zero_grad()
        self.devices.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.plan.clip))
        checkpoints.check_finite(norm, self.folder, "gradient's norm", step + 1)
        self.optimiser.step()
        self._average(step + 1)
        return value

    def _average(self, taken: int) -> None:
        # Early weights, far from the end, fade faster.
        decay = min(self.plan.average, (1 + taken) / (10 + taken)) if self.plan.average else 0.0
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.averaged[name].lerp_(value, 1 - decay)
                else:
                    self.averaged[name].copy_(value)

    def _validated(self) -> float | None:
        """Measure the averaged weights on the main process; return the figure there."""
        if not self.devices.is_main_process or self.validate is None:
            return None
        kept = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.averaged)
        self.network.eval()
        figure = float(self.validate(self.network))
        self.network.load_state_dict(kept)
        state = self.state
        mean = sum(state.losses) / max(len(state.losses), 1)
        history = (*state.history, (state.step, mean, figure))
        self.state = replace(state, losses=(), history=history)
        if state.best is None or figure > state.best:
            self.best = {k: v.clone() for k, v in self.averaged.items()}
            self.state = replace(self.state, best=figure, best_step=state.step)
        return figure

    def finish(self) -> None:
        """Put the weights that are kept into the network."""
        chosen = self.best if self.plan.select == "best" and self.best else self.averaged
        if self.devices.num_processes > 1:
            from accelerate.utils import broadcast

            chosen = {k: broadcast(v) for k, v in sorted(self._agreed(chosen).items())}
        self.network.load_state_dict(chosen)
        self.network.eval()

    def _agreed(self, chosen: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return tensors of the same names on every process; the main one's values will count."""
        return chosen if self.devices.is_main_process else self.averaged

    def _save(self) -> None:
        failure: list[checkpoints.TrainingError | None] = [None]
        if self.devices.is_main_process:
            tensors = {f"now.{k}": v for k, v in self.network.state_dict().items()}
            tensors |= {f"mean.{k}": v for k, v in self.averaged.items()}
            tensors |= {f"best.{k}": v for k, v in self.best.items()}
            tensors |= _resume.pack_optimiser(self.inner)
            state = {**asdict(self.state), "fingerprint": self.fingerprint}
            try:
                checkpoints.guarded_save(
                    self.folder, self.state.step, tensors, state, self.plan.keep
                )
            except checkpoints.TrainingError as error:
                failure = [error]
        self._together(failure)
        if failure[0] is not None:
            raise failure[0]

    def _together(self, values: list[Any]) -> None:
        """Give every process the main one's values."""
        if self.devices.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(values, from_process=0)

    def resume(self, *, fresh: bool) -> None:
        """Put everything back as the newest whole checkpoint has it, if there is one."""
        found: list[Any] = [None, None]
        if self.devices.is_main_process:
            try:
                found[0] = checkpoints.resume(self.folder, self.fingerprint, fresh=fresh)
            except checkpoints.TrainingError as error:
                found[1] = error
        self._together(found)
        checkpoint, failure = found
        if failure is not None:
            raise failure
        if checkpoint is None:
            return
        raw = {k: v for k, v in checkpoint.state.items() if k != "fingerprint"}
        raw["losses"] = tuple(raw["losses"])
        raw["history"] = tuple(tuple(entry) for entry in raw["history"])
        self.state = State(**raw)
        self.network.load_state_dict(_resume.under(checkpoint.tensors, "now."))
        for name, value in _resume.under(checkpoint.tensors, "mean.").items():
            self.averaged[name].copy_(value)
        device = self.devices.device
        self.best = {k: v.to(device) for k, v in _resume.under(checkpoint.tensors, "best.").items()}
        _resume.unpack_optimiser(self.inner, checkpoint.tensors)
        log.info("going on from step %d of %d", self.state.step, self.plan.steps)


def schedule(plan: Plan, step: int) -> float:
    """Return the share of the peak rate for a step from 0: linear warm-up, then half a cosine."""
    warm = max(1, int(plan.warmup * plan.steps))
    if step < warm:
        return (step + 1) / warm
    gone = min(1.0, (step - warm) / max(1, plan.steps - warm))
    return max(_FLOOR, 0.5 * (1 + math.cos(math.pi * gone)))
