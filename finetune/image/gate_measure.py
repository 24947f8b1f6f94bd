"""What the trained gate does on pictures it never saw: threshold, distance, card.

Thresholds come from validation films, plain and corrupted; what the card reports comes from other
films and pictures, through the very `Gate` that serves. Knows nothing of training.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from assistant.errors import AuscultError
from assistant.vision._gate_network import (
    LADDER,
    MEAN,
    SEEN,
    TILT_UNIT,
    WHITEN,
    GateNetwork,
    mahalanobis,
)
from assistant.vision.decode import RadiographImage, decode
from assistant.vision.gate import Gate
from assistant.vision.inputs import to_batch
from assistant.vision.network import FilmNet
from assistant.vision.tint import colourfulness
from assistant.vision.weights import CARD_FILE, MODEL_FILE
from finetune.image import _index, corruptions
from finetune.image import gate_pictures as drawn
from finetune.image import gate_views as views
from retrieval.files import sha256, write_json

if TYPE_CHECKING:
    from finetune.image.data import Films
    from finetune.image.recipe import Pictures, ToolRecipe

log = logging.getLogger(__name__)
# Drawn pictures of each kind, and corrupted films, that are measured on.
EACH, CORRUPTED = 40, 150
# Share of validation films, corrupted ones counted in, that may fall under the film threshold.
LOST = 0.002
# Bounds of the film threshold; `film` must be the likeliest kind besides.
LEAST, MOST = 0.02, 0.3
# Weight of the mean variance in the features' covariance.
SHRINKAGE = 0.1
RUNGS = 400


def assess(
    network: FilmNet,
    sides: dict[str, Films],
    measured: dict[str, list[RadiographImage]],
    recipe: ToolRecipe,
    credits: Sequence[str],
    out: Path,
) -> dict[str, Any]:
    """Set the thresholds, write weights and card to `out`, measure, and return the card.

    Args:
        network: on the CPU, trained.
        sides: chest films of "train", "validation" and "hold-out".
        measured: further sets by name.
        recipe: what was trained.
        credits: what was learned from beside the films, for the card.
        out: folder for weights and card.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.eval().to(memory_format=torch.channels_last)
    _write(network, {**_distance(network, sides), LADDER: torch.zeros(RUNGS)}, out)
    card = _card(recipe, credits, len(sides["train"]))
    card["sha256"] = sha256(out / MODEL_FILE)
    write_json(out / CARD_FILE, card)
    # In half precision, as it will be served.
    served = GateNetwork(out)
    near = torch.from_numpy(distances(served, np.concatenate(
        [sides["validation"].pixels, sides["hold-out"].pixels]
    )))  # fmt: skip
    ladder = torch.quantile(near, torch.linspace(0, 1, RUNGS))
    _write(network, {MEAN: served.mean, WHITEN: served.whiten, LADDER: ladder}, out)
    card["sha256"] = sha256(out / MODEL_FILE)
    card["operating_points"] = _points(served, sides["validation"].pixels, ladder)
    write_json(out / CARD_FILE, card)
    card["results"] = results(Gate(out), sides["hold-out"].pixels, measured)
    write_json(out / CARD_FILE, card)
    (out / CARD_FILE).chmod(0o644)
    return card


def _distance(network: FilmNet, sides: dict[str, Films]) -> dict[str, Tensor]:
    """Return mean and whitening matrix of the training films' features."""
    features = torch.cat([
        network.maps(to_batch(sides["train"].pixels[at : at + 64])).mean((2, 3)).detach()
        for at in range(0, len(sides["train"]), 64)
    ]).double()  # fmt: skip
    mean = features.mean(0)
    covariance = torch.cov(features.T)
    flat = torch.eye(len(mean), dtype=torch.float64) * covariance.diagonal().mean()
    powers, axes = torch.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * flat)
    return {MEAN: mean.float(), WHITEN: (axes / powers.clamp_min(1e-9).sqrt()).float()}


def _write(network: FilmNet, distance: dict[str, Tensor], out: Path) -> None:
    from safetensors.torch import save_file

    from retrieval.files import atomic_path

    tensors = {**network.state_dict(), **distance}
    half = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in tensors.items()
    }
    with atomic_path(out / MODEL_FILE) as made:
        save_file(half, made)
    (out / MODEL_FILE).chmod(0o644)


