"""A classifier of pictures from its recipe: teachers, trunk, network, in that order.

`fit` makes one network of given pictures and is what a cross-validation calls for every fold; `train`
reads the data, fits, and has the card written. Knows nothing of cards' contents or of terminals.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from finetune._recipe_common import ASIDE
from finetune.image import data as pictures
from finetune.image import lesson, loop, make, pretrain, score, teach
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe
    from finetune.progress import Progress, Report

# Keys that say nothing about the weights that come out, or whose data count by digest.
FREE = {
    *ASIDE, "name", "version", "data", "external", "population", "limits", "modality", "kinds", "after",
    "negative", "threads",
    "checkpoint_every", "keep", "calibration", "calibrate_on", "coverage", "rule_out",
    "rule_in", "give_up", "out_of_fold", "task",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Attributes:
        network: with the kept weights, in evaluation mode.
        state: of its loop at the end.
        minutes: how long it took in this process, all phases together.
        bf16: whether passes ran in bfloat16.
        done: whether all steps were taken.
    """

    network: nn.Module
    state: loop.State
    minutes: float
    bf16: bool
    done: bool


@dataclass(frozen=True, eq=False)
class Where:
    """Where a fit runs and what it tells.

    Attributes:
        folder: of its checkpoints.
        data: the data folder.
        devices: what `loop.accelerator` returns.
        report: called after every step.
        fresh: begin anew.
        stop_after: stop the last phase after this step, as if interrupted.
    """

    folder: Path
    data: Path | None
    devices: Any
    report: Report | None = None
    fresh: bool = False
    stop_after: int | None = None

    def place(self, phase: str, marks: Mapping[str, Any], report: Report | None) -> loop.Place:
        """Return where a phase runs; "" is the last one, the classifier itself."""
        folder = self.folder / phase if phase else self.folder
        return loop.Place(folder, marks, self.devices, report, self.fresh, self.stop_after)


def train(
    recipe: ImageRecipe,
    data: Path | None,
    out: Path,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
    stop_after: int | None = None,
) -> dict[str, Any]:
    """Train the recipe's classifier and write its weights and card to `out`.

    Args:
        recipe: what to train.
        data: the data folder.
        out: folder of the classifier; its files are replaced whole.
        run: folder of checkpoints.
        report: called after every step.
        fresh: begin anew instead of going on.
        stop_after: stop after this step of the classifier, leaving a checkpoint and no card.

    Returns:
        The card's `results`.

    Raises:
        InputError: if the data can't be used.
        ConfigError: if the recipe doesn't fit the devices.
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    devices = loop.accelerator()
    found = pictures.split(pictures.of(recipe, data), recipe)
    where = Where(run / recipe.name, data, devices, report, fresh, stop_after)
    fitted = fit(recipe, found["train"], found["validation"], where)
    if not fitted.done:
        return {}
    results: dict[str, Any] = {}
    if devices.is_main_process:
        from finetune.image import card

        results = card.write(fitted, recipe, found, data, out)
    devices.wait_for_everyone()
    return results


def fit(recipe: ImageRecipe, train: Films, validation: Films, where: Where) -> Fitted:
    """Return a network trained on `train`, its step selected on `validation`.

    Raises:
        ConfigError: if the recipe doesn't fit the devices.
        InputError: if a teacher or further pictures can't be used.
        TrainingError: if the training can't go on; its checkpoints stand.
    """
    began, world = time.monotonic(), where.devices.num_processes
    if recipe.batch % world:
        raise ConfigError(f"batch is {recipe.batch}: it has to be a multiple of {world} processes.")
    bf16 = make.use_bf16(recipe.precision)
    for block in recipe.extra:
        index = pictures.find(block, where.data)
        further = pictures.load_external(index, block, recipe.data.classes, recipe.store)
        train = train.joined(further)
    count = make.steps(recipe, len(train))
    phases = _Phases(where.report, count, recipe)
    taught = _taught(recipe, train, where, phases, bf16=bf16)
    network = make.build(recipe)
    if recipe.start:
        make.start(network, teach.find(recipe.start, where.data))
    if recipe.pretrain.method != "none":
        _pretrain(network, recipe, train, where, phases, bf16=bf16)
    supervised = lesson.Supervised(
        train, recipe, count, where.devices.device,
        rank=where.devices.process_index, world=world, taught=taught,
    )  # fmt: skip
    marks = {"taught": _digest(taught), "start": make.digest(network)}
    state = loop.train(
        network,
        supervised,
        _plan(recipe, count, len(train), bf16=bf16),
        where.place("", {**_fingerprint(recipe, train), **marks}, phases.next(count)),
        _validation(recipe, validation, bf16=bf16) if len(validation) else None,
    )
    minutes = (time.monotonic() - began) / 60
    return Fitted(network, state, minutes, bf16, state.step == count)


def _plan(recipe: ImageRecipe, count: int, films: int, *, bf16: bool) -> loop.Plan:
    every = recipe.validate_every or max(1, films // recipe.batch)
    return loop.Plan(
        seed=recipe.seed, steps=count, rate=recipe.rate, warmup=recipe.warmup,
        weight_decay=recipe.weight_decay, clip=recipe.clip, average=recipe.average,
        select=recipe.select, validate_every=every,
        validate_from=int(recipe.validate_from * count),
        checkpoint_every=recipe.checkpoint_every, keep=recipe.keep, bf16=bf16,
    )  # fmt: skip


def _validation(recipe: ImageRecipe, films: Films, *, bf16: bool) -> loop.Validate:
    limit = min(recipe.validation_limit, len(films))
    rows = np.linspace(0, len(films) - 1, limit).astype(int)
    pixels, labels = films.pixels[rows], films.labels[rows]

    def validate(network: nn.Module) -> float:
        return score.figure(network, pixels, labels, recipe.corruptions, bf16=bf16)

    return validate


def _fingerprint(recipe: ImageRecipe, films: Films) -> dict[str, Any]:
    return {"recipe": recipe.model_dump(mode="json", exclude=FREE), "data": films.digest()}


def _digest(array: np.ndarray | None) -> str:
    import hashlib

    # Rounded: networks compute their answers, and other threads give other last bits.
    return "" if array is None else hashlib.sha256(array.round(2).tobytes()).hexdigest()[:16]


def _taught(
    recipe: ImageRecipe, train: Films, where: Where, phases: _Phases, *, bf16: bool
) -> np.ndarray | None:
    """Train or load the teachers and return their logits of the training pictures."""
    told = recipe.distil
    if not told.on:
        return None
    networks = [teach.load(teach.find(name, where.data), recipe.labels) for name in told.teachers]
    numbers = range(1, told.members + 1)
    networks += [_member(recipe, train, where, phases, number) for number in numbers]
    stored = None
    if told.logits:
        found = teach.out_of_fold(teach.find(told.logits, where.data), recipe.labels)
        stored = teach.matched(found, train.files)
    answers = teach.answers(
        [network.to(where.devices.device) for network in networks], train, bf16=bf16
    )
    return teach.joined(answers, stored)


def _member(
    recipe: ImageRecipe, train: Films, where: Where, phases: _Phases, number: int
) -> nn.Module:
    """Train a teacher: the recipe's own network with another seed, learning from labels alone."""
    block = recipe.distil.model_copy(update={"members": 0, "teachers": (), "logits": None})
    changes = {"seed": recipe.seed + 101 * number, "distil": block, "select": "last"}
    single = recipe.model_copy(update=changes)
    there = replace(
        where,
        folder=where.folder / f"teacher-{number}",
        report=phases.next(make.steps(recipe, len(train))),
        stop_after=None,
    )
    nobody = train.take(np.zeros(0, int))
    return fit(single, train, nobody, there).network


