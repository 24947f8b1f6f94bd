"""One reply of a chat server: asked again where that is safe, told in one sentence where not.

Asks again only before the first word has come: after overload or a broken connection with growing
pauses, without a field that the server does not take, never beyond the time that a reply may take.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from assistant.errors import ModelError
from assistant.models import _openai_errors as errors
from assistant.models._openai_http import Exchange, Server
from assistant.models._openai_stream import Reply

TRIES = 4
MAX_PAUSE_S = 30.0
_SHOWN_MODELS = 8
_log = logging.getLogger(__name__)


def ask(
    server: Server, body: Mapping[str, Any], stop: threading.Event, deadline: float
) -> Iterator[str | Reply]:
    """Yield the text of a reply piece by piece, and at last the whole `Reply`.

    Args:
        server: whom to ask.
        body: the request.
        stop: looked at all the time.
        deadline: on the monotonic clock.

    Raises:
        Stopped: if the turn was given up.
        TooLong, Unsupported: before anything has been given out.
        ModelError: in one sentence, whatever the server does.
    """
    for tried in range(1, TRIES + 1):
        given = 0
        try:
            for piece in _once(server, body, stop, deadline):
                given += 1
                yield piece
        except errors.Transient as error:
            if given or not _pause(server, error, tried, stop, deadline):
                raise ModelError(str(error)) from error
        except errors.NoModel as error:
            raise _offered(server, error, stop, deadline) from error
        else:
            return


def _once(
    server: Server, body: Mapping[str, Any], stop: threading.Event, deadline: float
) -> Iterator[str | Reply]:
    with Exchange(server, "/chat/completions", body, deadline, stop) as exchange:
        if exchange.status != 200:
            raise errors.judge(
                server.place, exchange.status, exchange.headers, exchange.body(), server.key
            )
        packed = exchange.headers.get("content-encoding", "identity").lower()
        if packed != "identity":
            raise ModelError(
                f"The chat server {server.place.host} sent a compressed reply ({packed[:20]}) that "
                "was not asked for: switch compression off, also in proxies between."
            )
        reply = Reply(server.place.host, server.key)
        yield from reply.read(exchange.blocks())
        yield reply


def _pause(
    server: Server, error: errors.Transient, tried: int, stop: threading.Event, deadline: float
) -> bool:
    """Wait before the next try; False if there is to be none."""
    pause_s = error.pause_s
    if pause_s is None:
        # Spread out, so that turns which failed together don't come back together.
        pause_s = server.backoff_s * 2 ** (tried - 1) * random.uniform(0.5, 1)
    if tried == TRIES or pause_s > MAX_PAUSE_S or time.monotonic() + pause_s >= deadline:
        return False
    _log.info("chat server %s: try %d failed, next in %.1f s", server.place.host, tried, pause_s)
    stop.wait(pause_s)
    return True


def _offered(
    server: Server, error: errors.NoModel, stop: threading.Event, deadline: float
) -> ModelError:
    """Return the error with the models that the server has, where it tells."""
    try:
        names = models(server, stop, min(deadline, time.monotonic() + 10))
    except ModelError:
        return ModelError(str(error))
    if server.place.model in names:
        return ModelError(str(error))
    return ModelError(_lacks(server, names))


def _lacks(server: Server, names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_MODELS]) + (", …" if len(names) > _SHOWN_MODELS else "")
    return (
        f"The chat server {server.place.host} has no model {server.place.model!r}: it offers "
        f"{shown or 'none'}."
    )


def models(server: Server, stop: threading.Event, deadline: float) -> list[str]:
    """Return the names of the models that a server offers.

    Raises:
        ModelError: if it can't be reached, or does not tell.
    """
    with Exchange(server, "/models", None, deadline, stop) as exchange:
        body = exchange.body(1_000_000)
        if exchange.status != 200:
            raise errors.judge(server.place, exchange.status, exchange.headers, body, server.key)
    try:
        rows = json.loads(body)["data"]
        return [errors.clean(str(row["id"]), server.key) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"The chat server {server.place.host} does not list its models as it should: check "
            "the address in chat_model, which usually ends in /v1."
        ) from error


def trouble(server: Server) -> str | None:
    """Return what keeps a server from being used, in one sentence; None if nothing shows."""
    try:
        names = models(server, threading.Event(), time.monotonic() + server.timeout_s)
    except errors.NoModel:
        return None  # it has no list; the first question will tell
    except ModelError as error:
        return str(error)
    return None if server.place.model in names else _lacks(server, names)