def distances(served: GateNetwork, films: np.ndarray) -> np.ndarray:
    """Return the Mahalanobis distance, (N,), of (N, 224, 224) uint8 films."""
    features = torch.cat([served.features(films[at : at + 64]) for at in range(0, len(films), 64)])
    return mahalanobis(features, served.mean, served.whiten).numpy()


def _points(served: GateNetwork, films: np.ndarray, ladder: Tensor) -> list[dict[str, Any]]:
    """Choose the film threshold and the distance beyond which nothing is judged."""
    shares, far = [], []
    chosen = films[np.linspace(0, len(films) - 1, min(CORRUPTED, len(films))).astype(int)]
    for name in ("", *corruptions.NAMES):
        shown = _corrupted(chosen, name) if name else films
        shares.append(served.look(shown).shares[:, 0])
        far.append(distances(served, shown))
    threshold = float(np.clip(np.quantile(np.concatenate(shares), LOST), LEAST, MOST))
    unit = float(ladder[int(len(ladder) * 0.995)].clamp_min(1e-6))
    most = float(np.concatenate(far).max()) / unit * 1.1
    return [
        {"name": "film", "threshold": round(threshold, 4),
         "measured_on": "share of `film`, which must be the likeliest kind as well, under which a "
         f"picture is refused; all but {LOST:.1%} of the validation films, plain and corrupted, lie "
         f"above (at least {LEAST}, at most {MOST})"},
        {"name": "distance", "threshold": round(most, 4),
         "measured_on": "distance beyond which a film is refused, in that of the 99.5th percentile "
         "of held-out films: 1.1 times that of the farthest validation film, plain or corrupted"},
    ]  # fmt: skip


