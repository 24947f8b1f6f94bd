"""An answer out of tool results: evidence quoted sentence by sentence, each with its key.

Image and record evidence is quoted whole; literature goes through `_select`. A line that begins
with `ABSTAIN:` says why there is no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.models import _select, _verdicts
from assistant.models._plan import Plan
from assistant.tools import ToolResult
from assistant.types import Evidence
from retrieval import sentences

if TYPE_CHECKING:
    from assistant.resources import Resources

ABSTAIN = "ABSTAIN:"


@dataclass(frozen=True, slots=True)
class Composed:
    """An answer's text with keys, or `ABSTAIN: <reason>`; and what the reader should know of it."""

    text: str
    notice: str = ""


def compose(
    plan: Plan, results: Sequence[ToolResult], errors: Sequence[str], resources: Resources
) -> Composed:
    """Return the answer."""
    notices: list[str] = []
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
            keys = [quote.key for quote in chosen.quotes]
            notices.append(_verdicts.notice(result.found, result.evidence, keys, resources))
    if parts:
        return Composed("\n\n".join(parts), " ".join(filter(None, notices)))
    return Composed(f"{ABSTAIN} {' '.join(reasons) or 'There is no question in the message.'}")


def _whole(item: Evidence) -> str:
    return " ".join(_keyed(s.text, item.key) for s in sentences.split(item.text))


def _keyed(text: str, key: str) -> str:
    if text[-1:] in ".!?":
        return f"{text[:-1]} [{key}]{text[-1]}"
    return f"{text} [{key}]." if text[-1:].isalnum() else f"{text} [{key}]"
