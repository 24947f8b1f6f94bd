"""Training of the input gate's network: the recipe task `image_gate`.

It learns what kind of picture it sees and, of chest films, how they are turned, inverted and tilted:
from chest films in many settings, drawn pictures (`gate_pictures`, `gate_patterns`), and one half of
other pictures that may be learned from. The other half, and sets that are never learned from, are
measured on. Pictures whose licence is unclear belong in `measured`, not in `others`.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor
from torch.nn import functional

from assistant.vision._gate_network import OUTPUTS, SEEN, TILT_UNIT, parts
from assistant.vision.network import FilmNet
from finetune.image import _index, gate_measure, loop, read
from finetune.image import data as pictures
from finetune.image import gate_pictures as drawn
from finetune.image import gate_views as views
from finetune.image.augment import augment
from finetune.image.gate_patterns import SIDE, resize
from finetune.image.recipe import Augment, External, Pictures, ToolRecipe
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.progress import Report

log = logging.getLogger(__name__)
WIDTH = 16
# Turning, tilting and mirroring are done, and told, before.
AUGMENT = Augment(zoom=(0.64, 1.1), mirror=0, angle=0, turned=0, shear=0.05, contrast=0.7)
# Shares of a batch: films in a setting, films that are none any more, films on pages, read pictures.
SHARES = {"film": 0.44, "other": 0.05, "document": 0.05, "read": 0.12}


class Others(Pictures):
    """Further pictures of one kind; one half of their groups is learned from, the other measured."""

    kind: str = Field(description=f"What they show: {', '.join(SEEN)}.")
    group: tuple[str, ...] = Field((), description="Columns that hold rows together.")

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in SEEN:
            raise ValueError(f"the kind {kind!r} is none of {', '.join(SEEN)}")
        return kind


class Options(BaseModel):
    """The task's own options in a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drawn: int = Field(3600, ge=len(SEEN), description="Drawn pictures to learn from.")
    others: tuple[Others, ...] = Field((), description="Read pictures to learn from by halves.")
    measured: tuple[External, ...] = Field((), description="Sets that are only measured on.")
    credits: tuple[str, ...] = Field(
        (), description="Names and licences of `others`, for the card."
    )


def train(
    recipe: ToolRecipe,
    data: Path | None,
    out: Path,
    run: Path,
    report: Report | None,
    *,
    fresh: bool,
) -> dict[str, Any]:
    """Train the gate, measure it, write its weights and card to `out`, and return the results.

    Args:
        recipe: of the task `image_gate`.
        data: folder of the indexes; None leaves it to their paths.
        out: folder for weights and card.
        run: folder of the checkpoints; training goes on from the newest whole one.
        report: called after every step.
        fresh: begin anew.

    Raises:
        ConfigError: if the recipe's options can't be used.
        InputError: if pictures can't be read.
        TrainingError: if the loss is no number, or checkpoints can't be written.
    """
    options = _options(recipe)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    films = pictures.load(_index.find(recipe.data, data), recipe.data)
    sides = {name: films.take(mask) for name, mask in pictures.parts(films, recipe.data).items()}
    read_, held = _others(options, data)
    torch.manual_seed(recipe.seed)
    network = FilmNet(WIDTH, recipe.side, outputs=OUTPUTS)
    devices = loop.accelerator()
    lesson = Lesson(sides["train"], draw_pool(options.drawn, recipe.seed), read_, recipe,
                    devices.device)  # fmt: skip
    fingerprint = {"recipe": recipe.model_dump(mode="json"), "films": films.digest()}
    place = loop.Place(run, fingerprint, devices, report, fresh)
    loop.train(network, lesson, _plan(recipe, devices.device), place)
    measured = {one.name: gate_measure.images(_index.find(one, data), one)
                for one in options.measured}  # fmt: skip
    measured |= {f"{kind}, half held out": found for kind, found in held.items()}
    found = gate_measure.assess(network.cpu(), sides, measured, recipe, options.credits, out)
    results: dict[str, Any] = found["results"]
    return results


def _options(recipe: ToolRecipe) -> Options:
    try:
        return Options.model_validate(recipe.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("options", *first["loc"]))
        raise ConfigError(f"{where}: {first['msg']}. Mend the recipe of the gate.") from error


def _plan(recipe: ToolRecipe, device: torch.device) -> loop.Plan:
    fast = device.type == "cuda" or torch.backends.mkldnn.is_available()
    return loop.Plan(
        seed=recipe.seed, steps=recipe.steps, rate=recipe.rate, warmup=0.05, weight_decay=0.03,
        clip=2.0, average=0.99, checkpoint_every=recipe.checkpoint_every, bf16=fast,
    )  # fmt: skip


def draw_pool(count: int, seed: int) -> dict[int, np.ndarray]:
    """Return `count` drawn pictures by their place in `SEEN`, (N, 224, 224) uint8 each."""
    generator = np.random.default_rng(seed + 2)
    kinds = SEEN[1:]
    found: dict[int, list[np.ndarray]] = {}
    for number in range(count):
        kind = kinds[number % len(kinds)]
        found.setdefault(SEEN.index(kind), []).append(drawn.draw(kind, generator))
    log.info("drew %d pictures", count)
    return {kind: np.stack(pictures_) for kind, pictures_ in found.items()}


def first_half(group: str) -> bool:
    """Say whether a group of pictures is learned from; the others are measured on."""
    return int(hashlib.sha256(f"half {group}".encode()).hexdigest()[:8], 16) % 2 == 0


