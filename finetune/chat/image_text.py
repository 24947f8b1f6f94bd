"""Instructions with images: LoRA on a model that reads pictures and text.

Rows are those of any format of messages, with one more column: `image` or `images`, names of PNG
or JPEG files beside or below the data file. The pictures stand before the words of the first
question, as they do where they are served, and are decoded by the very code that decodes uploads.
By default the language part alone learns; `options: {parts: all}` adapts the layers that see as
well. Needs no torchvision where the base's image processor has a Pillow form. Knows nothing of what
a picture shows.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import ConfigError, InputError, ModelError
from assistant.models import _chat_files
from finetune.chat import batches, images, model, render
from finetune.chat.images import Shown
from finetune.chat.instruct import Instruct
from finetune.chat.model import Parts
from finetune.chat.session import Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from finetune._chat_recipe import ChatRecipe
    from finetune.chat.batches import Micro

log = logging.getLogger(__name__)


class Options(BaseModel):
    """What a recipe's `options` may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: Literal["language", "all"] = Field(
        "language", description="Which layers get an adapter: the language part's, or all."
    )
    max_pixels: int = Field(
        40_000_000, ge=1, description="Pixels of a picture at most; larger ones are refused."
    )


class Look(Instruct):
    """The task of the loop: foretell the assistant's tokens from text and pictures."""

    def __init__(
        self, parts: Parts, recipe: ChatRecipe, train: Sequence[Shown], held: Sequence[Shown]
    ) -> None:
        """Put the loss in place, as `Instruct` does; the pictures' digests count as data."""
        from finetune import _fingerprint
        from retrieval import files

        super().__init__(parts, recipe, train, held)
        self.parts = parts
        self.most_pixels = options(recipe).max_pixels
        paths = dict.fromkeys(path for s in (*train, *held) for path in s.images)
        seen = {path: files.sha256(path) for path in paths}
        told = [[seen[path] for path in s.images] for s in (*train, *held)]
        self._made_of |= {"images": _fingerprint.of(told)}

    def figures(self, loss: float) -> dict[str, float]:
        """Return the perplexity that belongs to the least validation loss."""
        return {"validation_perplexity": math.exp(min(loss, 700.0))}

    def loss(self, model: Any, micro: Micro) -> Tensor:
        """Return the summed cross-entropy of a micro-batch; of the held samples outside training."""
        source = self.train if model.training else self.held
        chosen = [cast("Shown", source[i]) for i in micro.items]
        batch = batches.collate(chosen, self.device)
        made = images.read(self.parts.tokenizer, chosen, self.most_pixels)
        ids = made.pop("input_ids").to(self.device)
        if ids.shape != batch.ids.shape:
            raise ModelError(
                "The base's processor gives a picture another number of tokens from one call to "
                "the next: it can't be trained on."
            )
        dtype = self.parts.model.dtype
        more = {
            name: value.to(self.device, dtype if value.is_floating_point() else value.dtype)
            for name, value in made.items()
        }
        return self.scorer.loss(model, replace(batch, ids=ids), **more)


def options(recipe: ChatRecipe) -> Options:
    """Return a recipe's options.

    Raises:
        ConfigError: if one is unknown or wrong, or the samples are to be packed.
    """
    if recipe.packing:
        raise ConfigError("Samples with pictures can't be packed: set packing to false.")
    try:
        return Options(**recipe.options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Options.model_fields)
        raise ConfigError(f"options.{key}: {first['msg']}; image_chat takes {known}.") from None


def prepare(recipe: ChatRecipe, data: Path | None) -> Prepared:
    """Return a tuning with pictures that is ready to begin.

    Raises:
        InputError: if the data can't be used.
        ModelError: if the base can't be used.
        ConfigError: if an option is wrong.
    """
    from finetune.chat import data as sources

    chosen = options(recipe)
    path = sources.locate(recipe.data.train, data)
    own = images.named(path)
    other = recipe.data.validation
    held = images.named(sources.locate(other, data)) if other is not None else own
    dataset = sources.load(recipe.data, data)
    known = processor(recipe.base)
    sides, counts = [], []
    for name, side, shown in (
        ("train", dataset.train, own), ("validation", dataset.validation, held)
    ):  # fmt: skip
        made, count = images.samples(known, side, shown, recipe.max_tokens, chosen.max_pixels)
        log.info("%s: %s", name, count.said())
        if not made:
            raise InputError(
                f"No sample of the {name} data is left to learn from: raise max_tokens, or check "
                f"data.{name}."
            )
        sides.append(made)
        counts.append(count)
    parts = load(recipe, known)
    return Prepared(parts, Look(parts, recipe, *sides), dataset, (counts[0], counts[1]))


def processor(base: str) -> Any:
    """Return the processor of a base, which pads at the end.

    Raises:
        ModelError: if there is none, or it can't be trained with.
    """
    from transformers import AutoProcessor

    folder = _chat_files.locate(base)
    try:
        found = AutoProcessor.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(f"The image processor in {folder} can't be loaded ({first}).") from error
    if not hasattr(found, "tokenizer") or not hasattr(found, "image_processor"):
        raise ModelError(f"{folder} is no model that reads pictures: set task to chat.")
    found.tokenizer.chat_template = found.chat_template or found.tokenizer.chat_template
    found.tokenizer.padding_side = "right"
    render.check_tokenizer(found.tokenizer)
    return found


def load(recipe: ChatRecipe, known: Any) -> Parts:
    """Return a recipe's base with a fresh adapter, seeded; `known` is its processor.

    Raises:
        ModelError: if the base can't be used.
        ConfigError: if the recipe asks for what this machine lacks.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    model.check(recipe)
    folder = _chat_files.locate(recipe.base)
    _chat_files.check_base(folder)
    bf16 = model.use_bf16(recipe.precision)
    more: dict[str, Any] = {"dtype": torch.bfloat16 if bf16 else torch.float32}
    if recipe.method == "qlora":
        more["quantization_config"] = model.quantized(4)
        more["device_map"] = {"": torch.cuda.current_device()}
    try:
        base = AutoModelForImageTextToText.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, **more
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(
            f"The model in {folder} can't be loaded as one that reads pictures ({first})."
        ) from error
    base.config.use_cache = False
    torch.manual_seed(recipe.seed)
    adapted = _with_adapter(recipe, base, bf16=bf16)
    if recipe.gradient_checkpointing:
        model.save_activations(adapted)
    return Parts(adapted, known, folder, _chat_files.base_digest(folder), bf16)


def _with_adapter(recipe: ChatRecipe, base: Any, *, bf16: bool) -> Any:
    """Return the base with its adapter, on the language part alone unless all is asked for."""
    if options(recipe).parts == "all":
        return model.with_adapter(recipe, base, bf16=bf16)
    prefix, names = language(base)
    targets = names if recipe.target_modules == "all-linear" else None
    return model.with_adapter(
        recipe, base, bf16=bf16, targets=targets, outside=rf"(?!{re.escape(prefix)}\.).*"
    )


def language(base: Any) -> tuple[str, list[str]]:
    """Return where a model's language part stands, and the names of its linear layers.

    Raises:
        ModelError: if it can't be told from the part that sees.
    """
    from torch import nn

    part = base.get_decoder()
    prefix = next((name for name, module in base.named_modules() if module is part), "")
    names = {n.rpartition(".")[2] for n, m in part.named_modules() if isinstance(m, nn.Linear)}
    if not prefix or not names:
        raise ModelError(
            "The base's language part can't be told from the part that sees: set options to "
            "{parts: all}."
        )
    return prefix, sorted(names)
