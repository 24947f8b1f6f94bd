"""One conversation: its history and its attachments. Owned by one user, never shared.

A session holds plain values only; the parts of the assistant hold none of it.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from assistant.types import Answer, Attachment


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange that has ended."""

    message: str
    answer: Answer


@dataclass(slots=True)
class Session:
    """A conversation's state.

    Attributes:
        id: random, not guessable.
        user: whose it is, as the way in has established; "" is nobody in particular, who searches
            what everybody may.
        turns: in order.
        attachments: everything uploaded so far, in order.
        lock: held while a turn runs, so that two turns of one session can't mix.
    """

    id: str
    turns: list[Turn] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    user: str = ""

    @classmethod
    def new(cls, user: str = "") -> Session:
        """Return an empty conversation of a user with a random id."""
        return cls(id=uuid.uuid4().hex, user=user)
