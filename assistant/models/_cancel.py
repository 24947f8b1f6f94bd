"""What a turn tells the chat model that works for it: whose it is, its images, and when to stop.

Promises that a model sees the scope of its own turn in whatever thread the agent's graph runs it,
and that a turn which is given up stops its model at the next token. Knows no model.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from assistant.types import Attachment

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """One turn as a chat model may know it.

    Attributes:
        stop: set when the turn is given up; a model looks at it between tokens.
        session: the conversation's id, or "" where there is none.
        user: whose conversation it is.
        attachments: those of the conversation, for models that see images.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    session: str = ""
    user: str = ""
    attachments: tuple[Attachment, ...] = ()


_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("turn", default=None)


def scope() -> Scope:
    """Return the scope of the turn that runs here; outside of any turn a new, empty one."""
    return _scope.get() or Scope()


def current() -> threading.Event:
    """Return the event that is set when the turn that runs here is to stop."""
    return scope().stop


def within(own: Scope, start: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    """Yield what `start()` yields, with every step of it in this turn's scope.

    A generator's steps may be asked for from several threads, each with a context of its own, so
    the scope travels with the generator and not with the thread.
    """
    context = contextvars.copy_context()
    context.run(_scope.set, own)
    stream = context.run(start)
    over = object()
    try:
        while True:
            item = context.run(next, stream, over)
            if item is over:
                return
            yield item  # type: ignore[misc]
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            context.run(close)
