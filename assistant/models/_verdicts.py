"""What the studies that an answer quotes say to a yes-no question, and whether they agree.

A learned reading of each study, by the `verdict` adapter, put into one hedged sentence for the reader;
it changes nothing of what is quoted. Knows nothing of how sentences were chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelError
from assistant.models import _studies
from assistant.types import Evidence
from retrieval.librarian import Found

if TYPE_CHECKING:
    from assistant.resources import Resources

_YES_NO = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|had|may|might)\b",
    re.IGNORECASE,
)
_MOST = 6
_WORDS = {"yes": "yes", "no": "no", "maybe": "undecided"}


def notice(
    found: Found, evidence: Sequence[Evidence], quoted: Sequence[str], resources: Resources
) -> str:
    """Return a sentence on how the quoted studies read, or "" where that can't be said.

    Args:
        found: what the search gave for the question.
        evidence: its passages, in the same order.
        quoted: keys of the passages that are quoted.
        resources: give the verdict adapter.
    """
    if not _YES_NO.match(found.question):
        return ""
    texts = _studies_quoted(found, evidence, quoted)
    if not texts:
        return ""
    try:
        classifier = resources.verdict
    except ModelError:  # Another encoder serves, on which no verdict adapter sits.
        return ""
    pairs = [(found.question, text) for text in texts]
    read = classifier.decide(classifier.probabilities(pairs))
    return _said(read, classifier.card)


def _studies_quoted(found: Found, evidence: Sequence[Evidence], quoted: Sequence[str]) -> list[str]:
    """Return what the search gave of each quoted study, in one text each."""
    texts: dict[str, list[str]] = {}
    cited: list[str] = []
    for hit, item in zip(found.hits, evidence, strict=True):
        if hit.passage.kind in _studies.KINDS:
            texts.setdefault(item.document, []).append(item.text)
            if item.key in quoted and item.document not in cited:
                cited.append(item.document)
    return [" ".join(texts[document]) for document in cited[:_MOST]]


def _said(read: Sequence[str], card: Mapping[str, Any]) -> str:
    counts = {label: read.count(label) for label in _WORDS if label in read}
    if len(read) == 1:
        what = f"The study quoted reads as “{_WORDS[read[0]]}”"
    elif len(counts) == 1:
        what = f"All {len(read)} studies quoted read as “{_WORDS[read[0]]}”"
    else:
        listed = ", ".join(f"{count} as “{_WORDS[label]}”" for label, count in counts.items())
        what = f"The {len(read)} studies quoted differ: {listed}"
    accuracy = card.get("results", {}).get("accuracy")
    right = f" that is right on {accuracy:.0%} of questions" if isinstance(accuracy, float) else ""
    return f"{what}, by a classifier{right}: read them yourself before relying on that."
