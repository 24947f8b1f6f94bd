"""States kept from turn to turn change nothing that is said, and serve nobody but their owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage

from assistant.models import _cancel, _hf_cache
from assistant.models._hf_cache import Owner, PrefixCache

STYLES = ("qwen", "llama", "mistral", "gemma", "no_system")
SYSTEM = SystemMessage("You are a medical assistant. Cite every sentence that you write. " * 3)


def talk(model: Any, session: str, turns: int = 3, user: str = "") -> list[tuple[str, int]]:
    """Have a conversation and return what was said with the tokens whose states were reused."""
    messages: list[Any] = [SYSTEM]
    out = []
    for number in range(turns):
        messages.append(HumanMessage(f"Question {number}: how is asthma treated, and gout?"))
        scope = _cancel.Scope(session=session, user=user)
        whole: Any = AIMessageChunk("")
        for chunk in _cancel.within(scope, lambda: model.stream(list(messages))):
            whole += chunk
        text = str(whole.content)
        out.append((text, whole.usage_metadata["input_token_details"]["cache_read"]))
        messages.append(AIMessage(text or "Nothing."))
    return out


@pytest.mark.parametrize("style", STYLES)
def test_reuse_changes_nothing_that_is_said(
    tiny_chat: Callable[[str], Path], build: Any, style: str
) -> None:
    kept = talk(build(tiny_chat(style)), "one")
    fresh = talk(build(tiny_chat(style), chat_cache_mb=0), "one")
    assert [text for text, _ in kept] == [text for text, _ in fresh]
    assert all(reused == 0 for _, reused in fresh)
    assert kept[0][1] == 0
    # Gemma's windows of 128 tokens have moved on; Mistral's system prompt moves to the last turn.
    if style in {"qwen", "llama"}:
        assert all(reused > 50 for _, reused in kept[1:])


def test_states_serve_their_own_conversation_user_and_adapter_only(
    tiny_chat: Callable[[str], Path], build: Any, make_adapter: Callable[..., Path]
) -> None:
    folder = tiny_chat("llama")
    model = build(folder, chat_cache_mb=64)
    assert talk(model, "a", 2, user="ann")[1][1] > 0
    assert talk(model, "a", 1, user="bob")[0][1] == 0
    assert talk(model, "b", 1, user="ann")[0][1] == 0
    adapted = build(folder, make_adapter(folder, 5), chat_cache_mb=64)
    assert talk(adapted, "a", 1, user="ann")[0][1] == 0
    assert [reused for _, reused in talk(model, "", 2)] == [0, 0]
    before = len(model.base.kept)
    model.base.kept.forget("a")
    assert len(model.base.kept) < before
    assert talk(model, "a", 1, user="ann")[0][1] == 0


class States:
    """Stands for states of a size; can't be cut."""

    is_linear = (True,)
    is_dummy = (False,)

    def __init__(self, size: int) -> None:
        import torch

        self.layers = [type("Layer", (), {"keys": torch.zeros(size, dtype=torch.uint8)})()]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    cache = PrefixCache(100)
    owners = [Owner("", f"s{n}", "") for n in range(4)]
    for owner in owners[:3]:
        cache.keep(owner, [1, 2, 3], States(40))
    assert cache.size_bytes == 80
    assert cache.take(owners[0], [1, 2, 3, 4]) == (None, 0)
    assert cache.take(owners[1], [1, 2, 3, 4])[1] == 3
    assert cache.take(owners[1], [1, 2, 3, 4])[1] == 0  # taken out while it is used
    cache.keep(owners[3], [1], States(101))
    assert len(cache) == 1


def test_states_that_cannot_be_cut_serve_only_what_goes_on_from_them() -> None:
    cache = PrefixCache(100)
    owner = Owner("", "s", "")
    cache.keep(owner, [1, 2, 3], States(4))
    assert cache.take(owner, [1, 2, 9, 9]) == (None, 0)
    cache.keep(owner, [1, 2, 3], States(4))
    assert cache.take(owner, [1, 2, 3, 9])[1] == 3
    cache.keep(owner, [1, 2, 3], States(4))
    assert cache.take(owner, [1, 2, 3]) == (None, 0)  # the last token has to be computed


def test_common_prefix() -> None:
    assert _hf_cache.common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert _hf_cache.common_prefix([], [1]) == 0
    assert _hf_cache.common_prefix([1, 2], [1, 2, 3]) == 2
