"""Turns what a chat model writes into checked claims, sentence by sentence and as early as can be.

A sentence is checked once the next one has begun, since its keys may follow its full stop; what was
not streamed is checked at the end. No sentence leaves without its check. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assistant.errors import ModelError
from assistant.events import ClaimChecked, Event, Token
from assistant.safety import grounding
from assistant.tools import PREFIXES
from assistant.types import Citation, Claim
from retrieval import sentences

if TYPE_CHECKING:
    from assistant.tools import TurnContext

ABSTAIN = "ABSTAIN:"


@dataclass(slots=True)
class Writer:
    """Checks the text of one turn; used by one thread.

    Attributes:
        context: the turn, with the evidence that its tools have given.
        claims: sentences that passed the check, in order, with keys renumbered by first use.
        withheld: sentences that didn't.
        reason: why the model abstained, or "".
    """

    context: TurnContext
    claims: list[Claim] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    reason: str = ""
    _keys: dict[str, str] = field(default_factory=dict)
    _done: str = ""
    _rest: str = ""

    def feed(self, text: str) -> Iterator[Event]:
        """Take a piece of the text and yield the events of the sentences that it completes."""
        self._rest += text
        if not self.context.evidence or _may_abstain(self._done + self._rest):
            return
        joined = grounding.joined(self._rest)
        spans = sentences.split(joined)
        # A bracket may be the beginning of the keys of the sentence before.
        if len(spans) < 2 or not spans[-1].text[:1].isalnum():
            return
        cut = spans[-1].start
        # Joining only moves keys inside what stands before the last sentence: lengths are equal.
        self._done += self._rest[:cut]
        complete, self._rest = joined[:cut], self._rest[cut:]
        yield from self._check(complete)

    def called(self) -> None:
        """Forget unfinished text: the message turned out to call a tool."""
        self._done = self._rest = ""

    def finish(self, text: str) -> Iterator[Event]:
        """Check what is left of the whole text and yield its events."""
        left = text[len(self._done) :] if text.startswith(self._done) else text
        if text.strip().upper().startswith(ABSTAIN):
            self.reason = text.strip()[len(ABSTAIN) :].strip().partition("\n")[0]
            return
        yield from self._check(left)
        if self.withheld and not self.claims:
            self.reason = "Nothing that the chat model wrote is supported by the evidence found."

    def insist(self) -> Iterator[Event]:
        """Say what must be said and was not, such as a conflict, whatever the chat model wrote."""
        abstained = bool(self.reason) and not self.withheld
        for key, always in self.context.must.items():
            if always or not abstained:
                spans = sentences.split(self.context.evidence[key].text)
                yield from self._check(" ".join(f"{span.text} [{key}]" for span in spans))

    def _check(self, text: str) -> Iterator[Event]:
        resources = self.context.resources
        shown = {claim.text for claim in self.claims}
        for written in grounding.parse(text):
            if written.text in shown:
                continue
            claim = grounding.check(
                written, self.context.evidence, resources.encoder.embed, self._contradicts
            )
            passed = claim.support >= resources.settings.support_threshold
            if not (claim.citations and passed):
                self.withheld.append(claim.text)
                yield ClaimChecked(claim, shown=False)
                continue
            claim = self._renumbered(self._rested(claim))
            self.claims.append(claim)
            yield ClaimChecked(claim, shown=True)
            yield Token(marked(claim) + " ")

    def _contradicts(self, claim: str, quote: str) -> float:
        """Return how sure the `support` adapter is that a quote contradicts a claim; 0 without one."""
        try:
            classifier = self.context.resources.support
        except ModelError:  # Another encoder serves, on which none sits.
            return 0.0
        place = classifier.labels.index("contradict")
        return float(classifier.probabilities([(claim, quote)])[0, place])

    def _rested(self, claim: Claim) -> Claim:
        """Cite what a comparison rests on in its place: a sentence can't be its own source."""
        citations: dict[str, Citation] = {}
        for citation in claim.citations:
            keys = self.context.rests.get(citation.key, ())
            for key in keys:
                item = self.context.evidence[key]
                citations.setdefault(key, grounding.whole(item))
            if not keys:
                citations.setdefault(citation.key, citation)
        return replace(claim, citations=tuple(citations.values()))

    def _renumbered(self, claim: Claim) -> Claim:
        """Number the keys by first use, so that a reader meets S1 before S2."""
        citations = []
        for citation in claim.citations:
            if citation.key not in self._keys:
                prefix = PREFIXES[self.context.evidence[citation.key].kind]
                number = 1 + sum(new.startswith(prefix) for new in self._keys.values())
                self._keys[citation.key] = f"{prefix}{number}"
            citations.append(replace(citation, key=self._keys[citation.key]))
        return replace(claim, citations=tuple(citations))


def marked(claim: Claim) -> str:
    """Return a claim's sentence followed by the keys of its citations."""
    return f"{claim.text} [{', '.join(c.key for c in claim.citations)}]"


def _may_abstain(text: str) -> bool:
    """Whether a text is, or may yet become, an abstention."""
    begun = text.lstrip().upper()
    return begun.startswith(ABSTAIN) or ABSTAIN.startswith(begun)
