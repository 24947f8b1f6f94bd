"""The first stage of `support` and `verdict`: one comparer of claims with texts, trained once.

Its weights are kept in the run's folder under a digest of its recipe; both tasks, and every fold of a
cross-validation, read their pairs with them. With data of one's own a task starts from a trained
adapter instead. Knows nothing of either task.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from finetune import _encoder_classes as classes
from finetune import _encoder_classes_sources as sources
from finetune._encoder_train import State
from retrieval import adapters, files
from retrieval.encoder import Encoder
from retrieval.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from finetune._encoder_model import AdapterModel
    from finetune._encoder_recipe import Recipe

TENSORS = "comparer.safetensors"
STATE = "state.json"
TRAINING_DATA = [
    {"name": "Evidence Inference 2.0 (training part)", "licence": "MIT"},
    {"name": "Abstracts of open trials (PubMed Central)", "licence": "CC BY, CC0; one CC BY-SA"},
    {"name": "SciFact's corpus, without the abstracts that claims cite", "licence": "ODC-By 1.0"},
    {"name": "BioASQ tasks 7B to 10B (answers and snippets)", "licence": "CC BY 2.5"},
    {
        "name": "The rerank adapter, where training starts: it has met SciFact's claims and PubMedQA's "
        "questions as searches, never with these labels",
        "licence": "see its card",
    },
]


def recipe_of(recipe: Recipe) -> Recipe:
    """Return the first stage's recipe: the task's own with what its options say under "first".

    Raises:
        ConfigError: if a key under "first" is none of a recipe's.
    """
    changes = dict(recipe.options.get("first", {}))
    unknown = sorted(set(changes) - set(type(recipe).model_fields))
    if unknown:
        raise ConfigError(f"options.first has an unknown key {unknown[0]!r}: see --explain.")
    kept = {
        key: getattr(recipe, key)
        for key in ("encoder", "seed", "rank", "layers", "alpha", "dropout", "hidden", "threads")
    }
    return type(recipe)(**{"task": "support", "name": "comparer", **kept, **changes})


def trained(
    model: AdapterModel, recipe: Recipe, encoder: Encoder, data: Path, run: Path, report: Any = None
) -> tuple[State, float]:
    """Train the comparer in `model`, or read it where an earlier run left it.

    Args:
        model: fresh, of the task's recipe.
        recipe: the task's.
        encoder: the base.
        data: the data folder.
        run: folder of checkpoints, where the result is kept too.
        report: called after every step.

    Returns:
        How its training went, and the minutes it took; `model` holds its weights, and a last
        layer that sees no cues.
    """
    from finetune import _encoder_train as training
    from finetune import _fingerprint

    spec = recipe_of(recipe)
    digest = _fingerprint.of(spec.model_dump(mode="json", exclude={"name", "threads"}))[:12]
    folder = run / f"comparer-{digest}"
    kept = folder / "result"
    if not kept.is_dir():
        made = sources.examples(
            data, spec.seed, int(spec.options["sentences"]), sources.kept_back(data),
            spec.options["share"],
        )  # fmt: skip
        _begin(model, str(spec.options.get("start", "")))
        classes.freeze(model, int(spec.options.get("frozen", 0)))
        task = classes.Classes(encoder, spec, made, cued=False)
        started = time.monotonic()
        state = training.train(model, task, spec, folder / "run", report)
        minutes = round((time.monotonic() - started) / 60, 1)
        tensors = {k: v for k, v in model.trainable().items() if not k.startswith("head.skip.")}
        with files.atomic_folder(kept) as made_in:
            save_file({k: v.contiguous().clone() for k, v in tensors.items()}, made_in / TENSORS)
            (made_in / STATE).write_text(
                json.dumps({**asdict(state), "minutes": minutes}), encoding="utf-8"
            )
    try:
        raw = json.loads((kept / STATE).read_text(encoding="utf-8"))
        model.restore({**model.trainable(), **load_file(kept / TENSORS)})
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{kept} is damaged ({error}): remove it and train again.") from error
    model.forget_pass()
    minutes = float(raw.pop("minutes"))
    state = State(**{**raw, "history": tuple(tuple(entry) for entry in raw["history"])})
    return state, minutes


def _begin(model: AdapterModel, name: str) -> None:
    """Take over what fits of another task's adapter: one that reads pairs need not learn that anew.

    Raises:
        ConfigError: if its LoRA has another shape.
    """
    if not name:
        return
    own = model.trainable()
    given = load_file(adapters.locate(name) / "adapter_model.safetensors")
    fits = {k: t.float() for k, t in given.items() if k in own and own[k].shape == t.shape}
    if not any("lora_A" in key for key in fits):
        raise ConfigError(
            f"The adapter {name!r} has another rank or other blocks than the recipe: change "
            "rank, or leave options.first.options.start empty."
        )
    model.restore({**own, **fits})


def shipped(model: AdapterModel, recipe: Recipe, name: str) -> None:
    """Start from a trained adapter of the same task and shape.

    Raises:
        ModelError: if it is missing, or of another rank, blocks or head.
    """
    folder = adapters.locate(name)
    try:
        model.restore(load_file(folder / "adapter_model.safetensors"))
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"The adapter in {folder} has another shape than the recipe {recipe.name!r}: give its "
            "rank, layers and hidden, or another options.start."
        ) from error
    model.forget_pass()
