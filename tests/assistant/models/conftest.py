"""What the tests of chat models share: settings, adapters with random weights, a way to ask."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assistant.resources import Resources
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.models.transformers import TransformersChatModel

os.environ.setdefault("HF_HUB_OFFLINE", "1")
Build = Callable[..., "TransformersChatModel"]
MakeAdapter = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> Iterator[None]:
    """Keep torch to two threads, restored afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(2, before))
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for comparisons: float32, short replies, no state of anybody's."""
    return Settings(
        state_dir=tmp_path_factory.mktemp("chat_state"), chat_bits=32, chat_max_new_tokens=12
    )


@pytest.fixture(scope="session")
def build(exact: Settings) -> Build:
    """Build a chat model from a folder and an adapter, with some settings changed."""
    from assistant import models

    def make(base: Path, adapter: Path | None = None, **changes: Any) -> TransformersChatModel:
        spec = f"transformers:{base}" + (f"+{adapter}" if adapter else "")
        settings = exact.model_copy(update=changes)
        return models.resolve(spec, Resources(settings))  # type: ignore[return-value]

    return make


@pytest.fixture(scope="session")
def make_adapter(tmp_path_factory: pytest.TempPathFactory) -> MakeAdapter:
    """Save a LoRA adapter with random weights for a base, with its card."""

    def make(base: Path, seed: int = 0, rank: int = 4, /, **card: Any) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        from assistant.models import _chat_files
        from retrieval import files

        folder = tmp_path_factory.mktemp(f"adapter{seed}")
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers the old way
            torch.manual_seed(seed)
            config = LoraConfig(r=rank, lora_alpha=4 * rank, target_modules="all-linear")
            model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.2)
        model.save_pretrained(folder)
        digest = files.sha256(folder / "adapter_model.safetensors")
        given = {
            "name": f"adapter{seed}",
            "task": "chat",
            "base": {"name": base.name, "sha256": _chat_files.base_digest(base)},
            "sha256": digest,
        }
        (folder / "card.json").write_text(json.dumps(given | card), encoding="utf-8")
        return folder

    return make


@dataclass(frozen=True)
class Said:
    """What a model answered."""

    text: str
    message: Any
    pieces: int


@pytest.fixture(scope="session")
def ask() -> Callable[..., Said]:
    """Ask a model a question, or give it whole messages, and gather the stream."""
    from langchain_core.messages import HumanMessage

    def run(model: Any, question: Any, **options: Any) -> Said:
        messages = [HumanMessage(question)] if isinstance(question, str) else question
        chunks = list(model.stream(messages, **options))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return Said(str(whole.content), whole, len(chunks))

    return run
