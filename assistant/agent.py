"""One turn of the agent graph: the chat model, its tools, and the events they give.

LangChain's agent graph runs the loop; this module turns its updates into events and has every
sentence put through the support check, while a slow model still writes. It is the same for every
chat model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assistant.errors import ToolError
from assistant.events import Event, StepFinished, StepStarted, ToolCalled, ToolReturned
from assistant.models import _cancel, _prompting
from assistant.tools import ToolResult, TurnContext
from assistant.types import (
    Agreement,
    Citation,
    Claim,
    Comparison,
    Estimate,
    Evidence,
    Finding,
    Record,
    Step,
)
from assistant.writing import ABSTAIN, Writer
from retrieval import plugins

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

# Tracing would send prompts to a service on the network.
for _name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ[_name] = "false"

_MAX_STEPS = 12


@dataclass(slots=True)
class Outcome:
    """What a run of the graph has come to; filled while its events are given out.

    Attributes:
        text: the final message of the chat model.
        claims: sentences that passed the check, in order, with keys renumbered by first use.
        withheld: sentences that didn't.
        reason: why the model abstained, or "".
        findings: of the image tool.
        record: of the record tool.
        steps: what was done and for how long.
        notices: what the chat model and the tools say of the turn itself, such as passages left out
            for length.
        comparisons: of the image tool: films beside earlier ones.
        agreements: of the image tool: findings beside records.
        estimates: of the image tool: film and record together.
    """

    text: str = ""
    claims: list[Claim] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    record: Record | None = None
    steps: list[Step] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)


def run(
    model: BaseChatModel, messages: Sequence[BaseMessage], context: TurnContext, outcome: Outcome
) -> Iterator[Event]:
    """Run the graph on the messages and yield its events; `outcome` holds the result at the end."""
    from langgraph.errors import GraphRecursionError

    writer = Writer(context)
    try:
        yield from _loop(model, messages, writer, outcome)
    except GraphRecursionError:
        outcome.text = f"{ABSTAIN} The chat model kept calling tools and gave no answer."
    yield StepStarted("check")
    began = time.perf_counter()
    yield from writer.finish(outcome.text)
    yield from writer.insist()
    outcome.claims, outcome.withheld, outcome.reason = writer.claims, writer.withheld, writer.reason
    yield _finished("check", began, outcome)


def _loop(
    model: BaseChatModel, messages: Sequence[BaseMessage], writer: Writer, outcome: Outcome
) -> Iterator[Event]:
    context = writer.context
    graph = _graph(model, context)
    began = time.perf_counter()
    yield StepStarted("plan")
    name = "plan"
    pending = 0
    for mode, update in _cancel.within(_scope(context), lambda: _updates(graph, messages)):
        if mode == "messages":
            yield from writer.feed(_piece(update))
            continue
        for message in _new_messages(update):
            if message.type == "ai":
                yield _finished(name, began, outcome)
                outcome.text = _text(message)
                outcome.notices += _notices(message)
                calls = list(message.tool_calls)
                for call in calls:
                    arguments = tuple((k, str(v)) for k, v in call["args"].items())
                    yield ToolCalled(call["name"], arguments)
                if not calls:
                    return
                writer.called()
                pending = len(calls)
                name = ", ".join(dict.fromkeys(call["name"] for call in calls))
                yield StepStarted(name)
                began = time.perf_counter()
            elif message.type == "tool":
                yield _returned(message, outcome)
                pending -= 1
                if pending == 0:  # tools run side by side and return one by one
                    yield _finished(name, began, outcome)
                    name = "write"
                    yield StepStarted(name)
                    began = time.perf_counter()


def _scope(context: TurnContext) -> _cancel.Scope:
    """Return what the chat model may know of the turn besides its messages."""
    return _cancel.Scope(
        stop=context.stop,
        session=context.session,
        user=context.user,
        attachments=tuple(context.attachments),
    )


def _updates(graph: Any, messages: Sequence[BaseMessage]) -> Iterator[tuple[str, Any]]:
    limits = {"recursion_limit": _MAX_STEPS}
    modes = ["updates", "messages"]
    yield from graph.stream({"messages": list(messages)}, limits, stream_mode=modes)


def _piece(streamed: tuple[Any, Any]) -> str:
    """Return what a chat model has just written; "" for whole messages, which come as updates."""
    from langchain_core.messages import AIMessageChunk

    message, _ = streamed
    return _text(message) if isinstance(message, AIMessageChunk) else ""


def _notices(message: Any) -> list[str]:
    notice = message.additional_kwargs.get("notice", "")
    return [notice] if isinstance(notice, str) and notice else []


def _graph(model: BaseChatModel, context: TurnContext) -> Any:
    from langchain.agents import create_agent
    from langchain.agents.middleware import wrap_tool_call
    from langchain_core.messages import ToolMessage

    @wrap_tool_call
    def mend(request: Any, handler: Any) -> Any:
        """Give a repairable failure back to the model; anything else surfaces."""
        try:
            return handler(request)
        except ToolError as error:
            return ToolMessage(
                str(error),
                name=request.tool_call["name"],
                tool_call_id=request.tool_call["id"],
                status="error",
            )

    package = "assistant.tools"
    tools = [plugins.load(package, name).build(context) for name in plugins.names(package)]
    return create_agent(model, tools, system_prompt=_prompting.system_prompt(), middleware=[mend])


def _new_messages(update: dict[str, Any]) -> list[Any]:
    return [m for part in update.values() if part for m in part.get("messages", [])]


def _text(message: Any) -> str:
    return message.content if isinstance(message.content, str) else str(message.text)


def _finished(name: str, began: float, outcome: Outcome) -> StepFinished:
    seconds = time.perf_counter() - began
    outcome.steps.append(Step(name, seconds))
    return StepFinished(name, seconds)


def _returned(message: Any, outcome: Outcome) -> ToolReturned:
    result = message.artifact
    if not isinstance(result, ToolResult):
        return ToolReturned(message.name or "tool", str(message.content))
    outcome.findings.extend(result.findings)
    outcome.record = result.record or outcome.record
    outcome.comparisons.extend(result.comparisons)
    outcome.agreements.extend(result.agreements)
    outcome.estimates.extend(result.estimates)
    outcome.notices.extend(result.notices)
    return ToolReturned(
        message.name,
        result.summary,
        result.findings,
        result.record,
        result.comparisons,
        result.agreements,
        result.estimates,
    )


def nearest(evidence: Sequence[Evidence], most: int = 3) -> tuple[Citation, ...]:
    """Return the best passages as citations of their first sentence, for an abstention."""
    from retrieval import sentences

    out: list[Citation] = []
    for item in [e for e in evidence if e.kind == "passage"][:most]:
        first = sentences.split(item.text)[:1]
        end = first[0].end if first else len(item.text)
        out.append(
            Citation(
                key=f"S{len(out) + 1}",
                passage=item.passage,
                document=item.document,
                title=item.title,
                source=item.source,
                url=item.url,
                start=item.start,
                end=item.start + end,
                quote=item.text[:end],
            )
        )
    return tuple(out)
