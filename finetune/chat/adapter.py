"""An adapter's folder: peft's two files and a card that says what it is and sits on.

Written aside and moved into place whole, so that a reader finds the old adapter or the new one.
Knows nothing of training.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval import files

if TYPE_CHECKING:
    from torch import Tensor

    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.model import Parts

WEIGHTS, CARD = "adapter_model.safetensors", "card.json"


def save(
    parts: Parts,
    recipe: ChatRecipe,
    tensors: Mapping[str, Tensor],
    card: Mapping[str, Any],
    out: Path,
) -> None:
    """Write the adapter's folder `out` on the main process, in place of one that stands there.

    Args:
        parts: the model that was trained.
        recipe: what it was told.
        tensors: the trained tensors by the model's names, on the CPU.
        card: `training_data`, `results` and `training`.
        out: the folder.
    """
    from accelerate import PartialState
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    place = PartialState()
    if place.is_main_process:
        config = copy(parts.model.peft_config["default"])
        config.inference_mode = True
        config.base_model_name_or_path = _base(recipe)
        kept = get_peft_model_state_dict(parts.model, state_dict=dict(tensors))
        with replaced(out) as folder:
            flat = {name: tensor.contiguous().clone() for name, tensor in kept.items()}
            save_file(flat, folder / WEIGHTS, metadata={"format": "pt"})
            config.save_pretrained(folder)
            files.write_json(folder / CARD, _card(parts, recipe, card, folder / WEIGHTS))
    place.wait_for_everyone()


def _card(
    parts: Parts, recipe: ChatRecipe, card: Mapping[str, Any], weights: Path
) -> dict[str, Any]:
    config = parts.model.peft_config["default"]
    told = json.loads(recipe.model_dump_json())
    told["base"] = _name(recipe.base)
    for side in ("train", "validation"):
        told["data"][side] = Path(told["data"][side]).name if told["data"][side] else None
    return {
        "name": recipe.name,
        "task": recipe.task,
        "base": {"name": told["base"], "sha256": parts.digest},
        "lora": {
            "method": recipe.method,
            "r": recipe.rank,
            "alpha": recipe.alpha,
            "target_modules": sorted(config.target_modules),
        },
        **card,
        "recipe": told,
        "sha256": files.sha256(weights),
    }


def _base(recipe: ChatRecipe) -> str:
    """Return where the base is, for merging later on this machine."""
    folder = Path(recipe.base).expanduser()
    return str(folder.resolve()) if folder.is_dir() else recipe.base


def _name(base: str) -> str:
    """Return a base's name without the path of one machine."""
    folder = Path(base).expanduser()
    return folder.resolve().name if folder.is_dir() else base


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` on success; else `target` stays."""
    fresh = target.with_name(f".{target.name}.new")
    old = target.with_name(f".{target.name}.old")
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    with files.atomic_folder(fresh) as folder:
        yield folder
    if target.exists():
        target.replace(old)
    fresh.replace(target)
    target.chmod(0o755)
    for path in target.iterdir():
        path.chmod(0o644)
    files.sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)
