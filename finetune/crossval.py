"""Cross-validate an adapter: `python -m finetune.crossval retrieval|support|verdict`.

The classifiers `support` and `verdict` are in `finetune._crossval_classes`; this is the query adapter.
Queries that share a relevant document stay in one fold. An adapter is trained on the other folds'
queries, and the fold's own queries are then searched over the whole collection, with and without it.
Every fold's figures are written as they come, so that an interrupted run goes on. Knows nothing of
the official test queries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval import files
from retrieval.errors import AuscultError, ConfigError

if TYPE_CHECKING:
    from finetune._encoder_recipe import Recipe
    from retrieval.encoder import Encoder
    from retrieval.search import Mode, Searcher

MODES: tuple[Mode, ...] = ("dense", "lexical", "fused")
RESAMPLES = 2000
FOLDS = {"retrieval": 3, "support": 5, "verdict": 10}
log = logging.getLogger(__name__)


def folds(data: Path, kind: str, count: int) -> dict[str, int]:
    """Return each training query's fold, in [0, count); the same on every machine."""
    from finetune import _encoder_embed_queries as asking
    from finetune import _encoder_pairs as pairs

    part = pairs.components((key, docs) for key, (_, docs) in asking.queries(data, kind).items())
    return {
        key: int(hashlib.sha256(f"fold {name}".encode()).hexdigest()[:8], 16) % count
        for key, name in part.items()
    }


def fold_recipe(recipe: Recipe, data: Path, fold: int, count: int) -> Recipe:
    """Return the recipe without the fold's queries."""
    from finetune import _encoder_embed_queries as asking

    without = sorted(
        key for kind in asking.KINDS for key, own in folds(data, kind, count).items() if own == fold
    )
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-fold{fold}of{count}",
            "options": {**recipe.options, "without": without},
        }
    )


def measure(
    searcher: Searcher, queries: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[str, dict[str, float]]:
    """Return each query's nDCG@10 in every mode, and recall@100 of the fused search."""
    out = {}
    for key, (query, relevant) in queries.items():
        row: dict[str, float] = {}
        for mode in MODES:
            hits = searcher.search(query, k=200, mode=mode, diverse=0)
            ranked = list(dict.fromkeys(h.passage.document for h in hits))[:100]
            row[mode] = ndcg(ranked, set(relevant))
            if mode == "fused":
                row["recall@100"] = len(set(ranked) & set(relevant)) / len(set(relevant))
        out[key] = row
    return out


def ndcg(ranked: Sequence[str], relevant: set[str], k: int = 10) -> float:
    """Return nDCG@k for equal gains (Järvelin & Kekäläinen 2002), in [0, 1]."""
    gains = [1.0 / np.log2(place + 2) for place in range(k)]
    found = sum(gain for gain, document in zip(gains, ranked, strict=False) if document in relevant)
    return float(found / sum(gains[: len(relevant)]))


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Return the mean with its 95% bootstrap interval over queries."""
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(len(array), size=(RESAMPLES, len(array)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def retrieval(recipe: Recipe, data: Path, run: Path, count: int) -> dict[str, Any]:
    """Train and measure every fold that is not yet there; return the figures by collection.

    Raises:
        InputError: if a data file is missing or damaged.
        ModelError: if the base can't be loaded.
    """
    from finetune import _encoder_embed_queries as asking
    from finetune import encoder as trainer
    from retrieval.encoder import Encoder

    base = Encoder.load(recipe.encoder)
    rows: dict[str, dict[str, dict[str, dict[str, float]]]] = {kind: {} for kind in asking.KINDS}
    for fold in range(count):
        spec = fold_recipe(recipe, data, fold, count)
        adapter = run / "adapters" / spec.name
        if not (adapter / "card.json").is_file():
            trainer.train(spec, data, adapter, run)
        tuned = Encoder.load(recipe.encoder, adapter=str(adapter))
        for kind in asking.KINDS:
            path = run / "crossval" / f"{spec.name}-{kind}.json"
            if not path.is_file():
                files.write_json(path, _fold(base, tuned, data, run, kind, fold, count))
            for name, found in json.loads(path.read_text(encoding="utf-8")).items():
                rows.setdefault(kind, {}).setdefault(name, {}).update(found)
    return {kind: _summary(found) for kind, found in rows.items()}


def _fold(
    base: Encoder, tuned: Encoder, data: Path, run: Path, kind: str, fold: int, count: int
) -> dict[str, dict[str, dict[str, float]]]:
    from finetune import _encoder_embed_queries as asking
    from finetune import _encoder_rerank as rerank

    own = {key for key, number in folds(data, kind, count).items() if number == fold}
    asked = {key: value for key, value in asking.queries(data, kind).items() if key in own}
    before = rerank.searcher(base, data, run, f"{kind}-train")
    after = replace(before, encoder=tuned)
    return {"base": measure(before, asked), "embed": measure(after, asked)}


def _summary(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    out: dict[str, Any] = {"queries": len(found["embed"])}
    for name, rows in found.items():
        keys = next(iter(rows.values()))
        out[name] = {key: interval([row[key] for row in rows.values()]) for key in keys}
    gain = [found["embed"][key]["fused"] - found["base"][key]["fused"] for key in found["embed"]]
    return {**out, "gain of fused": interval(gain)}


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

    named = options.recipe or ("embed" if options.what == "retrieval" else options.what)
    recipe = _encoder_recipe.load(named)
    if options.data is None and "AUSCULT_DATA" not in os.environ:
        raise ConfigError("There is no data folder: give --data, or set AUSCULT_DATA.")
    data = options.data or Path(os.environ["AUSCULT_DATA"])
    if options.what == "retrieval":
        figures = retrieval(recipe, data, options.run, options.folds or FOLDS["retrieval"])
    else:
        if recipe.task != options.what:
            raise ConfigError(f"{named!r} is a recipe for {recipe.task!r}, not {options.what!r}.")
        from finetune import _crossval_classes

        count = options.folds or FOLDS[options.what]
        figures = _crossval_classes.run(recipe, data, options.run, count)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune.crossval", description=__doc__)
    parser.add_argument("what", choices=sorted(FOLDS), help="what is cross-validated")
    parser.add_argument("--recipe", help="recipe by name, or a YAML file")
    parser.add_argument("--data", type=Path, help="data folder; by default AUSCULT_DATA")
    parser.add_argument("--run", type=Path, default=Path("runs"), help="checkpoints and caches")
    parser.add_argument("--folds", type=int, help="how many folds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
