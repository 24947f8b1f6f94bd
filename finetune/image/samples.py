"""Synthetic films for demonstration and tests: no patient's film ships with the project.

The task `image_samples`: a small latent diffusion model (`_diffusion`) learns one class of films from
another, many films are drawn, and those are kept that the input gate takes for films, that the
classifier is sure of, and that lie farther from every training film than a film lies from its nearest
film of another patient. They say in a corner and in their metadata that they are synthetic; the card
lists the distances. The model's own weights stay where they were trained.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, PngImagePlugin
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune import checkpoints
from finetune.image import _diffusion as diffusion
from finetune.image import data as pictures
from finetune.image.recipe import ToolRecipe
from finetune.progress import Progress
from retrieval.errors import ConfigError, InputError
from retrieval.files import atomic_path, sha256, write_json

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.progress import Report

log = logging.getLogger(__name__)

SHOWN = (320, 288)
NOTICE = "synthetic: not a patient"
DECAY = 0.999


class Options(BaseModel):
    """The task's own options in a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    axes: int = Field(448, ge=2, le=4096, description="Principal axes, the latent space.")
    width: int = Field(448, ge=8, description="Of the denoiser's hidden layers.")
    blocks: int = Field(2, ge=1, description="Residual blocks of the denoiser.")
    drawn: int = Field(120, ge=1, description="Films drawn of each class, to choose from.")
    each: int = Field(2, ge=1, description="Films kept of each class.")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Films of one class that were drawn.

    Attributes:
        films: (N, S * S) standardised.
        distances: (N,) to the nearest training film.
    """

    films: np.ndarray
    distances: np.ndarray


def train(
    recipe: ToolRecipe,
    data: Path | None,
    out: Path,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train the generative model, draw films, and write the best and their card to `out`.

    Args:
        recipe: steps, side and options.
        data: the data folder.
        out: folder of the films, `index.csv` and `card.json`.
        run: folder of checkpoints; an interrupted run goes on from there.
        report: called after every step.
        fresh: begin anew.

    Returns:
        The card's distances.

    Raises:
        ConfigError: if the recipe's options are not the task's.
        InputError: if the films can't be read or none that was drawn is fit to be kept.
        TrainingError: if the training can't go on.
    """
    options = _options(recipe)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    films = pictures.of(recipe, data)
    known = squares(films.pixels, recipe.side)
    latents = diffusion.axes_of(known, options.axes, recipe.seed)
    network = fit(recipe, films, latents, known, run / recipe.name, report, fresh=fresh)
    apart = between_patients(known, films.groups, np.random.default_rng(recipe.seed))
    generator = torch.Generator().manual_seed(recipe.seed)
    listed = []
    for kind, name in enumerate(recipe.data.classes):
        places = diffusion.sample(network, options.drawn, kind, generator).numpy()
        made = latents.films(places)
        drawn = Drawn(made, nearest(made, known))
        listed += _keep(drawn, name, kind, float(np.median(apart)), options, out)
    rows = "".join(f"{film['file']},{film['like'].upper()}\n" for film in listed)
    with atomic_path(out / "index.csv") as temporary:
        temporary.write_text("file,label\n" + rows, encoding="utf-8")
    (out / "index.csv").chmod(0o644)
    card = _card(recipe, options, listed, apart, films)
    write_json(out / "card.json", card)
    (out / "card.json").chmod(0o644)
    return dict(card["results"])


