"""From a prompt's tokens to a reply's, one at a time, with the states of the last turn reused.

Each step holds the model only for one forward pass, so turns of several conversations, with the
same adapter or others, run side by side; a turn that is given up stops before its next step.
Knows nothing of text, tools or sessions beyond whose states may be reused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant.models._hf_cache import Owner

if TYPE_CHECKING:
    from torch import Tensor

    from assistant.models._hf_load import Base

# Tokens read at once: more is hardly faster, and a stop or another turn would wait for longer.
_READ_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Wish:
    """How a reply is to be made.

    Attributes:
        most: tokens of the reply at most.
        temperature: 0 takes the likeliest token every time.
        top_p: share of probability that tokens are drawn from, where temperature is above 0.
        top_k: number of tokens that they are drawn from; 0 for all.
    """

    most: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0


@dataclass(slots=True)
class Count:
    """What a reply took; filled while it is made.

    Attributes:
        prompt: tokens of the prompt.
        reused: of these, how many had their states from the turn before.
        reply: tokens of the reply.
        ended: "stop" at the model's own end, "length" at the most, "cancelled" when given up.
    """

    prompt: int = 0
    reused: int = 0
    reply: int = 0
    ended: str = "length"


def reply(
    base: Base,
    ids: Sequence[int],
    owner: Owner,
    wish: Wish,
    stop: threading.Event,
    count: Count,
) -> Iterator[int]:
    """Yield the tokens of a reply without the one that ends it.

    Args:
        base: the model.
        ids: the prompt.
        owner: whose states may be used and are kept; names the adapter.
        wish: length and sampling.
        stop: looked at before every step.
        count: filled in.
    """
    import torch
    from transformers import DynamicCache

    states, reused = base.kept.take(owner, ids)
    if states is None:
        states = DynamicCache(config=base.model.config)
    known = list(ids[:reused])
    count.prompt, count.reused = len(ids), reused
    waiting = list(ids[reused:])
    try:
        while count.reply < wish.most:
            if stop.is_set():
                count.ended = "cancelled"
                return
            read, waiting = waiting[:_READ_AT_ONCE], waiting[_READ_AT_ONCE:]
            with base.adapters.using(owner.adapter) as model, torch.inference_mode():
                logits = _step(model, read, states)
                token = pick(logits, wish) if not waiting else -1
            known += read
            if waiting:
                continue
            if token in base.ends:
                count.ended = "stop"
                return
            count.reply += 1
            waiting = [token]
            yield token
    finally:
        # A step that failed half-way leaves layers of different lengths: those are not kept.
        if known and states.get_seq_length() == len(known):
            base.kept.keep(owner, known, states)


def _step(model: Any, ids: Sequence[int], states: Any) -> Tensor:
    """Return the logits after the last of some tokens, float32 (vocabulary,)."""
    import torch

    given = torch.tensor([list(ids)], device=model.device)
    out = model(input_ids=given, past_key_values=states, use_cache=True, logits_to_keep=1)
    logits: Tensor = out.logits[0, -1].float()
    return logits


def pick(logits: Tensor, wish: Wish) -> int:
    """Return the next token: the likeliest, or one drawn after top-k and top-p.

    Args:
        logits: float32 (vocabulary,).
        wish: for temperature, top_p and top_k. Nucleus sampling: Holtzman et al. 2020.
    """
    import torch

    if wish.temperature <= 0:
        return int(logits.argmax())
    logits = logits / wish.temperature
    if 0 < wish.top_k < logits.numel():
        logits = logits.masked_fill(logits < logits.topk(wish.top_k).values[-1], -torch.inf)
    shares, order = logits.softmax(-1).sort(descending=True)
    if wish.top_p < 1:
        # A token stays if those before it hold less than top_p; the first always does.
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= wish.top_p, 0.0)
    return int(order[torch.multinomial(shares, 1)])
