"""One turn of the agent graph: the chat model, its tools, and the events they give.

LangChain's agent graph runs the loop; this module turns its updates into events and puts every
sentence of the final message through the support check. It is the same for every chat model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assistant.errors import ToolError
from assistant.events import (
    ClaimChecked,
    Event,
    StepFinished,
    StepStarted,
    Token,
    ToolCalled,
    ToolReturned,
)
from assistant.safety import grounding
from assistant.tools import PREFIXES, ToolResult, TurnContext
from assistant.types import Citation, Claim, Evidence, Finding, Record, Step
from retrieval import plugins

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

# Tracing would send prompts to a service on the network.
for _name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ[_name] = "false"

ABSTAIN = "ABSTAIN:"
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
    """

    text: str = ""
    claims: list[Claim] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    record: Record | None = None
    steps: list[Step] = field(default_factory=list)


def run(
    model: BaseChatModel, messages: Sequence[BaseMessage], context: TurnContext, outcome: Outcome
) -> Iterator[Event]:
    """Run the graph on the messages and yield its events; `outcome` holds the result at the end."""
    from langgraph.errors import GraphRecursionError

    try:
        yield from _loop(model, messages, context, outcome)
    except GraphRecursionError:
        outcome.text = f"{ABSTAIN} The chat model kept calling tools and gave no answer."
    yield StepStarted("check")
    began = time.perf_counter()
    yield from _check(context, outcome)
    yield _finished("check", began, outcome)


def _loop(
    model: BaseChatModel, messages: Sequence[BaseMessage], context: TurnContext, outcome: Outcome
) -> Iterator[Event]:
    graph = _graph(model, context)
    began = time.perf_counter()
    yield StepStarted("plan")
    name = "plan"
    pending = 0
    for update in graph.stream(
        {"messages": list(messages)}, {"recursion_limit": _MAX_STEPS}, stream_mode="updates"
    ):
        for message in _new_messages(update):
            if message.type == "ai":
                yield _finished(name, began, outcome)
                outcome.text = _text(message)
                calls = list(message.tool_calls)
                for call in calls:
                    arguments = tuple((k, str(v)) for k, v in call["args"].items())
                    yield ToolCalled(call["name"], arguments)
                if not calls:
                    return
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
    return create_agent(model, tools, system_prompt=_system_prompt(), middleware=[mend])


def _system_prompt() -> str:
    from importlib import resources

    return resources.files("assistant.prompts").joinpath("system.md").read_text("utf-8")


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
    return ToolReturned(message.name, result.summary, result.findings, result.record)


def _check(context: TurnContext, outcome: Outcome) -> Iterator[Event]:
    text = outcome.text.strip()
    if text.upper().startswith(ABSTAIN):
        outcome.reason = text[len(ABSTAIN) :].strip().partition("\n")[0]
        return
    keys: dict[str, str] = {}
    threshold = context.resources.settings.support_threshold
    for written in grounding.parse(text):
        claim = grounding.check(
            written, context.evidence, lambda texts: context.resources.encoder.embed(texts)
        )
        shown = bool(claim.citations) and claim.support >= threshold
        if shown:
            claim = _renumbered(claim, context, keys)
            outcome.claims.append(claim)
        else:
            outcome.withheld.append(claim.text)
        yield ClaimChecked(claim, shown)
        if shown:
            yield Token(marked(claim) + " ")
    if outcome.withheld and not outcome.claims:
        outcome.reason = "Nothing that the chat model wrote is supported by the evidence found."


def _renumbered(claim: Claim, context: TurnContext, keys: dict[str, str]) -> Claim:
    """Number the keys by first use, so that a reader meets S1 before S2."""
    citations = []
    for citation in claim.citations:
        if citation.key not in keys:
            prefix = PREFIXES[context.evidence[citation.key].kind]
            number = 1 + sum(new.startswith(prefix) for new in keys.values())
            keys[citation.key] = f"{prefix}{number}"
        citations.append(replace(citation, key=keys[citation.key]))
    return replace(claim, citations=tuple(citations))


def marked(claim: Claim) -> str:
    """Return a claim's sentence followed by the keys of its citations."""
    return f"{claim.text} [{', '.join(c.key for c in claim.citations)}]"


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