def fit(  # noqa: PLR0913 - what a training is made of
    recipe: ToolRecipe,
    films: Films,
    latents: diffusion.Latents,
    known: np.ndarray,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
    stop_after: int | None = None,
) -> diffusion.Denoiser:
    """Train the denoiser on places of (N, P) films `known` and return it with averaged weights."""
    options = _options(recipe)
    places = torch.from_numpy(latents.places(known))
    kinds = torch.from_numpy(films.labels)
    torch.manual_seed(recipe.seed)
    network = diffusion.Denoiser(
        places.shape[1], len(recipe.data.classes), options.width, options.blocks
    )
    averaged = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.01)
    marks = {"recipe": recipe.model_dump(mode="json", exclude={"threads"}), "data": films.digest()}
    kept = checkpoints.resume(run, marks, fresh=fresh)
    step = 0
    if kept is not None:
        step = kept.step
        _restore(kept.tensors, network, averaged, optimiser)
    started, first = time.monotonic(), step
    last = min(recipe.steps, stop_after or recipe.steps)
    while step < last:
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        torch.manual_seed(recipe.seed * 7919 + step)  # Dropout draws from the global one.
        rows = torch.randint(len(places), (recipe.batch,), generator=generator)
        rate = recipe.rate * min(1.0, (step + 1) / 200) * (1 - 0.95 * step / recipe.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = diffusion.loss(network, places[rows], kinds[rows], generator)
        checkpoints.check_finite(float(loss.detach()), run, step=step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        decay = min(DECAY, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            averaged[name].lerp_(value, 1 - decay)
        if step % recipe.checkpoint_every == 0 or step == last:
            state = {"fingerprint": marks}
            checkpoints.guarded_save(run, step, _tensors(network, averaged, optimiser), state)
        if report is not None:
            left = (time.monotonic() - started) / (step - first) * (recipe.steps - step)
            report(Progress(step, recipe.steps, float(loss.detach()), 0.0, left, None, rate))
    network.load_state_dict(averaged)
    return network.eval()


def squares(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return (N, S, S) uint8 films as (N, side * side) floats with mean 0 and deviation 1.

    Raises:
        ConfigError: if `side` does not divide the films' side.
    """
    step, rest = divmod(pixels.shape[1], side)
    if rest or not step:
        raise ConfigError(f"side is {side}: it has to divide the films' side, {pixels.shape[1]}.")
    shape = (len(pixels), side, step, side, step)
    small = pixels.reshape(shape).mean((2, 4), dtype=np.float32)
    return diffusion.standardise(small.reshape(len(pixels), -1))


def nearest(films: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return each film's root mean square distance to its nearest of `others`, (N,)."""
    squared = (films**2).sum(1)[:, None] + (others**2).sum(1) - 2 * films @ others.T
    return np.asarray(np.sqrt(squared.min(1).clip(0) / films.shape[1]))


def between_patients(
    known: np.ndarray, groups: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return the distance from each of up to 200 films to the nearest of another patient."""
    rows = generator.choice(len(known), min(200, len(known)), replace=False)
    squared = (known[rows] ** 2).sum(1)[:, None] + (known**2).sum(1) - 2 * known[rows] @ known.T
    squared[groups[rows][:, None] == groups] = np.inf
    return np.asarray(np.sqrt(squared.min(1).clip(0) / known.shape[1]))


def _options(recipe: ToolRecipe) -> Options:
    try:
        return Options(**recipe.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"options.{where}: {first['msg']}.") from None


def _tensors(
    network: diffusion.Denoiser,
    averaged: dict[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
) -> dict[str, torch.Tensor]:
    tensors = {f"now/{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"averaged/{k}": v for k, v in averaged.items()}
    for number, parameter in enumerate(network.parameters()):
        for key, value in optimiser.state[parameter].items():
            tensors[f"optimiser/{number}/{key}"] = value
    return tensors


def _restore(
    tensors: Any,
    network: diffusion.Denoiser,
    averaged: dict[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    network.load_state_dict(part("now/"))
    averaged.update(part("averaged/"))
    for number, parameter in enumerate(network.parameters()):
        optimiser.state[parameter] = part(f"optimiser/{number}/")


def _keep(
    drawn: Drawn, name: str, kind: int, apart: float, options: Options, out: Path
) -> list[dict[str, Any]]:
    """Write the films that gate and classifier are surest of, if they are no copies."""
    side = round(drawn.films.shape[1] ** 0.5)
    shown = np.stack([_picture(film.reshape(side, side)) for film in drawn.films])
    fitting = _fitting(shown, kind)
    fitting[drawn.distances < apart] = -1
    order = np.argsort(-fitting)[: options.each]
    if fitting[order[-1]] <= 0:
        raise InputError(
            f"Fewer than {options.each} of {len(shown)} films drawn of {name!r} are films by the "
            "input gate and no near copies: draw more (options.drawn) or train longer (steps)."
        )
    listed = []
    for number, row in enumerate(order, start=1):
        file = f"{name.lower()}-{number}.png"
        _write(out / file, shown[row])
        listed.append(
            {"file": file, "like": name, "sha256": sha256(out / file),
             "nearest_training_film": round(float(drawn.distances[row]), 4)}
        )  # fmt: skip
    return listed


def _fitting(shown: np.ndarray, kind: int) -> np.ndarray:
    """Return how sure gate and classifier are of (N, H, W) films of a class, (N,) in [0, 1]."""
    from assistant.settings import Settings
    from assistant.vision.decode import RadiographImage
    from assistant.vision.judge import ImageJudge

    judge = ImageJudge(Settings())
    found = judge.judge_many(RadiographImage(film, "png") for film in shown)
    chances = [finding.probability for finding in found]
    return np.array([0.0 if c is None else c if kind else 1 - c for c in chances])


def _picture(film: np.ndarray) -> np.ndarray:
    """Return a standardised film as a uint8 picture of the shown size, marked as synthetic."""
    low, high = np.quantile(film, [0.01, 0.995])
    grey = ((film - low) / (high - low)).clip(0, 1) * 255
    picture = Image.fromarray(grey.astype(np.uint8)).resize(SHOWN, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, SHOWN[1] - 14, 62, SHOWN[1]), fill=0)
    draw.text((4, SHOWN[1] - 13), "SYNTHETIC", fill=220)
    return np.asarray(picture)


def _write(path: Path, pixels: np.ndarray) -> None:
    meta = PngImagePlugin.PngInfo()
    meta.add_text("Comment", NOTICE)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, "PNG", pnginfo=meta, optimize=True)
    path.chmod(0o644)


def _card(
    recipe: ToolRecipe,
    options: Options,
    listed: list[dict[str, Any]],
    apart: np.ndarray,
    films: Films,
) -> dict[str, Any]:
    far = [film["nearest_training_film"] for film in listed]
    return {
        "name": recipe.name,
        "version": recipe.version,
        "task": recipe.task,
        "what": NOTICE + "; drawn from a statistical model, of no diagnostic value",
        "method": f"latent diffusion over {options.axes} principal axes of films of {recipe.side} "
        f"by {recipe.side} pixels, {recipe.steps} steps, seed {recipe.seed}",
        "training_data": {
            "name": recipe.data.name,
            "licence": recipe.data.licence,
            "source": recipe.data.source,
            "films": len(films),
        },
        "distance": "root mean square difference of standardised films at the model's side",
        "results": {
            "nearest_training_film": {"least": min(far), "most": max(far)},
            "nearest_other_patient": {
                "median": round(float(np.median(apart)), 4),
                "5th percentile": round(float(np.quantile(apart, 0.05)), 4),
                "what": "from a film to the nearest film of another patient, up to 200 films",
            },
        },
        "films": listed,
    }
