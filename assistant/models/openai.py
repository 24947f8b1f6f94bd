"""A chat model on a server that speaks the chat completions interface: `openai:<model>@<url>`.

vLLM and most other engines do. Streams, calls tools, keeps to the model's context window, stops when
the turn is given up, and tells every fault of the server in one sentence that leaves the
conversation as it was. Sends the conversation to that server and to nobody else; images only where
`chat_images` allows it. Logs neither what is said nor the key.

The interface is spoken here, over httpx, and not by a client library: those fetch tokenizer tables
when they run, follow redirects, and raise errors that no user can act on.
"""

from __future__ import annotations

import base64
import io
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from assistant.errors import ConfigError, ModelError
from assistant.models import (
    _budget,
    _cancel,
    _openai_call,
    _openai_spec,
    _openai_wire,
    _toolcalls,
)
from assistant.models._openai_errors import TooLong, Unsupported
from assistant.models._openai_http import Server, Stopped
from assistant.models._openai_stream import Reply
from assistant.models._streamed import StreamedChatModel

if TYPE_CHECKING:
    from assistant.resources import Resources
    from assistant.settings import Settings
    from assistant.types import Attachment

_CHECK_S = 5.0
_MAX_IMAGES = 8
_MAX_SIDE = 1024  # pixels; what servers scale images to at most, near enough
_MAX_LEARNED = 64
_MARGIN = 1.05
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Learned:
    """What a server has told of itself by refusing.

    Attributes:
        limit: tokens of the model's window; 0 where it is not known.
        scale: how many of its tokens one token of our estimate is.
        without: fields of the request that it does not take.
    """

    limit: int = 0
    scale: float = 1.0
    without: frozenset[str] = frozenset()


_learned: dict[tuple[str, str], _Learned] = {}
_lock = threading.Lock()


