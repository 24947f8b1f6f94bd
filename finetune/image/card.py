"""Weights and card of a trained classifier, in the form that serving reads.

Calibration and thresholds come from validation patients (or from a cross-validation), results from
held-out ones and from other places. No path of a machine stands in a card.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.image import calibrate, corruptions, make, score, teach
from finetune.image import data as pictures
from finetune.image.calibrate import Scored
from retrieval import files

if TYPE_CHECKING:
    from torch import nn

    from finetune.image.data import Films
    from finetune.image.recipe import ImageRecipe
    from finetune.image.trainer import Fitted

log = logging.getLogger(__name__)
RESEARCH = "Research use only; not a diagnosis."
VIEWS = ["plain", "mirror"]
WHAT = "grey picture, dense is bright, squashed to a square; exposure is normalised inside"


def write(
    fitted: Fitted,
    recipe: ImageRecipe,
    parts: Mapping[str, Films],
    data: Path | None,
    out: Path,
) -> dict[str, Any]:
    """Calibrate and measure a network, write its weights and card, and return the card's results.

    Args:
        fitted: the network.
        recipe: what it was trained by.
        parts: pictures of train, validation and hold-out.
        data: the data folder.
        out: the classifier's folder.
    """
    from assistant.vision.weights import CARD_FILE, MODEL_FILE

    out.mkdir(parents=True, exist_ok=True)
    write_weights(fitted.network, out / MODEL_FILE)
    network = fitted.network
    tuned, results = _tuned(network, recipe, parts, data)
    held = None
    if len(parts["hold-out"]):
        held = _scored(network, parts["hold-out"])
        results |= _measured(network, parts["hold-out"], held, tuned, bf16=fitted.bf16)
    results |= _elsewhere(network, recipe, data, tuned)
    for name, found in results.items():
        log.info("%s: %s", name, found)
    words = f"{len(parts['hold-out'])} pictures of held-out groups; chosen on other groups"
    card = {
        **_head(recipe),
        "calibration": tuned.calibration.to_card(),
        "operating_points": calibrate.points_card(tuned, held, words),
        **({"conformal": tuned.conformal.to_card(recipe.labels)} if tuned.conformal else {}),
        "training_data": [_source(recipe)],
        "training": {
            "data": _source(recipe),
            "films": len(parts["train"]),
            "groups": len(np.unique(parts["train"].groups)),
            "steps": fitted.state.step,
            "best_step": fitted.state.best_step,
            "minutes": round(fitted.minutes, 2),
            "precision": "bf16" if fitted.bf16 else "fp32",
            "history": [list(entry) for entry in fitted.state.history],
        },
        "recipe": dict(make.described(recipe)),
        "results": results,
        "limits": [RESEARCH, *recipe.limits],
        "sha256": files.sha256(out / MODEL_FILE),
    }
    files.write_json(out / CARD_FILE, card)
    (out / CARD_FILE).chmod(0o644)
    return results


def _head(recipe: ImageRecipe) -> dict[str, Any]:
    two = len(recipe.labels) == 2
    return {
        "name": recipe.name,
        "version": recipe.version,
        "task": recipe.task,
        "purpose": f"Tells {', '.join(recipe.labels)} apart on pictures of the kind: "
        f"{recipe.modality}.",
        "labels": list(recipe.labels),
        "positive": recipe.labels[-1] if two else None,
        "negative": recipe.negative or (recipe.labels[0] if two else None),
        "modality": recipe.modality,
        **({"kinds": list(recipe.kinds)} if recipe.kinds else {}),
        **({"after": recipe.after} if recipe.after else {}),
        "architecture": make.architecture(recipe),
        "input": {"shape": [1, 224, 224], "range": [0, 1], "what": WHAT},
        "views": VIEWS,
        "population": recipe.population.model_dump(mode="json") if recipe.population else None,
    }


def _source(recipe: ImageRecipe) -> dict[str, str]:
    data = recipe.data
    named = {"name": data.name or Path(data.index).name, "licence": data.licence or "not stated"}
    return {**named, **({"source": data.source} if data.source else {})}


def write_weights(network: nn.Module, path: Path) -> None:
    """Write a network's tensors as half-precision safetensors, and give it those very values."""
    from safetensors.torch import save_file

    state = {
        k: (v.half() if v.is_floating_point() else v).cpu().contiguous()
        for k, v in network.state_dict().items()
    }
    with files.atomic_path(path) as temporary:
        save_file(state, temporary)
    path.chmod(0o644)
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    )


def _scored(network: nn.Module, films: Films, name: str = "", *, bf16: bool = False) -> Scored:
    """Score pictures, in single precision as serving does unless told otherwise."""
    return Scored(score.logits(network, films.pixels, name, bf16=bf16), films.labels)


def _tuned(
    network: nn.Module,
    recipe: ImageRecipe,
    parts: Mapping[str, Films],
    data: Path | None,
) -> tuple[calibrate.Tuned, dict[str, Any]]:
    """Fit what makes answers of logits; return it with the results that it was fitted on."""
    if recipe.out_of_fold:
        found = teach.out_of_fold(teach.find(recipe.out_of_fold, data), recipe.labels)
        folds = found["folds"]
        labels = found["labels"]
        scored = Scored(found["logits"], labels)
        words = f"{len(labels)} pictures, each by a network that was trained on other groups"
        tuned = calibrate.fit(scored, recipe, words)
        chances = calibrate.crossed(scored.logits, labels, folds, recipe.calibration)
        return tuned, {"out of fold": score.figures(chances, labels, tuned.threshold)}
    films = parts["validation"]
    names = ("", *recipe.corruptions) if recipe.calibrate_on == "corrupted" else ("",)
    pooled = calibrate.pool([_scored(network, films, name) for name in names])
    words = f"{len(films)} pictures of validation groups"
    if len(names) > 1:
        words += f", as they are and under {len(names) - 1} corruptions"
    return calibrate.fit(pooled, recipe, words), {}


def _measured(
    network: nn.Module, films: Films, held: Scored, tuned: calibrate.Tuned, *, bf16: bool
) -> dict[str, Any]:
    """Return the figures of held-out pictures, as they are and under every corruption."""

    def figures(scored: Scored) -> dict[str, Any]:
        return score.figures(tuned.chances(scored.logits), scored.labels, tuned.threshold)

    out = {"hold-out": figures(held)}
    changed = {name: _scored(network, films, name, bf16=bf16) for name in corruptions.NAMES}
    each = {name: figures(scored) for name, scored in changed.items()}
    pooled = figures(calibrate.pool(list(changed.values())))
    areas = {name: found["auroc"] for name, found in each.items() if found["auroc"] is not None}
    if areas:
        worst = min(areas, key=lambda name: areas[name])
        pooled["mean_auroc"] = round(float(np.mean(list(areas.values()))), 4)
        pooled["worst"], pooled["worst_auroc"] = worst, areas[worst]
    out["hold-out, corrupted"] = pooled
    return out | {f"hold-out, {name}": found for name, found in each.items()}


def _elsewhere(
    network: nn.Module,
    recipe: ImageRecipe,
    data: Path | None,
    tuned: calibrate.Tuned,
) -> dict[str, Any]:
    """Return the figures of the external sets."""
    out = {}
    for block in recipe.external:
        index = pictures.find(block, data)
        films = pictures.load_external(index, block, recipe.data.classes, recipe.store)
        scored = _scored(network, films)
        out[block.name] = score.figures(tuned.chances(scored.logits), films.labels, tuned.threshold)
    return out
