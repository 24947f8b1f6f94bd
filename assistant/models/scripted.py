"""A chat model that says what its script says: for tests of everything around a model.

The script is a JSON file with a list of steps; each is {"text": ...} or
{"tool": name, "arguments": {...}}. The step is chosen by how many replies followed the last human
message, so the model keeps no state and serves any number of conversations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from assistant.errors import ConfigError

if TYPE_CHECKING:
    from assistant.resources import Resources


class ScriptedChatModel(BaseChatModel):
    """Replays `script`; after its last step it says nothing more."""

    script: list[dict[str, Any]]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """Return the model itself: the script names the tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        at = 0
        for message in reversed(messages):
            if isinstance(message, HumanMessage):
                break
            at += isinstance(message, AIMessage)
        step = self.script[at] if at < len(self.script) else {"text": ""}
        if "tool" in step:
            call: Any = {
                "name": step["tool"],
                "args": step.get("arguments", {}),
                "id": f"call-{at}",
            }
            reply = AIMessage(content="", tool_calls=[call])
        else:
            reply = AIMessage(content=str(step["text"]))
        return ChatResult(generations=[ChatGeneration(message=reply)])


def build(argument: str, resources: Resources) -> ScriptedChatModel:
    """Return the model for `scripted:<file>`.

    Raises:
        ConfigError: if the file is missing or holds no list of steps.
    """
    if not argument:
        raise ConfigError("The scripted model needs a script: scripted:<file.json>.")
    try:
        script = json.loads(Path(argument).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The script {argument} can't be read as JSON: {error}.") from error
    if not isinstance(script, list) or not all(
        isinstance(step, dict) and ("text" in step or "tool" in step) for step in script
    ):
        raise ConfigError(f"The script {argument} must be a list of steps with 'text' or 'tool'.")
    return ScriptedChatModel(script=script)
