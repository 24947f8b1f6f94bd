"""Explanation: does the heatmap show what the finding hangs on, and is nothing said of nothing?

Dataset: the CSV of the task `image`. Solver: for each film that is called positive, the map that the
chat would show, against a random map and against one that always points at the middle. Scorer:
deletion and insertion (Petsiuk et al. 2018): the places that a map ranks first are taken away from
the film, or put back into it, and the probability is followed; the area below is low for a good
deletion and high for a good insertion. What stands in for a place changes the outcome, so both usual
choices are told: the blurred film, and the film's mean grey. Gains are against the random map and the
middle on the same film; a map whose gain is not above 0 has not been shown to mean anything. Beside
it: the share of the heat on the lungs against the lungs' own share of the picture, and blank and noise
pictures, which the gate must refuse; what the classifier would have said of them past the gate is told
too. Films of one patient are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from assistant.settings import Settings
from evals import metrics
from evals.corruptions import SIDE, squash
from evals.tasks import _films
from evals.types import Arm, Dataset, Figure, Interval, Prediction, Progress

if TYPE_CHECKING:
    from assistant.vision.classifiers import Classifier

Film = NDArray[np.uint8]
Heat = NDArray[np.float32]
# Shares of the film that are covered, step by step.
STEPS = 16
MAPS = ("map", "random", "centre")
# What stands in for the places that are taken away.
FILLS = ("blur", "grey")
GAMES = (("deletion", -1), ("insertion", 1))
# Cells a side of the random map, and the spread of the one of the middle in half sides.
CELLS = 8
SPREAD = 0.4
# Deviation of the blur that stands in for what is taken away, in pixels: no vessel is left.
BLUR = 12.0
# Pictures of each kind of nothing.
NOTHINGS = 6


class ExplainTask(_films.Judging):
    """The maps of labelled films, and pictures of nothing."""

    def load(self, data: Path | None, limit: int | None) -> Dataset:
        """Read the index and check that every film is there.

        Raises:
            InputError: naming the file and line that can't be used.
        """
        return _films.load(data, limit, self._loaded(), "image_explain")

    def solve(self, dataset: Dataset, progress: Progress) -> Iterator[Prediction]:
        """Yield a prediction a film and one a picture of nothing; see the fields' names."""
        card, total = dataset.extra["card"], len(dataset.samples)
        classifier = self._classifier(card.title)
        read = self._loaded().reader(card.positive)
        for number, sample in enumerate(dataset.samples):
            (film,) = _films.opened([sample], self.settings)
            base = {key: sample[key] for key in ("file", "patient_id", "truth")}
            if isinstance(film, str):
                yield {**base, "kind": "film", "reason": film, "called": None}
            else:
                generator = np.random.default_rng([self.seed, number])
                found = explained(classifier, read, squash(film.pixels), generator)
                yield {**base, "kind": "film", **found}
            progress(number + 1, total)
        for kind, pictures in nothing(self.seed).items():
            for number, picture in enumerate(pictures):
                yield self._nothing(kind, number, picture, card)

    def _nothing(self, kind: str, number: int, picture: Film, card: Any) -> Prediction:
        """Return what gate and classifier say of a picture of nothing."""
        from assistant.vision.decode import RadiographImage

        image = RadiographImage(pixels=picture, format="png")
        finding = next(self._loaded().judge_many([image]))
        chance = float(self._loaded().reader(card.positive)([picture])[0])
        point = card.point("rule in")
        return {
            "file": f"{kind} {number}",
            "kind": kind,
            "patient_id": "",
            "refused": finding.refused,
            "reason": finding.reason,
            "probability": chance,
            "called": point is not None and chance >= point.threshold,
        }

    def score(self, predictions: Sequence[Prediction]) -> dict[str, Interval]:
        """Return the figures with intervals over patients, or films where none are named."""
        return metrics.intervals(self.figures(predictions), self.seed)

    def figures(self, predictions: Sequence[Prediction]) -> dict[str, Figure]:
        """Return areas and gains, shares of heat on the lungs, and what was said of nothing."""
        films = [p for p in predictions if p["kind"] == "film"]
        called = [p for p in films if p["called"]]
        units: list[Hashable] = [p["patient_id"] or f"film {p['file']}" for p in called]
        out: dict[str, Figure] = {}
        for fill, (game, sign) in product(FILLS, GAMES):
            key = f"{game}_{fill}"
            area = {name: np.array([p["areas"][key][name] for p in called]) for name in MAPS}
            for name in MAPS:
                out[f"{key}_{name}"] = metrics.mean_figure(area[name].tolist(), units)
            for name in MAPS[1:]:
                gain = sign * (area["map"] - area[name])
                out[f"{key}_gain_over_{name}"] = metrics.mean_figure(gain.tolist(), units)
        found = [p for p in called if p["lung_share"] is not None]
        named: list[Hashable] = [p["patient_id"] or f"film {p['file']}" for p in found]
        out["lungs_found"] = metrics.mean_figure(
            [p["lung_share"] is not None for p in called], units
        )
        for key in ("lung_share", "lung_area"):
            out[key] = metrics.mean_figure([p[key] for p in found], named)
        out["called"] = metrics.mean_figure([bool(p["called"]) for p in films])
        for kind in ("blank", "noise"):
            rows = [p for p in predictions if p["kind"] == kind]
            out[f"{kind}_refused"] = metrics.mean_figure([p["refused"] for p in rows])
            out[f"{kind}_called_past_gate"] = metrics.mean_figure([p["called"] for p in rows])
            out[f"{kind}_probability_past_gate"] = metrics.mean_figure(
                [p["probability"] for p in rows]
            )
        return out

    def _classifier(self, title: str) -> Classifier:
        from assistant.vision import classifiers

        specs = self.settings.image_classifiers
        built = (classifiers.build(spec, self.settings) for spec in specs)
        return next(part for part in built if part.card.title == title)


