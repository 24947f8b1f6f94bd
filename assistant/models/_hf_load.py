"""A chat model's base: loaded once in a process, shared by every conversation and adapter.

Only safetensors are read and no code of a model's own is run. Chooses device and precision: GPUs
where there are some, bfloat16 where the hardware has it, 8 or 4 bits where asked for. Knows nothing
of conversations.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelError
from assistant.models import _chat_files, _hf_template, _toolcalls
from assistant.models._hf_adapters import Adapters
from assistant.models._hf_cache import PrefixCache

if TYPE_CHECKING:
    import torch

    from assistant.settings import Settings

_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|return|>")
_UNKNOWN_LIMIT = 4096
_log = logging.getLogger(__name__)
_bases: dict[tuple[str, int, int, int], Base] = {}
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Base:
    """A loaded base and what serving it needs.

    Attributes:
        folder: where its files are.
        model: of transformers, in evaluation mode.
        adapters: hands the model out, one step at a time.
        tokenizer: of transformers.
        processor: of an image-text model, else None.
        style: how it writes tool calls.
        limit: tokens that it can read and write in all.
        ends: tokens that end its turn.
        kept: attention states from turn to turn.
    """

    folder: Path
    model: Any
    adapters: Adapters
    tokenizer: Any
    processor: Any
    style: _toolcalls.Style
    limit: int
    ends: frozenset[int]
    kept: PrefixCache = field(repr=False)

    @property
    def holder(self) -> Any:
        """What holds the chat template."""
        return self.processor if self.processor is not None else self.tokenizer

    @property
    def digest(self) -> str:
        """The digest by which adapters name this base; computed when it is first asked for."""
        return _chat_files.base_digest(self.folder)


def base(name: str, settings: Settings) -> Base:
    """Return a base, loaded when it is first asked for.

    Args:
        name: a folder or a hub id.
        settings: for `chat_bits`, `chat_cache_mb`, `chat_context_tokens` and `threads`.

    Raises:
        ModelError: one sentence: it is not there, not safe to load, of an unknown architecture,
            without chat template, or its weights are damaged or do not fit.
    """
    folder = _chat_files.locate(name)
    key = (
        str(folder.resolve()),
        settings.chat_bits,
        settings.chat_cache_mb,
        settings.chat_context_tokens,
    )
    with _lock:
        found = _bases.get(key)
        if found is None:
            found = _bases[key] = _load(folder, settings)
    return found


def unload() -> None:
    """Forget every base; their memory is free when the turns that use them have ended."""
    with _lock:
        _bases.clear()


def _load(folder: Path, settings: Settings) -> Base:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    _chat_files.check_base(folder)
    import torch
    from transformers.utils import logging as noise

    noise.disable_progress_bar()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    config = _config(folder)
    sees = _sees(folder, config)
    tokenizer, processor = _readers(folder, sees=sees)
    template = _hf_template.Template.of(processor or tokenizer)
    model = _model(folder, config, settings, sees=sees)
    _log.info("chat model %s loaded in %s", folder.name, model.dtype)
    style = _toolcalls.detect(template.source, tokenizer.get_vocab(), str(config.model_type))
    return Base(
        folder=folder,
        model=model,
        adapters=Adapters(model),
        tokenizer=tokenizer,
        processor=processor,
        style=style,
        limit=_limit(config, tokenizer, settings),
        ends=_ends(model, tokenizer),
        kept=PrefixCache(settings.chat_cache_mb * 1_000_000),
    )


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ModelError(
            f"The model in {folder} is of an architecture that is not built in, or its config.json "
            f"is damaged ({_line(error)}): code of a model's own is never run, so choose another."
        ) from error


def _sees(folder: Path, config: Any) -> bool:
    """Whether a model reads images, and its folder says how they are prepared."""
    from transformers import AutoModelForImageTextToText

    known = AutoModelForImageTextToText._model_mapping
    prepared = any(
        (folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json")
    )
    return type(config) in known and hasattr(config, "vision_config") and prepared


def _readers(folder: Path, *, sees: bool) -> tuple[Any, Any]:
    from transformers import AutoProcessor, AutoTokenizer

    try:
        if sees:
            processor = AutoProcessor.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
            return processor.tokenizer, processor
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # tokenizers raises plain Exceptions
        raise ModelError(
            f"The tokenizer of the model in {folder} can't be loaded ({_line(error)}): fetch the "
            "model again."
        ) from error
    return tokenizer, None


def _model(folder: Path, config: Any, settings: Settings, *, sees: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    options = _placement(settings)
    try:
        model = kind.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
        )
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            f"The model in {folder} does not fit the GPU's memory: set chat_bits to 8 or 4, or "
            "choose a smaller model."
        ) from error
    except Exception as error:  # safetensors, transformers and torch each raise their own kinds
        raise ModelError(
            f"The model in {folder} can't be loaded ({_line(error)}): fetch it again, or choose "
            "another."
        ) from error
    return model.eval().requires_grad_(False)


def _placement(settings: Settings) -> dict[str, Any]:
    """Return where and in what precision weights are loaded.

    Raises:
        ModelError: if 8 or 4 bits are asked for without a CUDA GPU or without bitsandbytes.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    options: dict[str, Any] = {"dtype": _dtype(settings.chat_bits, gpus)}
    if gpus > 1:
        options["device_map"] = "auto"
    elif gpus:
        options["device_map"] = {"": 0}
    if settings.chat_bits in (8, 4):
        options["quantization_config"] = _quantized(settings.chat_bits, gpus, options["dtype"])
    return options


def _quantized(bits: int, gpus: int, dtype: torch.dtype) -> Any:
    import importlib.util

    if not gpus:
        raise ModelError(
            f"chat_bits is {bits}, which needs a CUDA GPU, and there is none: set it to 16."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"chat_bits is {bits}, which needs the package bitsandbytes: install it, or set "
            "chat_bits to 16."
        )
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _dtype(bits: int, gpus: int) -> torch.dtype:
    import torch

    if bits == 32:
        return torch.float32
    if gpus:
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    probe: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if probe is not None and probe() else torch.float32


def _limit(config: Any, tokenizer: Any, settings: Settings) -> int:
    text = config.get_text_config()
    known = [
        int(value)
        for value in (
            getattr(text, "max_position_embeddings", None),
            tokenizer.model_max_length,
            settings.chat_context_tokens or None,
        )
        if value and value < 10_000_000  # tokenizers say 1e30 where they know none
    ]
    return min(known, default=_UNKNOWN_LIMIT)


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    found: set[int] = set()
    for value in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        if isinstance(value, int):
            found.add(value)
        elif value is not None:
            found.update(value)
    vocabulary = tokenizer.get_vocab()
    found.update(vocabulary[token] for token in _TURN_ENDS if token in vocabulary)
    return frozenset(found)


def _line(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text[:200].rstrip(".")
