"""Fits a conversation into a model's context window: passages go before history, and it says so.

Of the passages that tools returned, the lowest ranked go first, each search keeping its best; then
the oldest turns; then what passages are left but one. The system prompt and what the user asked
last always stay. Knows nothing of tokenizers: the caller counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage

from assistant.errors import ModelError
from assistant.models import _prompting

Count = Callable[[list[BaseMessage]], int]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A conversation that fits.

    Attributes:
        messages: what the model is to read.
        dropped_passages: how many passages are left out.
        dropped_turns: how many earlier turns are.
        notice: one sentence on that for the user; "" if nothing is left out.
    """

    messages: list[BaseMessage]
    dropped_passages: int = 0
    dropped_turns: int = 0
    notice: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is left out: for each message by its place how many passages, and the oldest turns."""

    passages: tuple[tuple[int, int], ...]
    turns: int


def fit(messages: Sequence[BaseMessage], count: Count, limit: int, reserve: int) -> Fitted:
    """Return the messages with as little left out as fits.

    Args:
        messages: the conversation, system prompt first, ending in what is to be answered.
        count: tokens that the model reads for messages, all else that it reads (tools) included.
            Called about log2 of the number of passages and turns times.
        limit: tokens of the context window.
        reserve: tokens of it that the reply needs.

    Raises:
        ModelError: if the system prompt, the question and one passage don't fit.
    """
    given = list(messages)
    room = limit - reserve
    if count(given) <= room:
        return Fitted(given)
    plans = _plans(given)
    low, high = 0, len(plans) - 1
    if high < 0 or (least := count(_without(given, plans[high]))) > room:
        needed = count(given) if high < 0 else least
        raise ModelError(
            f"The question needs about {needed:,} tokens where the chat model's window of "
            f"{limit:,} leaves {max(room, 0):,}: ask a shorter one, attach less, or choose a model "
            "with a longer context."
        )
    while low < high:
        middle = (low + high) // 2
        if count(_without(given, plans[middle])) <= room:
            high = middle
        else:
            low = middle + 1
    return _fitted(given, plans[low])


def _plans(messages: Sequence[BaseMessage]) -> list[_Plan]:
    """Return what may be left out, each plan with one thing more than the one before."""
    kept = {at: n for at, n in _passages(messages).items() if n}
    whole = dict(kept)
    turns = len(_turns(messages))
    plans: list[_Plan] = []

    def add(left_out: int) -> None:
        gone = tuple((at, whole[at] - n) for at, n in kept.items() if whole[at] > n)
        plans.append(_Plan(gone, left_out))

    while any(n > 1 for n in kept.values()):
        longest = max(kept, key=lambda at: (kept[at], -at))  # of equals the earlier search
        kept[longest] -= 1
        add(0)
    for left_out in range(1, turns + 1):
        add(left_out)
    for at in sorted(kept)[:-1]:  # the last search was the better aimed one
        kept[at] = 0
        add(turns)
    return plans


def _passages(messages: Sequence[BaseMessage]) -> dict[int, int]:
    return {
        at: len(_prompting.blocks(message.content))
        for at, message in enumerate(messages)
        if isinstance(message, ToolMessage) and isinstance(message.content, str)
    }


def _turns(messages: Sequence[BaseMessage]) -> list[range]:
    """Return where the turns before the last question stand, oldest first."""
    starts = [at for at, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return [range(a, b) for a, b in itertools.pairwise(starts)]


def _without(messages: Sequence[BaseMessage], plan: _Plan) -> list[BaseMessage]:
    gone = {at for turn in _turns(messages)[: plan.turns] for at in turn}
    fewer = dict(plan.passages)
    out: list[BaseMessage] = []
    for at, message in enumerate(messages):
        if at in gone and not isinstance(message, SystemMessage):
            continue
        if at in fewer:
            content = _shorter(str(message.content), fewer[at])
            out.append(message.model_copy(update={"content": content}))
        else:
            out.append(message)
    return out


def _shorter(content: str, fewer: int) -> str:
    """Return a tool result's text without its last `fewer` passages, saying how many are missing."""
    spans = _prompting.blocks(content)[-fewer:]
    for start, end in reversed(spans):
        content = content[:start].rstrip("\n") + content[end:]
    return f"{content}\n({fewer} further passages left out for want of room.)"


def _fitted(messages: Sequence[BaseMessage], plan: _Plan) -> Fitted:
    gone = {at for turn in _turns(messages)[: plan.turns] for at in turn}
    passages = sum(n for at, n in plan.passages if at not in gone)
    told = []
    if passages:
        found = sum(n for at, n in _passages(messages).items() if at not in gone)
        told.append(f"{passages} of {found} passages")
    if plan.turns:
        told.append("the oldest turn" if plan.turns == 1 else f"the oldest {plan.turns} turns")
    notice = f"To fit the chat model's context window, {' and '.join(told)} were left out."
    if told == ["the oldest turn"]:
        notice = notice.replace(" were ", " was ")
    return Fitted(_without(messages, plan), passages, plan.turns, notice)