class OpenAIChatModel(StreamedChatModel):
    """A model on a server, behind LangChain's interface; keeps no state of a conversation."""

    server: Any
    settings: Any

    @property
    def _llm_type(self) -> str:
        return "openai"

    def _chunks(
        self, messages: list[BaseMessage], stop: list[str], tools: list[dict[str, Any]]
    ) -> Iterator[AIMessageChunk]:
        scope = _cancel.scope()
        images = _images(messages, scope.attachments, self.settings)
        deadline = time.monotonic() + self.server.timeout_s
        parser = _toolcalls.StreamParser(_toolcalls.STYLES["server"])
        notice = ""
        try:
            for piece in self._asked(messages, images, tools, stop, deadline):
                if isinstance(piece, _budget.Fitted):
                    notice = piece.notice
                elif isinstance(piece, Reply):
                    yield from _said(parser.close())
                    yield from _called(piece)
                    yield self._last(piece, notice)
                else:
                    yield from _said(parser.feed(piece))
        except Stopped:
            yield AIMessageChunk(content="", response_metadata={"finish_reason": "cancelled"})

    def _asked(
        self,
        messages: list[BaseMessage],
        images: list[str],
        tools: list[dict[str, Any]],
        stop: list[str],
        deadline: float,
    ) -> Iterator[str | Reply | _budget.Fitted]:
        """Yield what is read, then the reply; asks otherwise where the server wants that."""
        shortened = False
        while True:
            known = self._known()
            fitted, made, counted = self._fit(messages, images, tools, known)
            yield fitted
            body = self._body(made, tools, stop, known)
            try:
                yield from _openai_call.ask(self.server, body, _cancel.current(), deadline)
            except TooLong as error:
                if shortened:
                    raise ModelError(str(error)) from error
                shortened = True
                self._learn(_measured(known, error, counted))
            except Unsupported as error:
                if error.field in known.without or error.field not in body:
                    raise ModelError(str(error)) from error
                self._learn(replace(known, without=known.without | {error.field}))
            else:
                return

    def _fit(
        self,
        messages: list[BaseMessage],
        images: list[str],
        tools: list[dict[str, Any]],
        known: _Learned,
    ) -> tuple[_budget.Fitted, list[dict[str, Any]], int]:
        """Return what fits the window as far as that is known, and its estimated tokens."""

        def estimate(some: list[BaseMessage]) -> int:
            return _openai_wire.tokens(_openai_wire.messages(some, images), tools)

        fitted = _budget.Fitted(list(messages))
        if limit := self._limit(known):
            fitted = _budget.fit(
                messages,
                lambda some: int(estimate(some) * known.scale),
                limit,
                self._reserve(known),
            )
        return fitted, _openai_wire.messages(fitted.messages, images), estimate(fitted.messages)

    def _limit(self, known: _Learned) -> int:
        """Return the tokens of the context window, or 0 where nobody has told."""
        return min((n for n in (self.settings.chat_context_tokens, known.limit) if n), default=0)

    def _reserve(self, known: _Learned) -> int:
        """Return the tokens that a reply may take: a quarter of a short window at most."""
        most: int = self.settings.chat_max_new_tokens
        limit = self._limit(known)
        return min(most, limit // 4) if limit else most

    def _body(
        self,
        made: list[dict[str, Any]],
        tools: list[dict[str, Any]],
        stop: list[str],
        known: _Learned,
    ) -> dict[str, Any]:
        most = self._reserve(known)
        body: dict[str, Any] = {
            "model": self.server.place.model,
            "messages": made,
            "stream": True,
            "temperature": self.settings.chat_temperature,
            "max_tokens": most,
        }
        if "max_tokens" in known.without and "max_completion_tokens" not in known.without:
            body["max_completion_tokens"] = most
        if tools:
            body["tools"] = tools
        if stop:
            body["stop"] = stop
        return {name: value for name, value in body.items() if name not in known.without}

    def _known(self) -> _Learned:
        with _lock:
            return _learned.get((self.server.place.url, self.server.place.model), _Learned())

    def _learn(self, learned: _Learned) -> None:
        with _lock:
            if len(_learned) >= _MAX_LEARNED:
                _learned.clear()
            _learned[self.server.place.url, self.server.place.model] = learned
        _log.info("chat server %s: %s", self.server.place.host, learned)

    def _last(self, reply: Reply, notice: str) -> AIMessageChunk:
        notices = [notice] if notice else []
        if reply.finish == "length":
            notices.append(
                "The chat model's reply was cut off at its greatest length "
                f"({self.settings.chat_max_new_tokens} tokens, chat_max_new_tokens)."
            )
        if reply.finish == "content_filter":
            notices.append("The chat server's content filter cut the reply off.")
        read, written = (reply.usage.get(n, 0) for n in ("prompt_tokens", "completion_tokens"))
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
        return AIMessageChunk(
            content="",
            additional_kwargs={"notice": " ".join(notices)} if notices else {},
            response_metadata={
                "finish_reason": reply.finish[:40],
                "model_name": self.server.place.model,
            },
            usage_metadata=usage if reply.usage else None,
        )


def _said(events: Sequence[_toolcalls.Event]) -> Iterator[AIMessageChunk]:
    for event in events:
        if (chunk := _toolcalls.as_chunk(event)) is not None:
            yield chunk


def _called(reply: Reply) -> Iterator[AIMessageChunk]:
    """Yield the calls that the server has parsed itself; ids that repeat are replaced."""
    seen: set[str] = set()
    for identifier, call in reply.calls():
        unique = "" if identifier in seen else identifier
        seen.add(identifier)
        if (chunk := _toolcalls.as_chunk(call, unique)) is not None:
            yield chunk


def _measured(known: _Learned, error: TooLong, counted: int) -> _Learned:
    """Return what a refusal teaches of the window, so that the next try fits."""
    if error.limit and error.asked and counted:
        return replace(known, limit=error.limit, scale=_MARGIN * error.asked / counted)
    if error.limit:
        return replace(known, limit=error.limit, scale=1.5 * known.scale)
    # It doesn't say how much: two thirds of what was too much.
    return replace(known, limit=max(256, int(counted * known.scale * 2 / 3)))


def _images(
    messages: Sequence[BaseMessage], known: Sequence[Attachment], settings: Settings
) -> list[str]:
    """Return the images that came with the last question as data URLs, if they may be sent.

    They are decoded and written anew, so that nothing of a file but its picture leaves the machine.
    """
    asked = next((m for m in reversed(messages) if m.type == "human"), None)
    if not settings.chat_images or asked is None:
        return []
    from assistant.models import _hf_vision

    new = {a["id"] for a in asked.additional_kwargs.get("attachments", ())}
    images = [a for a in known if a.id in new and a.kind == "image"][:_MAX_IMAGES]
    out = []
    for picture in _hf_vision.pictures(images, settings):
        picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        out.append("data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"))
    return out


def _server(argument: str, settings: Settings, timeout_s: float) -> Server:
    key = settings.openai_api_key.get_secret_value().strip() if settings.openai_api_key else ""
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            "The setting openai_api_key holds characters that no key has: copy it anew."
        )
    return Server(_openai_spec.parse(argument), key, timeout_s)


def check(spec: str, settings: Settings) -> str | None:
    """Return what keeps a spec's server from being used, in one sentence; None if nothing shows.

    Asks the server for its list of models, for five seconds at most.

    Args:
        spec: `openai:<model>@<url>`, or what stands behind its first colon.
        settings: with the key.
    """
    try:
        server = _server(spec.removeprefix("openai:").strip(), settings, _CHECK_S)
    except ConfigError as error:
        return str(error)
    return _openai_call.trouble(server)


def build(argument: str, resources: Resources) -> OpenAIChatModel:
    """Return the model for `<model>@<url>`; nothing is sent yet.

    Raises:
        ConfigError: if the address is missing or may not be talked to, or the key can't be one.
    """
    settings = resources.settings
    server = _server(argument, settings, settings.chat_timeout_s)
    return OpenAIChatModel(server=server, settings=settings)
