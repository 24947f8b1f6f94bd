"""Chat models of every family are loaded, stream, keep to their window, and stop when told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from assistant.errors import AuscultError, ConfigError, ModelError
from assistant.models import _cancel, _hf_generate, _hf_load, _prompting
from assistant.types import Evidence

STYLES = ("qwen", "hermes", "llama", "mistral", "gemma", "no_system")
QUESTION = "How is asthma treated?"


def search(query: str) -> str:
    """Search the medical library.

    Args:
        query: the question.
    """
    return query


def conversation(passages: int = 2) -> list[Any]:
    """A conversation that has come to its answer: an earlier turn, a call, and what it found."""
    found = [
        Evidence(f"S{n}", "passage", f"Passage {n}: asthma is treated.", "d", "Asthma", "Ours")
        for n in range(1, passages + 1)
    ]
    call = {"name": "search", "args": {"query": "asthma"}, "id": "abcdef123"}
    return [
        SystemMessage("Cite your sources."),
        HumanMessage("What is asthma?"),
        AIMessage("A disease of the airways [S1]."),
        HumanMessage(QUESTION),
        AIMessage("", tool_calls=[call]),  # type: ignore[list-item]
        ToolMessage(_prompting.passages_text(found), name="search", tool_call_id="abcdef123"),
    ]


@pytest.mark.parametrize("style", STYLES)
def test_a_reply_is_what_transformers_itself_generates(
    tiny_chat: Callable[[str], Path], build: Any, ask: Any, style: str
) -> None:
    import torch

    model = build(tiny_chat(style))
    base = model.base
    text = _prompting.render(base.tokenizer, [{"role": "user", "content": QUESTION}])
    given = base.tokenizer(text, add_special_tokens=False, return_tensors="pt")
    whole = base.model.generate(**given, max_new_tokens=12, do_sample=False)
    ids = whole[0, given["input_ids"].shape[1] :].tolist()
    count = _hf_generate.Count()
    owner = _hf_generate.Owner("", "", "")
    wish = _hf_generate.Wish(12)
    mine = list(
        _hf_generate.reply(
            base, given["input_ids"][0].tolist(), owner, wish, threading.Event(), count
        )
    )
    assert mine == [i for i in ids if i not in base.ends]
    assert count.reply == len(mine)
    said = ask(model, QUESTION)
    usage = said.message.usage_metadata
    assert usage["output_tokens"] == len(mine)
    assert usage["input_tokens"] == given["input_ids"].shape[1]
    assert said.message.response_metadata["finish_reason"] in {"stop", "length"}
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("style", STYLES)
def test_a_conversation_with_tools_is_read_in_every_style(
    tiny_chat: Callable[[str], Path], build: Any, ask: Any, style: str
) -> None:
    model = build(tiny_chat(style)).bind_tools([search])
    said = ask(model, conversation())
    assert said.pieces > 1
    whole = model.invoke(conversation())
    assert whole.content == said.text
    assert whole.usage_metadata == said.message.usage_metadata


def test_a_base_is_loaded_once_for_everyone(tiny_chat: Callable[[str], Path], build: Any) -> None:
    folder = tiny_chat("qwen")
    assert build(folder).base is build(folder, chat_max_new_tokens=3).base
    assert build(folder).base is not build(folder, chat_bits=16).base


def test_it_ends_at_a_stop_string_and_at_the_most(
    tiny_chat: Callable[[str], Path], build: Any, ask: Any
) -> None:
    model = build(tiny_chat("llama"))
    whole = ask(model, QUESTION).text
    assert len(whole) > 8
    stop = whole[4:7]
    cut = ask(model, QUESTION, stop=[stop, "never said"]).text
    assert cut == whole[: whole.index(stop)]
    short = ask(build(tiny_chat("llama"), chat_max_new_tokens=3), QUESTION)
    assert short.message.usage_metadata["output_tokens"] == 3
    assert short.message.response_metadata["finish_reason"] == "length"


def test_it_stops_at_the_next_token_when_the_turn_is_given_up(
    tiny_chat: Callable[[str], Path], build: Any
) -> None:
    model = build(tiny_chat("llama"), chat_max_new_tokens=200)
    scope = _cancel.Scope()
    whole: Any = AIMessageChunk("")
    for chunk in _cancel.within(scope, lambda: model.stream(QUESTION)):
        whole += chunk
        scope.stop.set()
    assert whole.response_metadata["finish_reason"] == "cancelled"
    assert whole.usage_metadata["output_tokens"] < 10


def test_a_stop_before_the_first_token_says_nothing(
    tiny_chat: Callable[[str], Path], build: Any
) -> None:
    scope = _cancel.Scope()
    scope.stop.set()
    model = build(tiny_chat("llama"))
    pieces = list(_cancel.within(scope, lambda: model.stream(QUESTION)))
    assert "".join(p.content for p in pieces) == ""


def test_what_does_not_fit_the_window_is_left_out_and_said(
    tiny_chat: Callable[[str], Path], build: Any, ask: Any
) -> None:
    model = build(tiny_chat("qwen"), chat_context_tokens=900, chat_max_new_tokens=8)
    said = ask(model.bind_tools([search]), conversation(passages=30))
    assert "passages" in said.message.additional_kwargs["notice"]
    assert said.message.usage_metadata["total_tokens"] <= 900
    with pytest.raises(AuscultError, match="900"):
        ask(model, "asthma " * 2000)


def test_words_are_drawn_at_random_only_where_that_is_set(
    tiny_chat: Callable[[str], Path], build: Any, ask: Any
) -> None:
    import torch

    hot = build(tiny_chat("llama"), chat_temperature=2.0)
    assert len({ask(hot, QUESTION).text for _ in range(3)}) > 1
    cold = build(tiny_chat("llama"))
    assert len({ask(cold, QUESTION).text for _ in range(2)}) == 1
    logits = torch.tensor([0.0, 5.0, 1.0, 4.0])
    drawn = {_hf_generate.pick(logits, _hf_generate.Wish(1, 9.0, top_k=2)) for _ in range(40)}
    assert drawn == {1, 3}
    sure = {_hf_generate.pick(logits, _hf_generate.Wish(1, 1.0, top_p=0.5)) for _ in range(20)}
    assert sure == {1}


@pytest.mark.parametrize("bits", [8, 4])
def test_fewer_bits_need_a_gpu(tiny_chat: Callable[[str], Path], build: Any, bits: int) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match="needs a CUDA GPU"):
        build(tiny_chat("qwen"), chat_bits=bits)


def test_bits_that_do_not_exist_are_refused() -> None:
    from assistant.settings import load

    with pytest.raises(ConfigError, match="32, 16, 8 or 4"):
        load(overrides={"chat_bits": "7"})
    assert load(overrides={"chat_bits": "8"})[0].chat_bits == 8


def test_code_of_a_model_s_own_is_never_run(
    tiny_chat: Callable[[str], Path], build: Any, tmp_path: Path
) -> None:
    import json

    folder = Path(shutil.copytree(tiny_chat("qwen"), tmp_path / "own"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}, "architectures": ["Own"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('it was run')\n")
    with pytest.raises(ModelError, match="never run"):
        build(folder)


def test_damaged_weights_are_one_sentence(
    tiny_chat: Callable[[str], Path], build: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_chat("qwen"), tmp_path / "cut"))
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="can't be loaded") as error:
        build(folder)
    assert "\n" not in str(error.value)


def test_a_base_that_was_forgotten_is_loaded_anew(
    tiny_chat: Callable[[str], Path], build: Any
) -> None:
    before = build(tiny_chat("gemma")).base
    _hf_load.unload()
    assert build(tiny_chat("gemma")).base is not before