def _others(
    options: Options, data: Path | None
) -> tuple[dict[int, np.ndarray], dict[str, list[Any]]]:
    """Return the pictures to learn from by kind, and the other halves as images to measure on."""
    learned: dict[int, list[np.ndarray]] = {}
    held: dict[str, list[Any]] = {}
    for other in options.others:
        index = _index.find(other, data)
        rows = _index.rows(index, other, None, other.group)
        groups = _index.groups(rows, other.group)
        for row, group in zip(rows, groups, strict=True):
            if first_half(str(group)):
                where = f"{index}, line {row.line}"
                learned.setdefault(SEEN.index(other.kind), []).append(
                    read.square(row.path, SIDE, where)
                )
            else:
                held.setdefault(other.kind, []).append(gate_measure.image(row.path))
    return {kind: np.stack(found) for kind, found in learned.items()}, held


class Lesson:
    """Batches of films in many settings and of other pictures; kinds, turns, inversion and tilt.

    Args:
        films: the training part of the chest films.
        pool: drawn pictures by their place in `SEEN`.
        read_: pictures read from files, likewise.
        recipe: batch, side and seed.
        device: where the network is.
    """

    def __init__(self, films: Films, pool: dict[int, np.ndarray], read_: dict[int, np.ndarray],
                 recipe: ToolRecipe, device: torch.device) -> None:  # fmt: skip
        self.films, self.pool, self.read, self.recipe = films.pixels, pool, read_, recipe
        self.device, self.size = device, recipe.batch

    def loss(self, network: Any, step: int) -> Tensor:
        """Return the mean loss of a step's batch."""
        generator = np.random.default_rng((self.recipe.seed, step))
        pixels, kinds, poses = self.batch(generator)
        shown = augment(
            torch.from_numpy(pixels).unsqueeze(1).float() / 255, torch.ones(len(pixels)), AUGMENT,
            self.recipe.side, torch.Generator().manual_seed(self.recipe.seed * 99_991 + step),
        )  # fmt: skip
        logits = network(shown.to(self.device)).float()
        return gate_loss(logits, torch.from_numpy(kinds), torch.from_numpy(poses))

    def batch(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (B, 224, 224) uint8 pictures, their kinds, (B,) int64, and poses, (B, 3) float32.

        A pose is quarter turns, inversion and tilt in units of `TILT_UNIT`; of films only.
        """
        pixels, kinds, poses = [], [], []
        for row in range(self.size):
            share = (row + 0.5) / self.size
            pose = (0.0, 0.0, 0.0)
            if share < SHARES["film"]:
                found = views.view(self._film(generator), self._sheet(generator), generator)
                picture, kind = found.pixels, 0
                pose = (found.turn, float(found.inverted), found.tilt / TILT_UNIT)
            else:
                picture, kind = self._no_film(share - SHARES["film"], generator)
            pixels.append(picture)
            kinds.append(kind)
            poses.append(pose)
        return np.stack(pixels), np.array(kinds, np.int64), np.array(poses, np.float32)

    def _film(self, generator: np.random.Generator) -> np.ndarray:
        film: np.ndarray = self.films[int(generator.integers(len(self.films)))]
        return film[:, ::-1] if generator.random() < 0.5 else film

    def _sheet(self, generator: np.random.Generator) -> np.ndarray:
        return _pick(self.pool[SEEN.index("document")], generator)

    def _no_film(self, share: float, generator: np.random.Generator) -> tuple[np.ndarray, int]:
        if share < SHARES["other"]:
            ruined = views.ruined(self._film(generator), self._film(generator), generator)
            return ruined, SEEN.index("other")
        share -= SHARES["other"]
        if share < SHARES["document"]:
            sheet = self._sheet(generator)
            return views.pasted(self._film(generator), sheet, generator), SEEN.index("document")
        source = (
            self.read if share - SHARES["document"] < SHARES["read"] and self.read else self.pool
        )
        # Few pictures are shown less often, or they would be learned by heart.
        weights = np.sqrt([len(found) for found in source.values()])
        kind = int(generator.choice(list(source), p=weights / weights.sum()))
        picture = _pick(source[kind], generator)
        if source is self.read and generator.random() < 0.6:
            picture = _part(picture, generator)
        if generator.random() < 0.5:
            picture = picture[:, ::-1]
        if generator.random() < 0.15:
            picture = 255 - picture
        # Ultrasound has a top; a drawn limb may lie any way.
        turns = int(generator.integers(4)) if generator.random() < 0.5 else 0
        return np.ascontiguousarray(np.rot90(picture, turns)), kind


def gate_loss(logits: Tensor, kinds: Tensor, poses: Tensor) -> Tensor:
    """Return the loss of (B, OUTPUTS) logits: the kind of all pictures, the pose of films."""
    kinds, poses = kinds.to(logits.device), poses.to(logits.device)
    seen, turns, inverted, tilt = parts(logits)
    loss = functional.cross_entropy(seen, kinds, label_smoothing=0.02)
    films = kinds == 0
    if films.any():
        pose = poses[films]
        loss = loss + 0.5 * functional.cross_entropy(turns[films], pose[:, 0].long())
        loss = loss + 0.5 * functional.binary_cross_entropy_with_logits(inverted[films], pose[:, 1])
        loss = loss + 0.5 * functional.smooth_l1_loss(tilt[films], pose[:, 2], beta=0.2)
    return loss


def _pick(pool: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    found: np.ndarray = pool[int(generator.integers(len(pool)))]
    return found


def _part(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a window of half to all of a picture's sides: few pictures are made to say more."""
    size = int(generator.uniform(0.5, 1) * SIDE)
    top, left = generator.integers(0, SIDE - size + 1, 2)
    return resize(picture[top : top + size, left : left + size])
