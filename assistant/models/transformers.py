"""A chat model of transformers' own formats, served in this process: `transformers:<base>[+<adapter>]`.

The base is a folder or a hub id with safetensors and a chat template; the adapter is a folder that
`auscult finetune` wrote. Without one, the chat adapter that was promoted for this base is used.
Streams, calls tools in the model's own style, keeps to its context window and stops when the turn
is given up. It keeps no state of a conversation but attention states, each for its owner alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk, BaseMessage

from assistant.errors import InputError, ModelError
from assistant.models import (
    _budget,
    _cancel,
    _chat_files,
    _hf_generate,
    _hf_load,
    _hf_messages,
    _hf_vision,
    _prompting,
    _toolcalls,
)
from assistant.models._hf_cache import Owner
from assistant.models._streamed import StreamedChatModel

if TYPE_CHECKING:
    from assistant.resources import Resources
    from assistant.types import Attachment

_LEAST_REPLY = 64
_log = logging.getLogger(__name__)


class TransformersChatModel(StreamedChatModel):
    """A base with at most one of its adapters, behind LangChain's interface.

    Attributes:
        base: a loaded `_hf_load.Base`; shared by every model object of it.
        adapter: a checked `_chat_files.AdapterFiles`, or None for the bare base.
        settings: for length, randomness and decoding of images.
    """

    base: Any
    adapter: Any = None
    settings: Any = None

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def _chunks(
        self, messages: list[BaseMessage], stop: list[str], tools: list[dict[str, Any]]
    ) -> Iterator[AIMessageChunk]:
        scope = _cancel.scope()
        images = _shown(messages, scope.attachments) if self.base.processor is not None else []
        pictures = _hf_vision.pictures(images, self.settings)
        fitted, text = self._prompt(messages, tools, pictures)
        count = _hf_generate.Count()
        thinking = text.rstrip().endswith("<think>")
        parser = _toolcalls.StreamParser(self.base.style, thinking=thinking)
        with self.base.adapters.request(self.adapter) as adapter:
            owner = Owner(scope.user, scope.session, adapter)
            tokens = self._tokens(text, pictures, owner, scope.stop, count)
            for piece in _pieces(tokens, _hf_messages.Speech(self.base.tokenizer), stop):
                for event in parser.feed(piece):
                    if (chunk := _toolcalls.as_chunk(event)) is not None:
                        yield chunk
        for event in parser.close():
            if (chunk := _toolcalls.as_chunk(event)) is not None:
                yield chunk
        yield self._last(count, fitted.notice)

    def _tokens(
        self, text: str, pictures: list[Any], owner: Owner, stop: Any, count: _hf_generate.Count
    ) -> Iterator[int]:
        base = self.base
        if base.processor is not None:
            inputs = _hf_vision.prepare(base, text, pictures)
            wish = self._wish(int(inputs["input_ids"].shape[1]))
            return _hf_vision.reply(base, inputs, owner.adapter, wish, stop, count)
        ids = base.tokenizer(text, add_special_tokens=False)["input_ids"]
        return _hf_generate.reply(base, ids, owner, self._wish(len(ids)), stop, count)

    def _wish(self, prompt: int) -> _hf_generate.Wish:
        left = self.base.limit - prompt
        if left < 1:
            raise InputError(
                f"The question has {prompt:,} tokens with all that belongs to it, more than the "
                f"{self.base.limit:,} that the chat model can read: shorten it, or start anew."
            )
        drawn = self.base.model.generation_config
        return _hf_generate.Wish(
            most=min(self.settings.chat_max_new_tokens, left),
            temperature=self.settings.chat_temperature,
            top_p=1.0 if drawn.top_p is None else drawn.top_p,
            top_k=drawn.top_k or 0,
        )

    def _prompt(
        self, messages: list[BaseMessage], tools: list[dict[str, Any]], pictures: list[Any]
    ) -> tuple[_budget.Fitted, str]:
        """Return what fits the context window, and its text in the model's own template."""
        base = self.base
        write = self._writer(tools, len(pictures))
        shown = _hf_vision.tokens_of(base, pictures) if pictures else 0

        def count(some: list[BaseMessage]) -> int:
            # Not verbose: it would warn of the very length that is being measured.
            read = base.tokenizer(write(some), add_special_tokens=False, verbose=False)
            return shown + len(read["input_ids"])

        # A short window is shared: the reply gets a quarter of it at most.
        reserve = min(self.settings.chat_max_new_tokens, max(_LEAST_REPLY, base.limit // 4))
        fitted = _budget.fit(messages, count, base.limit, reserve)
        return fitted, write(list(fitted.messages))

    def _writer(
        self, tools: list[dict[str, Any]], images: int
    ) -> Callable[[list[BaseMessage]], str]:
        def write(messages: list[BaseMessage]) -> str:
            plain = _hf_messages.as_dicts(messages, images)
            return _prompting.render(self.base.holder, plain, tools)

        return write

    def _last(self, count: _hf_generate.Count, notice: str) -> AIMessageChunk:
        return AIMessageChunk(
            content="",
            additional_kwargs={"notice": notice} if notice else {},
            response_metadata={
                "finish_reason": count.ended,
                "model_name": self.base.folder.name,
                "adapter": self.adapter.name if self.adapter else "",
            },
            usage_metadata={
                "input_tokens": count.prompt,
                "output_tokens": count.reply,
                "total_tokens": count.prompt + count.reply,
                "input_token_details": {"cache_read": count.reused},
            },
        )


def _pieces(tokens: Iterator[int], speech: _hf_messages.Speech, stop: list[str]) -> Iterator[str]:
    """Yield text as it becomes certain, up to a stop string; ends the tokens' making there."""
    halt = _hf_messages.Halt(stop)
    try:
        for token in tokens:
            if piece := halt.feed(speech.feed(token)):
                yield piece
            if halt.over:
                return
        if piece := halt.feed(speech.close()) + halt.close():
            yield piece
    finally:
        tokens.close()  # type: ignore[attr-defined]


def _shown(messages: Sequence[BaseMessage], known: Sequence[Attachment]) -> list[Attachment]:
    """Return the images that came with the last question."""
    asked = next((m for m in reversed(messages) if m.type == "human"), None)
    new = asked.additional_kwargs.get("attachments", ()) if asked is not None else ()
    ids = {a["id"] for a in new if a["kind"] == "image"}
    return [a for a in known if a.id in ids and a.kind == "image"]


def build(argument: str, resources: Resources) -> TransformersChatModel:
    """Return the model for `<hub id or folder>[+<adapter folder>]`; the base is loaded once.

    Raises:
        ConfigError: if no base is named.
        ModelError: if the base or the adapter can't be found, verified or loaded.
    """
    spec = _chat_files.parse(argument)
    base = _hf_load.base(spec.base, resources.settings)
    adapter = (
        _chat_files.check_adapter(Path(spec.adapter).expanduser(), base.digest)
        if spec.adapter
        else _promoted(base, resources)
    )
    return TransformersChatModel(base=base, adapter=adapter, settings=resources.settings)


def _promoted(base: _hf_load.Base, resources: Resources) -> _chat_files.AdapterFiles | None:
    """Return the promoted chat adapter where it is one of this base."""
    folder = resources.promotions.current("chat")
    if folder is None:
        return None
    try:
        named = _chat_files.base_of(folder)
    except ModelError as error:
        _log.warning("the promoted chat adapter is not served: %s", error)
        return None
    if named != base.digest:
        _log.info("the promoted chat adapter sits on another base; the bare base is served")
        return None
    return _chat_files.check_adapter(folder, base.digest)
