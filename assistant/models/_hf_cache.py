"""Attention states kept from turn to turn: one entry a conversation, never shared.

The next prompt of a conversation mostly begins like the last one, so its states are computed once.
An entry serves only the user, the conversation and the adapter that it was made for; it is taken
out while it is used, so two threads can't have the same. Knows nothing of text.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose states an entry holds; equal owners only may use it.

    Attributes:
        user: the conversation's user.
        session: the conversation's id; "" for none, whose states are never kept.
        adapter: the adapter's name, or "".
    """

    user: str
    session: str
    adapter: str


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """States of a sequence of tokens.

    Attributes:
        ids: the tokens.
        states: a transformers `Cache` of exactly these tokens.
        size_bytes: memory that it takes.
    """

    ids: tuple[int, ...]
    states: Any
    size_bytes: int


class PrefixCache:
    """Entries by owner, the one used longest ago dropped first when memory runs out."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[Owner, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Memory of all entries."""
        with self._lock:
            return sum(kept.size_bytes for kept in self._entries.values())

    def take(self, owner: Owner, ids: Sequence[int]) -> tuple[Any, int]:
        """Return an owner's states cut to what `ids` begins with, and their length in tokens.

        At least the last token of `ids` is left to be computed. (None, 0) where nothing can be
        used: no entry, nothing in common, or layers that can't be cut (a sliding window that has
        moved on, a recurrent state).
        """
        with self._lock:
            kept = self._entries.pop(owner, None)
        if kept is None:
            return None, 0
        shared = common_prefix(kept.ids, ids[:-1])
        if shared == 0 or not cut(kept.states, len(kept.ids) - shared):
            return None, 0
        return kept.states, shared

    def keep(self, owner: Owner, ids: Sequence[int], states: Any) -> None:
        """Keep the states of `ids` for their owner's next turn."""
        if not owner.session:
            return
        size = size_of(states)
        if size > self._most:
            return
        with self._lock:
            self._entries.pop(owner, None)
            self._entries[owner] = Kept(tuple(ids), states, size)
            while sum(kept.size_bytes for kept in self._entries.values()) > self._most:
                self._entries.popitem(last=False)

    def forget(self, session: str) -> None:
        """Drop what is kept of a conversation."""
        with self._lock:
            for owner in [o for o in self._entries if o.session == session]:
                del self._entries[owner]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    length = min(len(a), len(b))
    for at in range(length):
        if a[at] != b[at]:
            return at
    return length


def cut(states: Any, tokens: int) -> bool:
    """Remove the last tokens from states; False where their kind does not allow it."""
    if tokens == 0:
        return True
    if any(states.is_linear) or any(states.is_dummy):
        return False
    try:
        states.crop(-tokens)
    except (RuntimeError, ValueError):  # a sliding window has forgotten what would be needed
        return False
    return True


def size_of(states: Any) -> int:
    """Return the memory of states in bytes."""
    total = 0
    for layer in states.layers:
        for name in ("keys", "values"):
            tensor = getattr(layer, name, None)
            if tensor is not None:
                total += tensor.nbytes
    return total
