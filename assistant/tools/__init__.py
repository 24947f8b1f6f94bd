"""Tools that a chat model can call, one file each.

A tool's module exposes `build(context: TurnContext) -> BaseTool`. The tool returns what the model
reads and, as the message's artifact, a `ToolResult`. Tools are made anew for every turn, so that
they can hold its attachments without sharing anything.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assistant.errors import ToolError
from assistant.models import _prompting
from assistant.types import (
    Agreement,
    Attachment,
    Comparison,
    Estimate,
    Evidence,
    EvidenceKind,
    Finding,
    Record,
)

if TYPE_CHECKING:
    from assistant.resources import Resources
    from retrieval.librarian import Found

PREFIXES: dict[EvidenceKind, str] = {"passage": "S", "record": "R", "image": "I"}


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool found.

    Attributes:
        summary: one line for the steps panel.
        evidence: what may be cited, best first.
        findings: of the image tool.
        record: of the record tool.
        found: of the literature tool.
        comparisons: of the image tool: films beside earlier ones.
        agreements: of the image tool: findings beside records.
        estimates: of the image tool: film and record together.
        notices: what the reader should know besides, such as why something was left out.
    """

    summary: str
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...] = ()
    record: Record | None = None
    found: Found | None = None
    comparisons: tuple[Comparison, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(slots=True)
class TurnContext:
    """What the tools of one turn share: the parts, the attachments, and the keys given out.

    `resources.librarian` is the library of the conversation's user, `user`. `session` is the
    conversation's id, and `stop` is set when the turn is given up.

    Attributes:
        rests: by the key of evidence that sets others against each other, the keys that it rests
            on; a sentence of it cites those.
        must: keys of evidence that is said whatever the chat model writes; whether also where it
            abstains.
    """

    resources: Resources
    attachments: Sequence[Attachment]
    question: str
    evidence: dict[str, Evidence] = field(default_factory=dict)
    user: str = ""
    session: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    rests: dict[str, tuple[str, ...]] = field(default_factory=dict)
    must: dict[str, bool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cite(self, evidence: Evidence) -> Evidence:
        """Give a piece of evidence its key and keep it for the grounding check.

        The same words of the same document get the key that they were given before. Tools of one
        turn run side by side.
        """
        with self._lock:
            return self._cite(evidence)

    def _cite(self, evidence: Evidence) -> Evidence:
        for known in self.evidence.values():
            if (known.document, known.start, known.text) == (
                evidence.document,
                evidence.start,
                evidence.text,
            ):
                return known
        prefix = PREFIXES[evidence.kind]
        number = 1 + sum(known.kind == evidence.kind for known in self.evidence.values())
        keyed = replace(evidence, key=f"{prefix}{number}")
        self.evidence[keyed.key] = keyed
        return keyed

    def of_kind(self, kind: str) -> list[Attachment]:
        """Return the attachments of a kind, in the order of upload."""
        return [a for a in self.attachments if a.kind == kind]

    def attachment(self, name: str, kind: str) -> Attachment:
        """Return the attachment with this id or name, or the latest of the kind.

        Raises:
            ToolError: if there is none; the message lists those there are.
        """
        fitting = self.of_kind(kind)
        for attachment in reversed(fitting):
            if name in (attachment.id, attachment.name) or not name:
                return attachment
        known = ", ".join(f"{a.id} ({a.name})" for a in fitting) or "none"
        raise ToolError(
            f"There is no {kind} {name!r}: the {kind}s in this conversation are {known}."
        )


def render(evidence: Sequence[Evidence]) -> str:
    """Return evidence as the text that a chat model reads: keyed, fenced, one block each."""
    return _prompting.passages_text(evidence)