def _pretrain(
    network: Any, recipe: ImageRecipe, train: Films, where: Where, phases: _Phases, *, bf16: bool
) -> None:
    """Let the trunk learn without labels, in place."""
    told, world = recipe.pretrain, where.devices.num_processes
    pixels = [train.pixels]
    for block in told.extra:
        index = pictures.find(block, where.data)
        pixels.append(pictures.load_unlabelled(index, block, recipe.store).pixels)
    shown = np.concatenate(pixels)
    count = _pretraining(recipe, len(shown))
    views = pretrain.Views(
        shown, recipe, where.devices.device, rank=where.devices.process_index, world=world
    )
    plan = loop.Plan(
        seed=recipe.seed, steps=count, rate=told.rate, warmup=recipe.warmup,
        weight_decay=recipe.weight_decay, clip=recipe.clip, average=0.0,
        checkpoint_every=recipe.checkpoint_every, keep=recipe.keep, bf16=bf16,
    )  # fmt: skip
    marks = {**_fingerprint(recipe, train), "shown": len(shown)}
    there = replace(where, stop_after=None)
    place = there.place("pretrain", marks, phases.next(count))
    # The last layers take no part, and processes that share gradients have to know it.
    idle = [p for name, p in network.named_parameters() if name.startswith(("head.", "hidden."))]
    for parameter in idle:
        parameter.requires_grad_(False)
    loop.train(pretrain.Siamese(network), views, plan, place)
    for parameter in idle:
        parameter.requires_grad_(True)


def _pretraining(recipe: ImageRecipe, count: int) -> int:
    whole = max(1, count // recipe.batch) * recipe.pretrain.epochs
    # A recipe with a bound on its steps is a trial: its first phase is bound as well.
    return min(whole, recipe.steps) if recipe.steps else whole


class _Phases:
    """Shows the phases of a fit as one training to a report."""

    def __init__(self, report: Report | None, count: int, recipe: ImageRecipe) -> None:
        self.report, self.before = report, 0
        self.total = count * (1 + recipe.distil.members)

    def next(self, count: int) -> Report | None:
        """Return the report of the next phase, of so many steps."""
        report, before = self.report, self.before
        self.before += count
        if report is None:
            return None

        def shown(progress: Progress) -> None:
            total = max(self.total, self.before)
            report(replace(progress, step=progress.step + before, steps=total))

        return shown
