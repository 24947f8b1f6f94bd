"""The training loop of an encoder adapter: seeded, checkpointed, resumable, stopped early.

Training that was interrupted at any moment goes on from the newest whole checkpoint with the same
order, dropout, optimiser and losses as if it had never stopped: on a CPU, to the last bit.
Knows nothing of what the task is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from finetune import _fingerprint, _resume, checkpoints, progress
from finetune._recipe_common import ASIDE
from finetune.progress import Meter, Report
from retrieval import files
from retrieval.encoder import locate
from retrieval.errors import InputError

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

# Keys of a recipe that may change between a run and its continuation: they don't alter a step.
# What the data and the base hold counts by digest, not by where they lie.
_FREE = {*ASIDE, "name", "encoder", "data", "threads", "checkpoint_every"}


class Task(Protocol):
    """What a task gives the loop.

    A task that counts its validations has `resumed(validations)` too, which a run that goes on
    calls with their number.
    """

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
        losses: of the steps since the last validation.
    """

    step: int = 0
    best: float = float("-inf")
    best_step: int = 0
    stale: int = 0
    history: tuple[tuple[int, float, float], ...] = ()
    done: bool = False
    losses: tuple[float, ...] = ()


def train(
    model: AdapterModel,
    task: Task,
    recipe: Recipe,
    run: Path,
    report: Report | None = None,
    *,
    stop_after: int | None = None,
    fresh: bool = False,
) -> State:
    """Train, leaving the best weights in `model`.

    Args:
        model: fresh; its LoRA and head are trained.
        task: batches, loss and validation.
        recipe: schedule and seed.
        run: folder of the checkpoints; training goes on from the newest whole one.
        report: called after every step.
        stop_after: stop after this step as if interrupted, leaving its checkpoint.
        fresh: remove the folder's checkpoints and begin anew.

    Returns:
        The final state.

    Raises:
        InputError: if there is nothing to train on.
        TrainingError: if the loss is not finite, a checkpoint can't be written, or those in `run`
            are damaged, of another training, or in use by another process.
    """
    with checkpoints.held(run):
        loop = _Loop(model, task, recipe, run)
        loop.resume(fresh)
        return loop.go(progress.together(progress.log_line(), report), stop_after)