def explained(
    classifier: Classifier,
    read: Callable[[Sequence[Film]], NDArray[np.float64]],
    film: Film,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Return the scores of a film's maps where it is called positive.

    Args:
        classifier: gives the map.
        read: from films to the positive label's probabilities.
        film: (224, 224).
        generator: draws the random map.
    """
    from assistant.vision import lungs

    reading, heat = classifier.together(film)
    card = classifier.card
    chance = float(reading.probabilities[card.labels.index(card.positive or card.labels[-1])])
    point = card.point("balanced")
    called = chance >= (0.5 if point is None else point.threshold)
    if not called or heat is None:
        return {"probability": chance, "called": False}
    maps = {"map": enlarged(heat), "random": _random(generator), "centre": _centre()}
    out: dict[str, Any] = {"probability": chance, "called": True, "lung_share": None}
    out |= {"lung_area": None, "areas": {}}
    for name, shown in maps.items():
        for fill in FILLS:
            both = areas(read, film, shown, generator, fill)
            for (game, _), area in zip(GAMES, both, strict=True):
                out["areas"].setdefault(f"{game}_{fill}", {})[name] = area
    fields = lungs.mask(film)
    if fields is not None:
        out["lung_share"] = lungs.share(heat, fields)
        out["lung_area"] = lungs.share(np.ones_like(heat), fields)
    return out


def areas(
    read: Callable[[Sequence[Film]], NDArray[np.float64]],
    film: Film,
    heat: Heat,
    generator: np.random.Generator,
    fill: str = "blur",
) -> tuple[float, float]:
    """Return the areas below the deletion and the insertion curve, in [0, 1].

    Args:
        read: from films to probabilities.
        film: (224, 224).
        heat: (224, 224); equal places are ranked by chance.
        generator: of that chance.
        fill: one of `FILLS`.
    """
    order = np.lexsort((generator.random(heat.size), -heat.ravel()))
    places = np.empty(heat.size, dtype=np.int64)
    places[order] = np.arange(heat.size)
    rank = places.reshape(heat.shape)
    soft: Film = np.full_like(film, round(float(film.mean())))
    if fill == "blur":
        soft = np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(BLUR)))
    cuts = [round(heat.size * step / STEPS) for step in range(STEPS + 1)]
    deleted = [np.where(rank < cut, soft, film) for cut in cuts]
    inserted = [np.where(rank < cut, film, soft) for cut in cuts]
    chances = np.asarray(read([*deleted, *inserted]))
    deletion, insertion = chances[: STEPS + 1], chances[STEPS + 1 :]
    return float(np.trapezoid(deletion) / STEPS), float(np.trapezoid(insertion) / STEPS)


def nothing(seed: int) -> dict[str, list[Film]]:
    """Return pictures of nothing by kind: blank (one grey, or one soft slope) and noise."""
    generator = np.random.default_rng([seed, 7])
    slope = np.linspace(0, 1, SIDE)
    blank = [np.full((SIDE, SIDE), grey) for grey in (0.0, 60.0, 128.0, 200.0, 255.0)]
    blank.append(np.broadcast_to(126 + 8 * slope, (SIDE, SIDE)))
    noise = []
    for cells in (SIDE, SIDE, SIDE, SIDE // 2, SIDE // 4, SIDE // 8)[:NOTHINGS]:
        drawn = generator.normal(128, 50, (cells, cells)).clip(0, 255).astype(np.uint8)
        picture = Image.fromarray(drawn).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        noise.append(np.asarray(picture, dtype=np.float64))
    return {
        "blank": [np.rint(picture).astype(np.uint8) for picture in blank],
        "noise": [np.rint(picture).astype(np.uint8) for picture in noise],
    }


def enlarged(heat: NDArray[np.floating]) -> Heat:
    """Return a map over (224, 224)."""
    picture = Image.fromarray(heat.astype(np.float32))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _random(generator: np.random.Generator) -> Heat:
    return enlarged(generator.random((CELLS, CELLS)))


def _centre() -> Heat:
    axis = np.linspace(-1, 1, SIDE)
    squares = axis[:, None] ** 2 + axis[None, :] ** 2
    return np.exp(-squares / (2 * SPREAD**2)).astype(np.float32)


def build(settings: Settings, seed: int = 0, arm: Arm | None = None) -> ExplainTask:
    """Return the task; no adapter has a part in it."""
    del arm
    return ExplainTask(settings, seed)
