"""How much memory a training will take, part by part, before anything is loaded; and what it took.

The figures follow from the shapes in the base's config and from how `finetune.chat` and
`finetune.encoder` compute: which tensors a backward pass keeps, what is kept in 16 and what in 32
bits, what exists twice. Weights come from the headers of the safetensors files where there are
some. Counts one device; the interpreter and its libraries are left out. `watch` measures the same
of a run. Knows nothing of data beyond the lengths of its rows.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import _memory_chat as chat
from finetune import _memory_encoder as encoder
from finetune._encoder_recipe import Recipe
from finetune._memory_types import Memory, Setting, Shape
from retrieval.errors import ModelError

if TYPE_CHECKING:
    from finetune.recipe import TextRecipe
    from finetune.validation import Lengths

__all__ = ["Memory", "Setting", "Shape", "estimate", "for_recipe", "table", "watch"]
_PARTS = {
    "weights": "the base's weights",
    "adapter": "LoRA's matrices and the head",
    "gradients": "their gradients",
    "optimiser": "AdamW's two moments of them",
    "copies": "merged or cast copies of weights, and the best step's adapter",
    "activations": "what the forward pass keeps for the backward pass",
    "logits": "scores over the vocabulary and their gradient",
    "workspace": "what comes and goes within a layer",
}


def estimate(
    config: Mapping[str, Any],
    recipe: TextRecipe,
    setting: Setting | None = None,
    shape: Shape | None = None,
) -> Memory:
    """Return the memory that a training takes at its peak, on one device.

    Args:
        config: the base's config.json.
        recipe: what is trained.
        setting: devices, precision, and shapes of the weights; by default this machine's.
        shape: the largest batch; by default as many full samples as a batch holds, half of the
            tokens learned.

    Raises:
        ModelError: if the config lacks a size.
    """
    known = setting or here(recipe)
    try:
        if isinstance(recipe, Recipe):
            return encoder.estimate(config, recipe, known, shape)
        return chat.estimate(config, recipe, known, shape)
    except KeyError as error:
        raise ModelError(
            f"The base's config.json has no {error}, so its memory can't be told."
        ) from None


def for_recipe(recipe: TextRecipe, lengths: Lengths | None = None) -> Memory:
    """Return the estimate for a recipe whose base lies on this machine, by its rows' lengths.

    Raises:
        ModelError: if the base isn't here, or its config can't be read.
    """
    folder = _folder(recipe)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no readable config.json: name a model's folder.") from error
    found = shapes(folder)
    setting = here(recipe, found or None)
    shape = None
    if lengths is not None and lengths.tokens and not isinstance(recipe, Recipe):
        shape = chat.heaviest(recipe, lengths, setting.devices)
    return estimate(config, recipe, setting, shape)


def here(recipe: TextRecipe, weights: Mapping[str, tuple[int, ...]] | None = None) -> Setting:
    """Return what this machine, and accelerate's environment, give a training."""
    import torch

    cuda = torch.cuda.is_available()
    bf16 = cuda
    if not isinstance(recipe, Recipe):
        from finetune.chat import model

        bf16 = model.use_bf16(recipe.precision)
    elif not cuda:
        from retrieval import encoder as encoders

        bf16 = encoders._has_bf16()
    return Setting(
        devices=max(1, int(os.environ.get("WORLD_SIZE", "1") or 1)),
        sharded=os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true",
        cuda=cuda,
        bf16=bf16,
        weights=weights,
    )


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's tensors by name, from its safetensors files' headers."""
    out: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with suppress(OSError, ValueError, KeyError, struct.error):
            with path.open("rb") as stream:
                (size,) = struct.unpack("<Q", stream.read(8))
                header = json.loads(stream.read(min(size, 100 << 20)))
            header.pop("__metadata__", None)
            out |= {name: tuple(entry["shape"]) for name, entry in header.items()}
    return out


def _folder(recipe: Any) -> Path:
    if not isinstance(recipe, Recipe):
        from assistant.models import _chat_files

        return Path(_chat_files.locate(recipe.base))
    from retrieval.encoder import locate

    return locate(recipe.encoder)


def table(memory: Memory) -> str:
    """Return an estimate as plain text, with what it assumes."""
    lines = [
        f"{name:<12}{_mib(size):>10}  {_PARTS[name]}" for name, size in memory.parts.items() if size
    ]
    each = f" on each of {memory.devices} devices" if memory.devices > 1 else ""
    lines.append(f"{'peak':<12}{_mib(memory.total):>10}  on the {memory.device}{each}")
    lines += [f"assumes: {said}" for said in memory.assumes]
    if memory.device == "CPU":
        lines.append(
            "note: these are the tensors; on a CPU the allocator and the matrix library keep blocks "
            "that were freed, so a process can hold twice as much"
        )
    return "\n".join(lines) + "\n"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB" if size < 10 << 30 else f"{size / (1 << 30):,.1f} GiB"


@dataclass
class Watched:
    """What a run took; filled in when the block ends.

    Attributes:
        peak: bytes above what was held when the block began; None where it can't be told.
    """

    peak: int | None = field(default=None)


@contextmanager
def watch() -> Iterator[Watched]:
    """Measure the peak of the device's memory within a block, on CUDA or else of this process."""
    import torch

    watched = Watched()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            yield watched
        finally:
            watched.peak = torch.cuda.max_memory_allocated() - before
        return
    with suppress(OSError):
        # Sets the high-water mark back to what is held now (Linux, proc(5)).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    held = _status("VmRSS")
    try:
        yield watched
    finally:
        high = _status("VmHWM")
        watched.peak = high - held if high is not None and held is not None else None


def _status(key: str) -> int | None:
    """Return a size of this process in bytes, None where the system doesn't say."""
    with suppress(OSError):
        found = re.search(
            rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE
        )
        return int(found[1]) << 10 if found else None
    return None