class _Loop:
    """One training: what it is made of, and where it stands."""

    def __init__(self, model: AdapterModel, task: Task, recipe: Recipe, run: Path) -> None:
        self.model, self.task, self.recipe, self.run = model, task, recipe, run
        data = _fingerprint.of(task)
        self.optimiser = torch.optim.AdamW(model.groups(recipe), weight_decay=recipe.weight_decay)
        torch.manual_seed(recipe.seed)
        self.plan = [
            batch
            for epoch in range(recipe.epochs)
            for batch in task.batches(np.random.default_rng([recipe.seed, epoch]))
        ]
        if not self.plan:
            raise InputError("There is nothing to train on: the training data gave no batch.")
        self.fingerprint = {
            "recipe": recipe.model_dump(mode="json", exclude=_FREE),
            "data": data,
            "base": files.sha256(locate(recipe.encoder) / "model.safetensors"),
            "steps": len(self.plan),
        }
        self.mean = _Mean(model, recipe.averaging)
        self.state = State()
        self.best: dict[str, Tensor] = {}

    def go(self, report: Report, stop_after: int | None) -> State:
        """Take the steps that are left."""
        meter = Meter(len(self.plan), self.state.step)
        while not self.state.done and self.state.step < len(self.plan):
            if stop_after is not None and self.state.step >= stop_after:
                return self.state
            rate = _rate(self.recipe, self.state.step, len(self.plan))
            meter.begin()
            seen = int(self.model.seen)
            loss = self._step(rate)
            meter.end(loss, int(self.model.seen) - seen)
            self.state = replace(
                self.state, step=self.state.step + 1, losses=(*self.state.losses, loss)
            )
            figure = self._validate() if self._due(self.recipe.validate_every) else None
            every = self.recipe.checkpoint_every or self.recipe.validate_every
            if self._due(every) or self.state.done or self.state.step == stop_after:
                self._save()
            report(meter.progress(self.state.step, self.recipe.learning_rate * rate, figure))
        self.model.restore(self.best)
        return replace(self.state, done=True)

    def _due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step == len(self.plan)

    def _step(self, rate: float) -> float:
        """Take a step; return its loss."""
        model, number = self.model, self.state.step + 1
        model.train()
        model.forget_pass()
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * rate
        loss = self.task.loss(model, self.plan[self.state.step])
        value = float(loss.detach())
        checkpoints.check_finite(value, self.run, "loss", number)
        loss.backward()
        trained = [p for p in model.parameters() if p.requires_grad]
        norm = float(torch.nn.utils.clip_grad_norm_(trained, 1.0))
        checkpoints.check_finite(norm, self.run, "gradient's norm", number)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        model.forget_pass()
        self.mean.update(self.state.step)
        return value

    def _validate(self) -> float:
        """Measure, and keep the weights if they are the best; return the figure."""
        state = self.state
        with self.mean:
            self.model.eval()
            with torch.inference_mode():
                figure = self.task.validate(self.model)
            history = (*state.history, (state.step, float(np.mean(state.losses)), figure))
            state = replace(state, history=history, losses=())
            if figure > state.best or not self.best:
                self.best = {name: t.clone() for name, t in self.model.trainable().items()}
                self.state = replace(state, best=figure, best_step=state.step, stale=0)
            else:
                stale = state.stale + 1
                self.state = replace(state, stale=stale, done=stale >= self.recipe.patience)
        return figure

    def _save(self) -> None:
        tensors = {f"now.{k}": v for k, v in self.model.trainable().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        tensors |= {f"mean.{index}": tensor for index, tensor in enumerate(self.mean.tensors)}
        tensors |= _resume.pack_optimiser(self.optimiser) | _resume.pack_rng()
        state = {**asdict(self.state), "fingerprint": self.fingerprint}
        checkpoints.guarded_save(self.run, self.state.step, tensors, state)

    def resume(self, fresh: bool) -> None:
        """Put everything back as the newest whole checkpoint has it, if there is one."""
        found = checkpoints.resume(self.run, self.fingerprint, fresh=fresh)
        if found is None:
            return
        raw = {k: v for k, v in found.state.items() if k != "fingerprint"}
        raw["history"] = tuple(tuple(entry) for entry in raw["history"])
        self.state = State(**{**raw, "losses": tuple(raw["losses"])})
        self.best = _resume.under(found.tensors, "best.")
        self.model.restore(_resume.under(found.tensors, "now."))
        for index, tensor in enumerate(self.mean.tensors):
            tensor.copy_(found.tensors[f"mean.{index}"])
        _resume.unpack_optimiser(self.optimiser, found.tensors)
        _resume.unpack_rng(found.tensors)
        if hasattr(self.task, "resumed"):
            self.task.resumed(len(self.state.history))


class _Mean:
    """The running mean of the trained weights (Polyak & Juditsky 1992); in force inside `with`."""

    def __init__(self, model: AdapterModel, decay: float) -> None:
        self.decay = decay
        self.model = model
        self.live = [p for p in model.parameters() if p.requires_grad] if decay else []
        self.tensors = [p.detach().clone() for p in self.live]

    def update(self, step: int) -> None:
        """Take in the weights after a step; early steps, still far from the end, fade faster."""
        decay = min(self.decay, (step + 1) / (step + 10))
        with torch.no_grad():
            for kept, now in zip(self.tensors, self.live, strict=True):
                kept.lerp_(now.detach(), 1 - decay)

    def _swap(self) -> None:
        for kept, now in zip(self.tensors, self.live, strict=True):
            held = now.detach().clone()
            now.data.copy_(kept)
            kept.copy_(held)
        self.model.forget_pass()

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *failure: object) -> None:
        self._swap()


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to a twentieth."""
    warm = max(1, int(recipe.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.05 + 0.95 * (steps - step) / max(1, steps - warm)