def _corrupted(films: np.ndarray, name: str) -> np.ndarray:
    shown = corruptions.apply(torch.from_numpy(films).unsqueeze(1).float() / 255, name)
    found: np.ndarray = (shown.squeeze(1).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return found


def results(
    gate: Gate, films: np.ndarray, measured: dict[str, list[RadiographImage]]
) -> dict[str, Any]:
    """Return what the gate refuses and corrects of held-out films, drawn pictures and other sets."""
    found = {"chest films held out": outcome(gate, _plain(films))}
    some = films[np.linspace(0, len(films) - 1, min(CORRUPTED, len(films))).astype(int)]
    for name in corruptions.NAMES:
        found[f"chest films held out, {name}"] = outcome(gate, _plain(_corrupted(some, name)))
    generator = np.random.default_rng(31)
    for turn in (1, 2, 3):
        shown = np.ascontiguousarray(np.rot90(some, turn, (1, 2)))
        found[f"chest films held out, turned {90 * turn}"] = outcome(gate, _plain(shown))
    found["chest films held out, inverted"] = outcome(gate, _plain(255 - some))
    sheets = [drawn.draw("document", generator) for _ in some]
    settings = {
        "on a light box": [views.lightbox(film, generator) for film in some],
        "in a viewer's window": [
            views.windowed(film, sheet, generator) for film, sheet in zip(some, sheets, strict=True)
        ],
        "on a border": [views.bordered(film, generator) for film in some],
        "small on a page": [
            views.pasted(film, sheet, generator) for film, sheet in zip(some, sheets, strict=True)
        ],
        "cut up": [
            views.ruined(film, other, generator)
            for film, other in zip(some, some[::-1], strict=True)
        ],
    }
    for name, films_ in settings.items():
        found[f"chest films held out, {name}"] = outcome(gate, _plain(np.stack(films_)))
    found["tilt"] = _tilt(gate, some, generator)
    for kind in drawn.DRAWN:
        shown = np.stack([drawn.draw(kind, generator) for _ in range(EACH)])
        found[f"drawn: {kind}"] = outcome(gate, _plain(shown))
    for name, images_ in measured.items():
        found[name] = outcome(gate, images_)
    for name, result in found.items():
        log.info("%s: %s", name, result)
    return found


def outcome(gate: Gate, images_: Sequence[RadiographImage]) -> dict[str, Any]:
    """Return how many images there are, the share refused, the kinds seen, and the corrections."""
    if not images_:
        return {"pictures": 0}
    seen = [
        one for at in range(0, len(images_), 32) for one in gate.screen_many(images_[at : at + 32])
    ]
    found: dict[str, Any] = {
        "pictures": len(seen),
        "refused": round(float(np.mean([not one.passed for one in seen])), 4),
        "kinds": dict(Counter(one.report.kind for one in seen).most_common()),
    }
    turned = Counter(one.report.turned for one in seen if one.report.turned)
    if turned:
        found["turned upright"] = {str(degrees): count for degrees, count in turned.most_common()}
    for name, marked in (
        ("inverted back", [one.report.inverted for one in seen]),
        ("warned", [bool(one.report.warnings) for one in seen]),
    ):
        if any(marked):
            found[name] = round(float(np.mean(marked)), 4)
    near = [one.report.distance for one in seen if one.report.distance is not None]
    if near:
        found["median distance"] = round(float(np.median(near)), 3)
    return found


def _tilt(gate: Gate, films: np.ndarray, generator: np.random.Generator) -> dict[str, Any]:
    """Return how well tilts are told: the mean error in degrees, of tilts up to the largest."""
    given = generator.uniform(-TILT_UNIT, TILT_UNIT, len(films))
    shown = [views.tilted(film, tilt, generator) for film, tilt in zip(films, given, strict=True)]
    told = gate.network.look(np.stack(shown)).tilt
    plain = gate.network.look(films).tilt
    return {
        "pictures": len(films),
        "mean error in degrees": round(float(np.abs(told - given).mean()), 2),
        "95th percentile of untilted films": round(float(np.quantile(np.abs(plain), 0.95)), 2),
    }


def _plain(films: np.ndarray) -> list[RadiographImage]:
    return [RadiographImage(film, "png") for film in films]


def images(index: Path, pictures: Pictures) -> list[RadiographImage]:
    """Return the pictures that an index lists, decoded; those that can't be are left out.

    Raises:
        InputError: naming the file and line of the index that can't be used.
    """
    found = []
    for row in _index.rows(index, pictures, None, ()):
        try:
            found.append(image(row.path))
        except (AuscultError, OSError) as error:
            log.info("%s, line %d is left out: %s", index, row.line, error)
    return found


def image(path: Path) -> RadiographImage:
    """Return a picture as it would be uploaded; PNG and JPEG are decoded here, which is faster."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            upright = ImageOps.exif_transpose(picture)
            grey = np.asarray(upright.convert("L"))
            spread = (
                0.0
                if upright.mode in ("L", "1")
                else colourfulness(np.asarray(upright.convert("RGB")))
            )
            return RadiographImage(grey, str(picture.format).lower(), colour=spread)
    except UnidentifiedImageError:
        from assistant import intake
        from assistant.settings import Settings

        settings = Settings()
        return decode(intake.accept_file(path, settings), settings)


def _card(recipe: ToolRecipe, credits: Sequence[str], films: int) -> dict[str, Any]:
    return {
        "name": "auscult-film-gate",
        "version": recipe.version,
        "task": recipe.task,
        "labels": list(SEEN),
        "architecture": {"kind": "film", "width": 16, "side": recipe.side,
                         "outputs": len(SEEN) + 6},
        "input": {"shape": [1, 224, 224], "range": [0, 1],
                  "what": "grey picture squashed to a square"},
        "calibration": {"method": "none", "fitted_on": ""},
        "operating_points": [
            {"name": "film", "threshold": 0.5, "measured_on": ""},
            {"name": "distance", "threshold": 1e6, "measured_on": ""},
        ],
        "training": {
            "data": [
                {"name": recipe.data.name, "licence": recipe.data.licence,
                 "source": recipe.data.source},
                {"name": "drawn pictures (finetune/image/gate_pictures.py, gate_patterns.py) and "
                 "altered films (gate_views.py)", "licence": "made here"},
                *({"name": credit} for credit in credits),
            ],
            "films": films, "steps": recipe.steps, "batch": recipe.batch, "seed": recipe.seed,
        },
        "results": {},
        "limits": [
            "No real lateral chest film was at hand: laterals are refused by their DICOM view and, "
            "by pixels, as far as they look like drawn ones, which was not measured on real films.",
            "Of limbs, skulls and other radiographs one real film was at hand, to measure on; the "
            "network learned them from drawings.",
            "CT and MR were learned from drawings and a few test files; by pixels alone they can be "
            "taken for each other.",
            "A mirrored film can't be told from one with the heart on the right.",
            "The distance is from one hospital's films of small children; adults lie farther off.",
        ],
    }  # fmt: skip
