"""The training loop of the film networks: balanced batches, EMA weights, checkpoints, resume.

Checkpoints are one safetensors file, written atomically; a resumed run continues with the same
weights, optimiser state, learning rate and position. Knows nothing of cards and thresholds.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from assistant.vision.network import BaselineNet, FilmNet
from finetune._cnn_augment import Augment
from finetune._cnn_data import Films
from retrieval.files import atomic_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Everything that decides a training run.

    Attributes:
        network: "film" (the shipped kind) or "baseline" (plain, unbalanced, no augmentation).
        width: channels of the first stage of a film network.
        side: side that films are resampled to, in pixels.
        epochs: passes; an epoch draws as many films as the training set has.
        batch: films a step.
        rate: the highest learning rate.
        smoothing: label smoothing, in [0, 0.5).
        average: decay of the averaged weights a step.
        seed: of weights, sampling and augmentation.
        threads: CPU threads; 0 leaves it to torch.
        start: SHA-256 of the weights that training starts from; "" for none.
    """

    network: str = "film"
    width: int = 32
    side: int = 160
    epochs: int = 24
    batch: int = 64
    rate: float = 2e-3
    smoothing: float = 0.05
    average: float = 0.998
    seed: int = 17
    threads: int = 0
    start: str = ""


def build(plan: Plan) -> FilmNet | BaselineNet:
    """Return the untrained network of a plan; its weights depend on the seed alone."""
    torch.manual_seed(plan.seed)
    if plan.network == "baseline":
        return BaselineNet()
    return FilmNet(plan.width, plan.side)


def fit(
    films: Films,
    plan: Plan,
    checkpoint: Path | None = None,
    max_steps: int = 0,
    start: dict[str, Tensor] | None = None,
) -> nn.Module:
    """Train on `films` and return the network with its averaged weights, in evaluation mode.

    Args:
        films: the training side of the split.
        plan: what to do.
        checkpoint: file to resume from if it is there, and to write after each epoch.
        max_steps: stop after this many steps in all; 0 does all epochs.
        start: tensors of a network of the same shape to start from; None starts from random ones.
    """
    if plan.threads:
        torch.set_num_threads(plan.threads)
    run = _Run(films, plan, start)
    if checkpoint is not None and checkpoint.is_file():
        run.restore(checkpoint)
        log.info("resumed at step %d of %d", run.step, run.total)
    last = min(run.total, max_steps) if max_steps else run.total
    started, losses = time.monotonic(), [0.0]
    while run.step < last:
        losses.append(run.advance())
        if run.step % run.per_epoch == 0 or run.step == last:
            log.info(
                "step %d/%d loss %.4f, %.0f s",
                run.step, run.total, float(np.mean(losses[1:])), time.monotonic() - started,
            )  # fmt: skip
            losses = [0.0]
            if checkpoint is not None:
                run.save(checkpoint)
    run.network.load_state_dict(run.averaged)
    run.network.side = plan.side if plan.network != "baseline" else run.network.side
    return run.network.eval()


class _Run:
    """A training run at some step."""

    def __init__(self, films: Films, plan: Plan, start: dict[str, Tensor] | None = None) -> None:
        self.films, self.plan, self.step = films, plan, 0
        self.network = build(plan).to(memory_format=torch.channels_last).train()
        if start is not None:
            self.network.load_state_dict(start)
        self.averaged = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.per_epoch = max(1, len(films) // plan.batch)
        self.total = self.per_epoch * plan.epochs
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.parameters = decayed + others
        groups = [
            {"params": decayed, "weight_decay": 0.05},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate)

    def advance(self) -> float:
        """Do one step and return its loss. Its draws depend on the seed and the step alone."""
        generator = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + self.step)
        rows = self._draw(generator)
        batch = torch.from_numpy(self.films.pixels[rows]).unsqueeze(1).float() / 255
        targets = torch.from_numpy(self.films.labels[rows]).float()
        if self.plan.network != "baseline":
            aspects = torch.from_numpy(self.films.aspects[rows]).float()
            self.network.side = self._side()
            batch = Augment(self.network.side, generator)(batch, aspects)
            targets = targets * (1 - 2 * self.plan.smoothing) + self.plan.smoothing
        rate = self._rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(self.plan.seed * 7919 + self.step)  # Dropout draws from the global one.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.network(batch)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 2.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def _draw(self, generator: torch.Generator) -> np.ndarray:
        size = self.plan.batch
        if self.plan.network == "baseline":
            return torch.randint(len(self.films), (size,), generator=generator).numpy()
        rows = []
        for label in (0, 1):
            pool = np.flatnonzero(self.films.labels == label)
            rows.append(pool[torch.randint(len(pool), (size // 2,), generator=generator).numpy()])
        return np.concatenate(rows)

    def _side(self) -> int:
        """Small films first, full size in the last fifth: most of the learning at half the cost."""
        done = self.step / self.total
        share = 0.6 if done < 0.45 else 0.8 if done < 0.8 else 1.0
        return max(32, round(self.plan.side * share / 32) * 32)

    def _rate(self) -> float:
        warm = max(1, self.total // 20)
        if self.step < warm:
            return self.plan.rate * (self.step + 1) / warm
        done = (self.step - warm) / max(1, self.total - warm)
        return self.plan.rate * max(0.01, 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))

    def _average(self) -> None:
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.averaged[name].lerp_(value, 1 - decay)
                else:
                    self.averaged[name].copy_(value)

    def save(self, path: Path) -> None:
        """Write weights, averaged weights and optimiser state to `path`, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        for name, value in self.network.state_dict().items():
            tensors[f"now/{name}"] = value.contiguous()
            tensors[f"averaged/{name}"] = self.averaged[name].contiguous()
        for number, parameter in enumerate(self.parameters):
            for key, value in self.optimiser.state[parameter].items():
                tensors[f"optimiser/{number}/{key}"] = value.contiguous()
        meta = {"step": str(self.step), "plan": json.dumps(asdict(self.plan))}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata=meta)

    def restore(self, path: Path) -> None:
        """Take up where the run that wrote `path` stood.

        Raises:
            ValueError: if it was written under another plan.
        """
        with safe_open(path, "pt") as stored:
            meta = stored.metadata()
            if json.loads(meta["plan"]) != asdict(self.plan):
                raise ValueError(f"{path} belongs to another plan: remove it or use another folder")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        self.step = int(meta["step"])
        self.network.load_state_dict(_part(tensors, "now/"))
        self.averaged = _part(tensors, "averaged/")
        for number, parameter in enumerate(self.parameters):
            self.optimiser.state[parameter] = _part(tensors, f"optimiser/{number}/")


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
