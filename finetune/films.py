"""Synthetic chest films for demonstration and tests: no patient's film ships with the project.

`python -m finetune.films --data DIR --out DIR` fits a probabilistic principal component model
(Tipping & Bishop 1999) to each class of films, samples from it, and keeps samples that lie as far from
every training film as different patients' films lie from each other. The pictures say in a corner and
in their metadata that they are synthetic; a card lists the distances.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from finetune import _cnn_data as data
from finetune._cnn_card import TRAINED_ON
from finetune.cnn import INDEX
from retrieval.files import atomic_path, sha256, write_json

log = logging.getLogger("finetune.films")

SIDE = 112
SHOWN = (320, 288)
COMPONENTS = 320
# Samples a class, of which the likeliest films are chosen, and how far they spread.
DRAWN = 150
SPREAD = 0.8
NOTICE = "synthetic: not a patient"


@dataclass(frozen=True)
class Model:
    """A Gaussian over films of one class: mean (P,), axes (P, K) of unit length, deviations (K,)."""

    mean: np.ndarray
    axes: np.ndarray
    deviations: np.ndarray

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """Return one standardised film, (SIDE * SIDE,)."""
        draws = generator.normal(size=len(self.deviations))
        steps = (draws * self.deviations * SPREAD).astype(np.float32)
        return self.mean + self.axes @ steps


def standardise(pixels: np.ndarray) -> np.ndarray:
    """Return (N, 224, 224) uint8 films as (N, SIDE * SIDE) floats with mean 0 and deviation 1."""
    step = pixels.shape[1] // SIDE
    small = pixels.reshape(len(pixels), SIDE, step, SIDE, step).mean((2, 4), dtype=np.float32)
    flat = small.reshape(len(pixels), -1)
    centred = flat - flat.mean(1, keepdims=True)
    return centred / (centred.std(1, keepdims=True) + 1e-3)


def fit(films: np.ndarray, components: int = COMPONENTS) -> Model:
    """Fit the model to (N, SIDE * SIDE) standardised films; `components` is capped at N - 1."""
    mean = films.mean(0)
    centred = films - mean
    powers, mixtures = np.linalg.eigh(centred @ centred.T)
    kept = min(components, len(films) - 1)
    powers = powers[::-1][:kept].clip(1e-6)
    axes = (centred.T @ mixtures[:, ::-1][:, :kept]) / np.sqrt(powers)
    return Model(mean, axes, np.sqrt(powers / len(films)))


def nearest(films: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return each film's root mean square distance to its nearest of `others`, (N,)."""
    squares = (films**2).sum(1)[:, None] + (others**2).sum(1) - 2 * films @ others.T
    return np.sqrt(squares.min(1).clip(0) / films.shape[1])


def make(index: Path, out: Path, each: int = 2, seed: int = 3, limit: int = 0) -> dict[str, Any]:
    """Write `each` synthetic films of each class and their card to `out`; return the card.

    Args:
        index: CSV of labelled films.
        out: folder for the PNGs and `card.json`.
        each: films a class.
        seed: of the samples.
        limit: learn from this many films only; 0 uses all.
    """
    from assistant.vision import weights
    from assistant.vision.classifier import Classifier
    from assistant.vision.gate import Gate

    films = data.load(index, limit)
    known = standardise(films.pixels)
    generator = np.random.default_rng(seed)
    apart = _between_patients(known, films.groups, generator)
    gate = Gate(weights.SHIPPED / "film_gate")
    classifier = Classifier(weights.SHIPPED / "pneumonia")
    listed = []
    for label, name in enumerate(("normal", "pneumonia")):
        model = fit(known[films.labels == label][:1300])
        drawn = np.stack([model.sample(generator) for _ in range(DRAWN)])
        far = nearest(_again(drawn), known)
        shown = np.stack([_picture(film) for film in drawn])
        squashed = np.stack(
            [np.asarray(Image.fromarray(film).resize((224, 224))) for film in shown]
        )
        chances = classifier.probabilities(squashed)
        fitting = gate.shares(squashed)[:, 0] * (chances if label else 1 - chances)
        fitting[far < np.median(apart)] = -1
        for number, row in enumerate(np.argsort(-fitting)[:each], start=1):
            file = f"{name}-{number}.png"
            _write(out / file, shown[row])
            listed.append(
                {"file": file, "like": name, "nearest_training_film": round(float(far[row]), 4),
                 "sha256": sha256(out / file)}
            )  # fmt: skip
    card = {
        "name": "synthetic chest films",
        "what": NOTICE + "; drawn from a statistical model, of no diagnostic value",
        "method": f"probabilistic principal components, {COMPONENTS} a class, seed {seed}",
        "training_data": TRAINED_ON,
        "distance": "root mean square difference of standardised films of 112 by 112 pixels",
        "nearest_other_patient": {
            "median": round(float(np.median(apart)), 4),
            "5th percentile": round(float(np.quantile(apart, 0.05)), 4),
            "what": "from a film to the nearest film of another patient, up to 200 films",
        },
        "films": listed,
    }
    write_json(out / "card.json", card)
    (out / "card.json").chmod(0o644)
    log.info("%s", card)
    return card


def _between_patients(
    known: np.ndarray, groups: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Return the distance from each of up to 200 films to the nearest of another patient."""
    rows = generator.choice(len(known), min(200, len(known)), replace=False)
    squares = (known[rows] ** 2).sum(1)[:, None] + (known**2).sum(1) - 2 * known[rows] @ known.T
    squares[groups[rows][:, None] == groups] = np.inf
    return np.sqrt(squares.min(1).clip(0) / known.shape[1])


def _again(drawn: np.ndarray) -> np.ndarray:
    """Standardise samples as films are, so that distances compare."""
    centred = drawn - drawn.mean(1, keepdims=True)
    return centred / centred.std(1, keepdims=True)


def _picture(film: np.ndarray) -> np.ndarray:
    """Return a sample as a uint8 picture of the shown size."""
    low, high = np.quantile(film, [0.01, 0.995])
    grey = ((film - low) / (high - low)).clip(0, 1).reshape(SIDE, SIDE) * 255
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


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m finetune.films", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {INDEX}")
    parser.add_argument("--out", type=Path, required=True, help="folder for films and card")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    make(options.data / INDEX, options.out, seed=options.seed)


if __name__ == "__main__":
    main()
