"""Train a LoRA adapter on the text encoder: `python -m finetune.encoder rerank`.

A recipe (shipped by name, or a YAML file) says what; the data folder gives the texts; the adapter
and its card go to `--out`. An interrupted run goes on where its last checkpoint stands. Runs on a
CPU in half an hour. Knows nothing of serving.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import AuscultError, ConfigError

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe
    from finetune.progress import Report


def train(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    run: Path,
    report: Report | None = None,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train the recipe's adapter and write it with its card.

    Args:
        recipe: what to train.
        data: the data folder; None only where the recipe's `data` names files.
        out: the adapter's folder; its files are replaced atomically.
        run: folder of checkpoints and caches.
        report: called after every step.
        fresh: remove the run's checkpoints and begin anew.

    Returns:
        The card's `results`.

    Raises:
        InputError: if a data file is missing or damaged.
        ModelError: if the base can't be loaded.
        TrainingError: if the loss is not finite, or checkpoints can't be written or taken up.
    """
    import torch

    from finetune import (
        _encoder_embed,
        _encoder_entities,
        _encoder_model,
        _encoder_rerank,
        _encoder_support,
        _encoder_verdict,
    )
    from finetune import _encoder_own as own
    from finetune import _encoder_train as training
    from retrieval import encoder as encoders

    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    encoder = encoders.Encoder.load(recipe.encoder)
    part: Any = {
        "rerank": _encoder_rerank, "entities": _encoder_entities, "embed": _encoder_embed,
        "support": _encoder_support, "verdict": _encoder_verdict,
    }[recipe.task]  # fmt: skip
    mine = recipe.data is not None and recipe.task in own.TASKS
    task = own.build(recipe, encoder, data) if mine else part.build(recipe, encoder, data, run)
    model = _encoder_model.AdapterModel(encoder, recipe, part.head(recipe, encoder))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    started = time.monotonic()
    if hasattr(part, "fit"):
        state = part.fit(model, task, recipe, data, run, report, fresh=fresh)
    else:
        state = training.train(model, task, recipe, run / recipe.name, report, fresh=fresh)
    minutes = (time.monotonic() - started) / 60
    model.eval()
    with torch.inference_mode():
        card = part.card(model, task, recipe)
    if mine:
        own.describe(card, recipe, data)
    card["training"] = {
        "steps": state.step,
        "best_step": state.best_step,
        "minutes": round(minutes, 1),
        "history": [list(entry) for entry in state.history],
    }
    _encoder_model.save(model, recipe, card, out)
    return dict(card["results"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        return _run(options)
    except AuscultError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    from finetune import _encoder_recipe
    from finetune.progress import bar

    recipe = _encoder_recipe.load(options.recipe, _changes(options.set))
    if options.data is None and "AUSCULT_DATA" not in os.environ:
        raise ConfigError("There is no data folder: give --data, or set AUSCULT_DATA.")
    data = options.data or Path(os.environ["AUSCULT_DATA"])
    out = options.out or options.run / "adapters" / recipe.name
    with bar(recipe.name) if sys.stderr.isatty() else nullcontext() as report:
        results = train(recipe, data, out, options.run, report, fresh=options.fresh)
    sys.stderr.write(f"{recipe.name} is in {out}: {results}\n")
    return 0


def _changes(pairs: list[str]) -> dict[str, Any]:
    import yaml

    out = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair!r} has no '=': write --set key=value.")
        out[key] = yaml.safe_load(value)
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune.encoder", description=__doc__)
    parser.add_argument(
        "recipe",
        help="name of a shipped recipe (embed, rerank, entities, support, verdict) or a YAML file",
    )
    parser.add_argument("--data", type=Path, help="data folder; by default AUSCULT_DATA")
    parser.add_argument(
        "--out", type=Path, help="folder for the adapter and its card; by default under --run"
    )
    parser.add_argument("--run", type=Path, default=Path("runs"), help="checkpoints and caches")
    parser.add_argument("--fresh", action="store_true", help="begin anew: remove the checkpoints")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace one value of the recipe; may be repeated",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
