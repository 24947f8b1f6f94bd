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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import AuscultError, ConfigError

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe
    from finetune._encoder_train import Report


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    run: Path,
    report: Report | None = None,
) -> dict[str, Any]:
    """Train the recipe's adapter and write it with its card.

    Args:
        recipe: what to train.
        data: the data folder.
        out: the adapter's folder; its files are replaced atomically.
        run: folder of checkpoints and caches.
        report: called with (step, steps, running loss).

    Returns:
        The card's `results`.

    Raises:
        InputError: if a data file is missing or damaged.
        ModelError: if the base can't be loaded.
    """
    import torch

    from finetune import _encoder_embed, _encoder_entities, _encoder_model, _encoder_rerank
    from finetune import _encoder_train as training
    from retrieval import encoder as encoders

    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    encoder = encoders.Encoder.load(recipe.encoder)
    part: Any = {
        "rerank": _encoder_rerank, "entities": _encoder_entities, "embed": _encoder_embed
    }[recipe.task]  # fmt: skip
    task = part.build(recipe, encoder, data, run)
    model = _encoder_model.AdapterModel(encoder, recipe, part.head(recipe, encoder))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    started = time.monotonic()
    state = training.train(model, task, recipe, run / recipe.name, report)
    minutes = (time.monotonic() - started) / 60
    model.eval()
    with torch.inference_mode():
        card = part.card(model, task, recipe)
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

    recipe = _encoder_recipe.load(options.recipe, _changes(options.set))
    if options.data is None and "AUSCULT_DATA" not in os.environ:
        raise ConfigError("There is no data folder: give --data, or set AUSCULT_DATA.")
    data = options.data or Path(os.environ["AUSCULT_DATA"])
    out = options.out or options.run / "adapters" / recipe.name
    if sys.stderr.isatty():
        from rich.progress import Progress

        with Progress() as bar:
            line = bar.add_task(recipe.name, total=None)
            results = train(
                recipe, data, out, options.run,
                lambda step, steps, loss: bar.update(
                    line, completed=step, total=steps, description=f"{recipe.name} loss {loss:.3f}"
                ),
            )  # fmt: skip
    else:
        results = train(recipe, data, out, options.run)
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
        "recipe", help="name of a shipped recipe (embed, rerank, entities) or a YAML file"
    )
    parser.add_argument("--data", type=Path, help="data folder; by default AUSCULT_DATA")
    parser.add_argument(
        "--out", type=Path, help="folder for the adapter and its card; by default under --run"
    )
    parser.add_argument("--run", type=Path, default=Path("runs"), help="checkpoints and caches")
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
