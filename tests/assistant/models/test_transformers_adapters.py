"""Several adapters on one base: each request gets its own, at the same time as others theirs."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import ModelError
from assistant.models import _hf_adapters, _hf_load, transformers
from assistant.resources import Resources

QUESTION = "How is asthma treated in children?"


@pytest.fixture(scope="module")
def base(tiny_chat: Callable[[str], Path]) -> Path:
    return tiny_chat("qwen")


@pytest.fixture(scope="module")
def adapters(base: Path, make_adapter: Callable[..., Path]) -> list[Path]:
    return [make_adapter(base, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def alone(base: Path, adapters: list[Path], build: Any, ask: Any) -> dict[int, str]:
    """What the bare base (0) and each adapter says when nobody else asks, merged by peft itself."""
    import warnings

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from assistant.models import _prompting

    tokenizer = AutoTokenizer.from_pretrained(base)
    text = _prompting.render(tokenizer, [{"role": "user", "content": QUESTION}])
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    out = {}
    for number, folder in enumerate([None, *adapters]):
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        if folder is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                model = PeftModel.from_pretrained(model, folder)
        written = model.generate(**ids, max_new_tokens=12, do_sample=False)
        reply = written[0, ids["input_ids"].shape[1] :]
        out[number] = tokenizer.decode(reply, skip_special_tokens=True)
    return out


def test_adapters_are_switched_from_request_to_request(
    base: Path, adapters: list[Path], build: Any, ask: Any, alone: dict[int, str]
) -> None:
    assert len(set(alone.values())) == 3
    models = {0: build(base), 1: build(base, adapters[0]), 2: build(base, adapters[1])}
    assert len({id(model.base) for model in models.values()}) == 1
    for number in (0, 1, 2, 1, 0, 2, 2, 0):
        assert ask(models[number], QUESTION).text == alone[number], number


def test_turns_at_the_same_time_get_what_each_gets_alone(
    base: Path, adapters: list[Path], build: Any, alone: dict[int, str], ask: Any
) -> None:
    models = {0: build(base), 1: build(base, adapters[0]), 2: build(base, adapters[1])}
    barrier = threading.Barrier(6)
    said: list[tuple[int, str]] = []

    def work(number: int) -> None:
        barrier.wait()
        said.extend((number, ask(models[number], QUESTION).text) for _ in range(2))

    threads = [threading.Thread(target=work, args=(n % 3,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 12
    assert all(text == alone[number] for number, text in said)


def test_what_is_not_used_makes_room(
    base: Path,
    adapters: list[Path],
    build: Any,
    ask: Any,
    alone: dict[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_hf_adapters, "MOST_IN_MEMORY", 1)
    _hf_load.unload()
    one, two = build(base, adapters[0]), build(base, adapters[1])
    for model, number in ((one, 1), (two, 2), (one, 1)):
        assert ask(model, QUESTION).text == alone[number]
        assert len(model.base.adapters.names) == 1
    assert ask(build(base), QUESTION).text == alone[0]


def test_the_promoted_adapter_serves_and_one_of_another_base_does_not(
    base: Path,
    adapters: list[Path],
    make_adapter: Callable[..., Path],
    exact: Any,
    ask: Any,
    alone: dict[int, str],
) -> None:
    def served(folder: Path | None) -> str:
        resources = Resources(exact, adapters={"chat": str(folder or "")})
        return str(ask(transformers.build(str(base), resources), QUESTION).text)

    assert served(adapters[1]) == alone[2]
    assert served(None) == alone[0]
    foreign = make_adapter(base, 3, base={"name": "other", "sha256": "0" * 64})
    assert served(foreign) == alone[0]


def test_an_adapter_that_does_not_fit_is_refused_and_harms_nobody(
    base: Path,
    adapters: list[Path],
    build: Any,
    ask: Any,
    alone: dict[int, str],
    tmp_path: Path,
    tiny_models: Any,
    make_adapter: Callable[..., Path],
) -> None:
    from assistant.models import _chat_files

    wide = tiny_models.make("qwen", tmp_path / "wide", hidden=96)
    other = make_adapter(wide, 4, base={"name": "qwen", "sha256": _chat_files.base_digest(base)})
    with pytest.raises(ModelError, match="features") as error:
        ask(build(base, other), QUESTION)
    assert "\n" not in str(error.value)
    fewer = Path(shutil.copytree(adapters[0], tmp_path / "fewer"))
    config = json.loads((fewer / "adapter_config.json").read_text())
    config["target_modules"] = ["q_proj"]
    (fewer / "adapter_config.json").write_text(json.dumps(config))
    card = json.loads((fewer / "card.json").read_text())
    tensors = (fewer / "adapter_model.safetensors").read_bytes()
    (fewer / "adapter_model.safetensors").write_bytes(_renamed(tensors))
    card["sha256"] = _digest(fewer / "adapter_model.safetensors")
    (fewer / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="layers"):
        ask(build(base, fewer), QUESTION)
    assert ask(build(base), QUESTION).text == alone[0]
    assert ask(build(base, adapters[0]), QUESTION).text == alone[1]


def _renamed(data: bytes) -> bytes:
    """Return the same tensors with other metadata, so that the digest is another."""
    from safetensors.torch import load, save

    return save(load(data), metadata={"note": "changed"})


def _digest(path: Path) -> str:
    from retrieval import files

    return files.sha256(path)


def test_the_turnstile_lets_everyone_through_in_order() -> None:
    gate = _hf_adapters.Turnstile()
    order: list[int] = []
    threads = []
    with gate.held():
        for number in range(5):
            thread = threading.Thread(target=lambda n=number: _pass(gate, order, n))
            thread.start()
            threads.append(thread)
            while len(gate._waiting) <= number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    with gate.held():
        order.append(9)
    assert order[-1] == 9


def _pass(gate: _hf_adapters.Turnstile, order: list[int], number: int) -> None:
    with gate.held():
        order.append(number)
