"""Train, calibrate and measure the pneumonia classifier and its input gate.

`python -m finetune.cnn --data DIR --out DIR` reads `DIR/kermany_index.csv` (columns file, label,
patient_id; optionally dup_group, orig_width, orig_height), splits it by patient, trains, chooses
temperature and thresholds on validation patients, measures on held-out ones, and writes
`OUT/model.safetensors` and `OUT/card.json`. A run that was broken off continues where it stood.
Thresholds are never chosen on the films that the card's results are measured on.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from assistant.errors import InputError
from assistant.vision import weights
from finetune import _cnn_card as card
from finetune import _cnn_data as data
from finetune import _cnn_gate as gate
from finetune import _cnn_negatives as negatives
from finetune._cnn_train import Plan, fit

log = logging.getLogger("finetune.cnn")

INDEX = "kermany_index.csv"


def train(
    index: Path,
    out: Path,
    plan: Plan,
    limit: int = 0,
    max_steps: int = 0,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train a classifier on the films of `index` and write its weights and card to `out`.

    Args:
        index: CSV of labelled films.
        out: folder for checkpoint, weights and card.
        plan: network, schedule and seed.
        limit: use this many films only; 0 uses all.
        max_steps: stop training after this many steps; 0 does all epochs.
        start: folder of a model of the same shape to train on from; None starts afresh.

    Returns:
        The card.

    Raises:
        InputError: if the index can't be used or leaves a side of the split without a class.
    """
    films = data.load(index, limit)
    sides = data.split(films)
    parts = {name: films.take(mask) for name, mask in sides.items()}
    for name, part in parts.items():
        if len(np.unique(part.labels)) < 2:
            raise InputError(
                f"The {name} side of {index} lacks a class ({len(part)} films): give more films."
            )
    log.info("films: %s", {name: len(part) for name, part in parts.items()})
    out.mkdir(parents=True, exist_ok=True)
    tensors = None
    if start is not None:
        first = weights.load(start)
        plan, tensors = replace(plan, start=str(first.card["sha256"])), first.tensors
    network = fit(parts["train"], plan, out / "checkpoint.safetensors", max_steps, tensors)
    elsewhere = index.parent / "external_nih_index.csv"
    external = data.load(elsewhere, label="label_nih") if elsewhere.is_file() else None
    return card.write(network, plan, parts, out, external)


def train_gate(
    index: Path, images: Path, out: Path, steps: int = 700, limit: int = 0
) -> dict[str, Any]:
    """Train the input gate's network and write its weights and card to `out`.

    Args:
        index: CSV of chest films.
        images: folder with breast_us_index.csv and ood/photo; without them drawn pictures serve.
        out: folder for weights and card.
        steps: training steps.
        limit: use this many chest films only; 0 uses all.
    """
    films = data.load(index, limit)
    sides = data.split(films)
    others = negatives.from_files(gate.other_pictures(images, held_out=False))
    network = gate.fit(films.take(sides["train"]), others, steps)
    return gate.assess(network, {k: films.take(v) for k, v in sides.items()}, images, out)


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m finetune.cnn", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder that holds {INDEX}")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and card")
    parser.add_argument("--what", choices=("pneumonia", "baseline", "gate"), default="pneumonia")
    parser.add_argument("--limit", type=int, default=0, help="use this many films only")
    parser.add_argument("--epochs", type=int, default=0, help="passes over the films")
    parser.add_argument("--rate", type=float, default=0.0, help="the highest learning rate")
    parser.add_argument("--start", type=Path, help="folder of a model to train on from")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves it to torch")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    index = options.data / INDEX
    if options.what == "gate":
        train_gate(index, options.data, options.out, limit=options.limit)
        return
    plan = Plan(seed=options.seed, threads=options.threads)
    if options.what == "baseline":
        plan = replace(plan, network="baseline", epochs=6, rate=1e-3)
    if options.epochs:
        plan = replace(plan, epochs=options.epochs)
    if options.rate:
        plan = replace(plan, rate=options.rate)
    train(index, options.out, plan, options.limit, start=options.start)


if __name__ == "__main__":
    main()
