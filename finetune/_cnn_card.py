"""The card of a trained classifier: calibration, operating points, and what was measured.

Thresholds and calibration come from validation patients, results from held-out ones.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assistant.vision.classifier import Calibration
from assistant.vision.weights import CARD_FILE, MODEL_FILE
from finetune import _cnn_data as data
from finetune import _cnn_measure as measure
from finetune._cnn_train import Plan
from retrieval.files import atomic_path, sha256, write_json

log = logging.getLogger(__name__)

VERSION = "1.0"
TRAINED_ON = {
    "name": "Kermany, Zhang, Goldbaum 2018, chest X-ray images, training part",
    "doi": "10.17632/rscbjbr9sj",
    "licence": "CC BY 4.0",
    "population": "children of 1 to 5 years, one hospital in Guangzhou",
}
EXTERNAL = "NIH films, adults, text-mined labels"
LIMITS = [
    "Research use only; not a diagnosis.",
    "Trained on children of 1 to 5 years in one hospital; ranking of adults' films is unreliable.",
    "Says pneumonia or not; no other disease, no device, no position of a finding is judged.",
    "Frontal films only; the gate was given no lateral films to learn from.",
]


def write(
    network: torch.nn.Module,
    plan: Plan,
    parts: dict[str, data.Films],
    out: Path,
    external: data.Films | None = None,
) -> dict[str, Any]:
    """Calibrate and measure a trained network, and write its weights and card to `out`; return it.

    Args:
        network: in evaluation mode.
        plan: what it was trained by.
        parts: films of the sides "train", "validation" and "hold-out".
        out: folder for weights and card.
        external: films of another hospital, for ranking only.
    """
    write_weights(network, out / MODEL_FILE)
    scorer = measure.mirrored(network)
    tuned = measure.pool(measure.score_all(scorer, parts["validation"]))
    calibration = measure.calibrate(tuned)
    points = measure.choose_points(calibration(tuned.logits), tuned.labels)
    held = measure.score_all(scorer, parts["hold-out"])
    results = _results(held, parts, calibration, points["balanced"])
    if external is not None:
        scored = measure.score(scorer, external)
        results[EXTERNAL] = measure.summary(scored, calibration, points["balanced"])
    for name, figures in results.items():
        log.info("%s: %s", name, figures)
    card = {
        "name": "auscult-pneumonia",
        "version": VERSION,
        "labels": ["normal", "pneumonia"],
        "architecture": {"kind": plan.network, "width": plan.width, "side": plan.side},
        "input": {
            "shape": [1, 224, 224],
            "range": [0, 1],
            "what": "grey film, dense is bright, squashed to a square; "
            "exposure is normalised inside the network",
        },
        "calibration": {
            "method": "Platt scaling of the mean logit of film and mirror image",
            "slope": calibration.slope,
            "offset": calibration.offset,
            "fitted_on": "validation patients, plain and stressed",
        },
        "operating_points": _points(held, calibration, points, len(parts["hold-out"])),
        "population": {
            "words": "chest films of children aged 1 to 5 from one hospital",
            "age_from_years": 1,
            "age_to_years": 5,
        },
        "training": {"data": TRAINED_ON, "films": len(parts["train"]), "plan": asdict(plan)},
        "results": results,
        "limits": LIMITS,
        "sha256": sha256(out / MODEL_FILE),
    }
    write_json(out / CARD_FILE, card)
    (out / CARD_FILE).chmod(0o644)
    return card


def write_weights(network: torch.nn.Module, path: Path) -> None:
    """Write a network's tensors as half-precision safetensors, and give it those very values."""
    from safetensors.torch import save_file

    state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file({k: v.contiguous() for k, v in state.items()}, temporary)
    path.chmod(0o644)
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    )


def _results(
    held: dict[str, measure.Scored],
    parts: dict[str, data.Films],
    calibration: Calibration,
    threshold: float,
) -> dict[str, Any]:
    plain = held["plain"]
    results = {"hold-out": measure.summary(plain, calibration, threshold)}
    hard = measure.misleading(parts["train"], parts["hold-out"])
    if len(np.unique(plain.labels[hard])) == 2:
        subset = measure.Scored(plain.logits[hard], plain.labels[hard])
        results["hold-out, misleading nuisances"] = measure.summary(subset, calibration, threshold)
    for name, scored in held.items():
        if name != "plain":
            results[f"hold-out, {name}"] = measure.summary(scored, calibration, threshold)
    return results


def _points(
    held: dict[str, measure.Scored], calibration: Calibration, points: dict[str, float], films: int
) -> list[dict[str, Any]]:
    pooled = measure.pool(held)
    chances = calibration(pooled.logits)
    words = (
        f"{films} films of held-out patients, as they are and in {len(held) - 1} stressed copies; "
        "threshold chosen on other patients"
    )
    found = []
    for name, threshold in points.items():
        sensitivity, specificity = measure.rates(chances, pooled.labels, threshold)
        found.append(
            {
                "name": name,
                "threshold": threshold,
                "sensitivity": round(sensitivity, 4),
                "specificity": round(specificity, 4),
                "measured_on": words,
            }
        )
    return found
