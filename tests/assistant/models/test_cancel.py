"""A turn's scope travels with its generator, whichever threads ask for its steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from assistant.models import _cancel


def seen(times: int) -> Iterator[tuple[str, threading.Event]]:
    """Say whose turn it is, again and again."""
    for _ in range(times):
        yield _cancel.scope().session, _cancel.current()


def test_two_generators_keep_their_own_scope_step_by_step() -> None:
    one, two = _cancel.Scope(session="one"), _cancel.Scope(session="two")
    streams = [_cancel.within(s, lambda: seen(3)) for s in (one, two)]
    found = [next(streams[n % 2]) for n in range(6)]
    assert [name for name, _ in found] == ["one", "two"] * 3
    assert found[0][1] is one.stop
    assert found[1][1] is two.stop
    assert _cancel.scope().session == ""
    assert not _cancel.current().is_set()


def test_steps_may_be_asked_for_from_several_threads() -> None:
    stream = _cancel.within(_cancel.Scope(session="mine"), lambda: seen(4))
    found: list[str] = []
    for _ in range(4):
        thread = threading.Thread(target=lambda: found.append(next(stream)[0]))
        thread.start()
        thread.join()
    assert found == ["mine"] * 4
    assert list(stream) == []


def test_errors_pass_through_and_closing_closes() -> None:
    closed: list[str] = []

    def failing() -> Iterator[int]:
        try:
            yield 1
            raise KeyError("x")
        finally:
            closed.append(_cancel.scope().session)

    with pytest.raises(KeyError):
        list(_cancel.within(_cancel.Scope(session="a"), failing))
    stream = _cancel.within(_cancel.Scope(session="b"), failing)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert closed == ["a", "b"]
