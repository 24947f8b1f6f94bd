"""The embedded chat model: calls tools, then picks and orders sentences of what they returned.

It cannot invent: every sentence that it writes stands verbatim in the evidence. It reads the
conversation from the messages alone and keeps no state.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from assistant.models import _compose, _plan
from assistant.tools import ToolResult

if TYPE_CHECKING:
    from assistant.resources import Resources


class ExtractiveChatModel(BaseChatModel):
    """Plans tool calls for the last human message, then composes an answer from the results."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    resources: Any

    @property
    def _llm_type(self) -> str:
        return "extractive"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """Return the model itself: it knows the assistant's own tools by name."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        last = max(i for i, m in enumerate(messages) if isinstance(m, HumanMessage))
        results = [m for m in messages[last + 1 :] if isinstance(m, ToolMessage)]
        plan = _plan.make(messages[: last + 1], self.resources)
        if not results and plan.calls:
            reply = AIMessage(
                content="",
                tool_calls=[
                    {"name": call.tool, "args": dict(call.arguments), "id": uuid.uuid4().hex}
                    for call in plan.calls
                ],
            )
        else:
            found = [m.artifact for m in results if isinstance(m.artifact, ToolResult)]
            errors = [str(m.content) for m in results if m.artifact is None]
            composed = _compose.compose(plan, found, errors, self.resources)
            extra = {"notice": composed.notice} if composed.notice else {}
            reply = AIMessage(content=composed.text, additional_kwargs=extra)
        return ChatResult(generations=[ChatGeneration(message=reply)])


def build(argument: str, resources: Resources) -> ExtractiveChatModel:
    """Return the model; it takes no argument."""
    return ExtractiveChatModel(resources=resources)
