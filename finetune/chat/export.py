"""An adapter and its base become one model: a folder of safetensors that any server loads.

The base is found by the adapter's configuration and checked by its digest. Weights of 8 or 4 bits
are bitsandbytes', which needs CUDA. Knows nothing of training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assistant.errors import ConfigError, InputError, ModelError
from assistant.models import _chat_files
from retrieval import files

BITS = (16, 8, 4)


def merge(adapter: Path, out: Path, bits: int = 16) -> dict[str, Any]:
    """Write base and adapter as one model into `out` and return its card.

    Args:
        adapter: folder of a chat adapter.
        out: folder to write, which must not exist.
        bits: 16 (bfloat16), or 8 or 4 (bitsandbytes).

    Raises:
        ConfigError: if the bits can't be had here.
        InputError: if `out` exists.
        ModelError: if the adapter or its base is missing, damaged, or they don't belong together.
    """
    from finetune.chat import model as models

    if bits not in BITS:
        raise ConfigError(f"A merged model has 16, 8 or 4 bits a weight, not {bits}.")
    if out.exists():
        raise InputError(f"{out} exists already: name a new folder.")
    if bits < 16:
        models.needs_bits(bits)
    base = _base_of(adapter)
    _chat_files.check_base(base)
    found = _chat_files.check_adapter(adapter, _chat_files.base_digest(base))
    merged = _merged(base, adapter)
    tokenizer = models.tokenizer(str(base))
    with files.atomic_folder(out) as folder:
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if bits < 16:
            del merged
            _quantize(folder, bits)
        card = _card(found, folder, bits)
        files.write_json(folder / _chat_files.CARD, card)
    return card


def _base_of(adapter: Path) -> Path:
    try:
        config = json.loads((adapter / _chat_files.ADAPTER_CONFIG).read_text(encoding="utf-8"))
        named = config["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{adapter} is no chat adapter: it has no readable {_chat_files.ADAPTER_CONFIG} that "
            "names its base."
        ) from error
    return _chat_files.locate(str(named))


def _merged(base: Path, adapter: Path) -> Any:
    import torch
    from peft import PeftModel

    from finetune.chat import model as models

    # Added in float32: a small delta would be rounded away in bfloat16 before the sum.
    model = models.causal(base, dtype=torch.float32)
    try:
        with models.quiet():
            tuned = PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(f"The adapter in {adapter} does not fit its base ({first}).") from error
    return tuned.merge_and_unload(safe_merge=True).to(torch.bfloat16)


def _quantize(folder: Path, bits: int) -> None:
    """Replace the weights of a folder by ones of 8 or 4 bits."""
    from finetune.chat import model as models

    small = models.causal(folder, quantization_config=models.quantized(bits))
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    small.save_pretrained(folder)


def _card(found: _chat_files.AdapterFiles, folder: Path, bits: int) -> dict[str, Any]:
    kept: dict[str, Any] = {
        key: found.card[key]
        for key in ("training_data", "results", "training", "licence", "versions")
        if key in found.card
    }
    return {
        "name": f"{found.name}-merged",
        "task": found.task,
        "bits": bits,
        "merged_from": {
            "base": found.card["base"],
            "adapter": {"name": found.name, "sha256": found.digest},
        },
        **kept,
        "files": {path.name: files.sha256(path) for path in sorted(folder.glob("*.safetensors"))},
    }
