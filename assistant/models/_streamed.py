"""What chat models that stream share: their side of LangChain's interface over one generator.

A model gives `_chunks(messages, stop, tools)`; tools come as JSON schemas. Knows nothing of where the
words come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict


class StreamedChatModel(BaseChatModel):
    """A chat model that writes in pieces; keeps no state of a conversation."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """Return the model with tools, as JSON schemas."""
        kwargs.pop("tool_choice", None)  # the agent leaves the choice to the model
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Yield the reply in pieces, the last one with why it ended, counts and notices.

        Raises:
            InputError: if the question alone is longer than what the model can read.
            ModelError: in one sentence, if there is no whole reply.
            AttachmentError: if an image of the turn can't be decoded.
        """
        for chunk in self._chunks(messages, list(stop or ()), kwargs.get("tools") or []):
            made = ChatGenerationChunk(message=chunk)
            if run_manager is not None:
                run_manager.on_llm_new_token(made.text, chunk=made)
            yield made

    def _chunks(
        self, messages: list[BaseMessage], stop: list[str], tools: list[dict[str, Any]]
    ) -> Iterator[AIMessageChunk]:
        raise NotImplementedError
