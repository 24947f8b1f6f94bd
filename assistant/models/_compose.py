"""An answer out of tool results: evidence quoted sentence by sentence, each with its key.

Image and record evidence is quoted whole; literature goes through `_select`. A line that begins
with `ABSTAIN:` says why there is no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.models import _select
from assistant.models._plan import Plan
from assistant.tools import ToolResult
from assistant.types import Evidence
from retrieval import sentences

if TYPE_CHECKING:
    from assistant.resources import Resources

ABSTAIN = "ABSTAIN:"


def compose(
    plan: Plan, results: Sequence[ToolResult], errors: Sequence[str], resources: Resources
) -> str:
    """Return the answer's text with keys, or `ABSTAIN: <reason>`."""
    parts: list[str] = []
    reasons: list[str] = list(errors)
    for result in results:
        if result.found is None:
            parts.extend(_whole(item) for item in result.evidence)
            if result.record is not None and not result.evidence:
                reasons.append("The record says nothing on that.")
            continue
        chosen = _select.select(result.found, result.evidence, resources.librarian)
        if chosen.reason:
            reasons.append(chosen.reason)
        else:
            parts.append(" ".join(_keyed(quote.text, quote.key) for quote in chosen.quotes))
    if parts:
        return "\n\n".join(parts)
    return f"{ABSTAIN} {' '.join(reasons) or 'There is no question in the message.'}"


def _whole(item: Evidence) -> str:
    return " ".join(_keyed(s.text, item.key) for s in sentences.split(item.text))


def _keyed(text: str, key: str) -> str:
    if text[-1:] in ".!?":
        return f"{text[:-1]} [{key}]{text[-1]}"
    return f"{text} [{key}]." if text[-1:].isalnum() else f"{text} [{key}]"
