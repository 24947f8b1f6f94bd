"""A base chat model with a fresh adapter on it, ready to be trained.

Weights come from safetensors only and no code that lies beside them is run. What a recipe asks for
and the machine lacks (4 bits without CUDA, kernels that are not installed) is one sentence before
anything is loaded. Knows nothing of data or of the loop.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import ConfigError, ModelError
from assistant.models import _chat_files

if TYPE_CHECKING:
    import torch

    from finetune._chat_recipe import ChatRecipe

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True, eq=False)
class Parts:
    """What is trained, and with what.

    Attributes:
        model: the base with its adapter (a `PeftModel`).
        tokenizer: of the base.
        folder: of the base.
        digest: of the base.
        bf16: whether passes run in bfloat16.
    """

    model: Any
    tokenizer: Any
    folder: Path
    digest: str
    bf16: bool

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return the context that a forward pass runs in."""
        import torch

        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


def place() -> Any:
    """Return accelerate's state: this process's device and number, and how many there are.

    Called before anything else asks accelerate, which takes processes without an accelerator for
    single ones unless it is told at its first call that they are to work on the CPU.
    """
    import torch
    from accelerate import PartialState

    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}
    return PartialState(cpu=told or not torch.accelerator.is_available())


def tokenizer(base: str) -> Any:
    """Return the tokenizer of a base, without its weights.

    Raises:
        ModelError: if there is none, or it can't be trained with.
    """
    from transformers import AutoTokenizer

    from finetune.chat import render

    folder = _chat_files.locate(base)
    try:
        found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(f"The tokenizer in {folder} can't be loaded ({first}).") from error
    render.check_tokenizer(found)
    return found


def load(recipe: ChatRecipe) -> Parts:
    """Return a recipe's base with a fresh adapter, seeded, on the CPU or where accelerate puts it.

    Raises:
        ModelError: if the base can't be used.
        ConfigError: if the recipe asks for what this machine lacks.
    """
    import torch

    check(recipe)
    folder = _chat_files.locate(recipe.base)
    _chat_files.check_base(folder)
    known = tokenizer(recipe.base)
    bf16 = use_bf16(recipe.precision)
    model = _base(recipe, folder, bf16=bf16)
    if recipe.packing:
        _check_packing(model, recipe)
    torch.manual_seed(recipe.seed)
    model = with_adapter(recipe, model, bf16=bf16)
    if recipe.gradient_checkpointing:
        save_activations(model)
    return Parts(model, known, folder, _chat_files.base_digest(folder), bf16)


def check(recipe: ChatRecipe) -> None:
    """See that this machine has what a recipe asks for.

    Raises:
        ConfigError: naming what it lacks.
    """
    import torch

    if recipe.method == "qlora":
        needs_bits(4)
    if recipe.liger == "on" and not (torch.cuda.is_available() and _has("liger_kernel")):
        raise ConfigError(
            "liger is on, but Liger's kernels need CUDA and the package liger-kernel: install it, "
            "or set liger to auto."
        )
    if recipe.precision == "bf16" and torch.cuda.is_available() and not use_bf16("auto"):
        raise ConfigError("This GPU does not multiply in bfloat16: set precision to fp32.")


def needs_bits(bits: int) -> None:
    """See that weights of 4 or 8 bits can be used here.

    Raises:
        ConfigError: if CUDA or bitsandbytes is missing.
    """
    import torch

    missing = [
        name
        for name, there in (
            ("a CUDA device", torch.cuda.is_available()),
            ("the package bitsandbytes (pip install 'auscult[gpu]')", _has("bitsandbytes")),
        )
        if not there
    ]
    if missing:
        raise ConfigError(
            f"Weights of {bits} bits need {' and '.join(missing)}, which is not here: use 16 bits."
        )


def use_bf16(precision: str) -> bool:
    """Return whether passes run in bfloat16: as told, or for "auto" where the hardware has it."""
    import torch

    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def quantized(bits: int) -> Any:
    """Return bitsandbytes' configuration for 4 (QLoRA, arXiv:2305.14314) or 8 bits."""
    import torch
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def causal(folder: Path, **options: Any) -> Any:
    """Return the causal language model of a folder.

    Raises:
        ModelError: if transformers can't load it.
    """
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise ModelError(
            f"The model in {folder} can't be loaded as a chat model ({first})."
        ) from error


def save_activations(model: Any) -> None:
    """Let a model compute its activations twice instead of keeping them."""
    # Its name changed in transformers 5; earlier ones have the old one only.
    newer = getattr(model, "activation_checkpointing_enable", None)
    with quiet():
        (newer or model.gradient_checkpointing_enable)({"use_reentrant": False})


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what peft says of a name that transformers is giving up; it works with both."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def _base(recipe: ChatRecipe, folder: Path, *, bf16: bool) -> Any:
    import torch

    options: dict[str, Any] = {"dtype": torch.bfloat16 if bf16 else torch.float32}
    if torch.cuda.is_available() and recipe.packing and _has("flash_attn") and bf16:
        options["attn_implementation"] = "flash_attention_2"
    if recipe.method == "qlora":
        options["quantization_config"] = quantized(4)
        options["device_map"] = {"": torch.cuda.current_device()}
    model = causal(folder, **options)
    model.config.use_cache = False
    if recipe.liger != "off" and torch.cuda.is_available() and _has("liger_kernel"):
        from liger_kernel.transformers import _apply_liger_kernel_to_instance

        _apply_liger_kernel_to_instance(
            model, cross_entropy=False, fused_linear_cross_entropy=False
        )
    return model


def with_adapter(
    recipe: ChatRecipe,
    model: Any,
    *,
    bf16: bool,
    targets: str | list[str] | None = None,
    outside: str | None = None,
) -> Any:
    """Return a model with a fresh adapter of a recipe.

    Args:
        recipe: method, rank, alpha, dropout and the layers that get an adapter.
        model: the base.
        bf16: whether passes run in bfloat16.
        targets: the layers, in place of the recipe's.
        outside: pattern of the whole names of layers that get none.

    Raises:
        ConfigError: if the base has no such layers.
    """
    import peft

    if recipe.method == "qlora":
        with quiet():
            # What it returns is not annotated.
            prepare: Any = peft.prepare_model_for_kbit_training
            model = prepare(model, use_gradient_checkpointing=False)
    chosen = targets or recipe.target_modules
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=chosen if isinstance(chosen, str) else list(chosen),
        exclude_modules=outside,
        use_dora=recipe.method == "dora",
        use_rslora=recipe.method == "rslora",
    )
    try:
        # Matrices of the adapter are float32, whatever the base is.
        with quiet():
            made = peft.get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        first = str(error).partition("\n")[0][:200]
        raise ConfigError(f"target_modules does not fit the base: {first}") from error
    for module in made.modules():
        # Autocast casts by itself; peft would first blow the input up to float32.
        if bf16 and hasattr(module, "lora_A"):
            module.cast_input_dtype_enabled = False
    return made


def _check_packing(model: Any, recipe: ChatRecipe) -> None:
    """Refuse to pack where a layer carries a state over the border of two samples."""
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ["full_attention"])
    other = sorted(kinds - {"full_attention", "sliding_attention", "chunked_attention"})
    if other:
        raise ConfigError(
            f"{recipe.base} has layers of the kind {other[0]}, which packed samples would leak "
            "through: set packing to false."
        )


def _has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
