"""The gate on an adapter of a chat model: four arms through the real loop, refused, forced, served."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant import models
from assistant.models import _chat_files
from assistant.promotions import Promotions
from assistant.resources import Resources
from assistant.settings import Settings
from retrieval import files
from ui.commands import promote, rollback

pytestmark = pytest.mark.slow


def adapter(base: Path, out: Path) -> Path:
    """Write a LoRA adapter whose random weights say something else than the bare model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers for renamed things
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(base),
            LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]),
        )
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.5)
        model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    card = {
        "name": "tiny", "task": "chat", "lora": {"r": 4, "alpha": 8},
        "base": {"name": "tiny", "sha256": _chat_files.base_digest(base)},
        "sha256": files.sha256(out / "adapter_model.safetensors"),
        "recipe": {"gate": {"rounds": 200, "tasks": [{"task": "qa", "metric": "rouge_l"}]}},
    }  # fmt: skip
    (out / "card.json").write_text(json.dumps(card))
    return out


def test_a_chat_adapter_passes_the_gate_by_force_only_and_is_served(
    tiny_chat: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_chat("qwen")
    folder = adapter(base, tmp_path / "adapter")
    state = tmp_path / "state"
    config = tmp_path / "auscult.toml"
    config.write_text(
        f'state_dir = "{state}"\nchat_model = "transformers:{base}"\n'
        "chat_max_new_tokens = 16\nthreads = 1\n"
    )

    def judged(*, force: bool) -> tuple[int, dict]:
        capsys.readouterr()
        code = promote.run(config, folder, recipe=None, force=force, as_json=True, limit=3)
        return code, json.loads(capsys.readouterr().out)

    code, decision = judged(force=False)
    assert code == 3
    (row,) = decision["rows"]
    assert list(row["arms"]) == ["base", "adapter", "base + retrieval", "adapter + retrieval"]
    assert row["without"] is not None
    assert decision["base"]["name"] == "the bare model"
    assert decision["reasons"]

    settings = Settings(
        state_dir=state, chat_model=f"transformers:{base}", chat_max_new_tokens=16, threads=1
    )
    resources = Resources(settings)

    def served() -> object:
        return models.resolve(settings.chat_model, resources.view("")).adapter

    assert served() is None
    code, decision = judged(force=True)
    assert code == 0
    assert decision["forced"]
    assert served().name == "tiny"
    assert served().folder == Promotions(state).current("chat")
    assert rollback.run(config, "chat", as_json=True) == 0
    assert served() is None
