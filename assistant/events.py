"""The events of a turn, in the one stream that page, command line and traces consume.

Order: `EmergencyRaised` if any, then steps, tool calls and returns, tokens, one `ClaimChecked` a
sentence, and `Answered` last. Every event is frozen and `to_json` makes it serialisable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.types import (
    Agreement,
    Answer,
    Claim,
    Comparison,
    Emergency,
    Estimate,
    Finding,
    Record,
)


@dataclass(frozen=True, slots=True)
class EmergencyRaised:
    """A red flag was recognised; sent before anything slow happens."""

    emergency: Emergency


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A part of the turn begins."""

    name: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A part of the turn has ended."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The chat model called a tool."""

    tool: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool has returned; `summary` is one line, everything else comes whole."""

    tool: str
    summary: str
    findings: tuple[Finding, ...] = ()
    record: Record | None = None
    comparisons: tuple[Comparison, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text that passed the support check and may be shown now."""

    text: str


@dataclass(frozen=True, slots=True)
class ClaimChecked:
    """A sentence was checked; `shown` says whether it reaches the reader as fact."""

    claim: Claim
    shown: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The turn is over."""

    answer: Answer


Event = (
    EmergencyRaised
    | StepStarted
    | StepFinished
    | ToolCalled
    | ToolReturned
    | Token
    | ClaimChecked
    | Answered
)


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON values with its type's name under "event"."""
    name = type(event).__name__
    body: dict[str, Any] = {}
    match event:
        case EmergencyRaised(emergency):
            body = {"kind": emergency.kind, "notice": emergency.notice}
        case StepStarted(step):
            body = {"name": step}
        case StepFinished(step, seconds):
            body = {"name": step, "seconds": seconds}
        case ToolCalled(tool, arguments):
            body = {"tool": tool, "arguments": dict(arguments)}
        case ToolReturned(tool, summary, findings, record, comparisons, agreements, estimates):
            body = {
                "tool": tool,
                "summary": summary,
                "findings": [finding.to_json() for finding in findings],
                "record": None if record is None else record.to_json(),
                "comparisons": [comparison.to_json() for comparison in comparisons],
                "agreements": [agreement.to_json() for agreement in agreements],
                "estimates": [estimate.to_json() for estimate in estimates],
            }
        case Token(text):
            body = {"text": text}
        case ClaimChecked(claim, shown):
            body = {"claim": claim.to_json(), "shown": shown}
        case Answered(answer):
            body = {"answer": answer.to_json()}
    return {"event": name, **body}
