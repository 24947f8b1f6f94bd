"""What several sources say together: two films, a film and a record, and an estimate from both.

Frozen values that serialise themselves, so that events, answers and traces can carry them. Knows
nothing of pixels, networks, records or how any of this was computed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from math import log
from typing import Any, Literal

Change = Literal["higher", "lower", "unchanged", ""]
Accord = Literal["agreement", "conflict", "open"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A film beside an earlier one, presumably of the same patient.

    Attributes:
        newer: name of the later film.
        older: name of the earlier one.
        order: what the order rests on, as a sentence.
        label: the finding that was compared, or "" where one of the films was not judged.
        newer_probability: mean calibrated probability of the later film over its views, in [0, 1].
        older_probability: the same of the earlier film.
        change: "higher", "lower" or "unchanged" (no change beyond the reading's own spread); ""
            where it can't be said.
        low: 2.5th percentile of the difference of probabilities over pairs of views, in [-1, 1].
        high: 97.5th percentile.
        score: how well the films could be laid over each other, a correlation in [-1, 1]; None
            where that was not tried.
        registered: whether they could, so that `difference` is shown.
        statements: sentences that say all this, hedged.
        difference: PNG of the later film; orange where it is denser, blue where it is less dense
            than the earlier one; or None.
    """

    newer: str
    older: str
    order: str
    label: str
    newer_probability: float | None
    older_probability: float | None
    change: Change
    low: float | None
    high: float | None
    score: float | None
    registered: bool
    statements: tuple[str, ...]
    difference: bytes | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form; the picture is a `data:image/png` URI."""
        return {
            "newer": self.newer,
            "older": self.older,
            "order": self.order,
            "label": self.label,
            "newer_probability": self.newer_probability,
            "older_probability": self.older_probability,
            "change": self.change,
            "low": self.low,
            "high": self.high,
            "score": self.score,
            "registered": self.registered,
            "statements": list(self.statements),
            "difference": None
            if self.difference is None
            else "data:image/png;base64," + base64.b64encode(self.difference).decode("ascii"),
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the text of a record and the finding of a film stand to each other.

    Attributes:
        image: the film's name.
        record: the record's name.
        label: the finding that both speak of.
        accord: "agreement", "conflict", or "open" where one of them leaves it open.
        image_says: "suspected", "ruled out" or "uncertain".
        record_says: "present", "negated", "possible" or "both" (it says yes in one place and no in
            another).
        statement: the sentence that says so.
        quote: the line of the record that it rests on, verbatim.
        start: first character of the quote in the record's text.
        end: one past its last.
    """

    image: str
    record: str
    label: str
    accord: Accord
    image_says: str
    record_says: str
    statement: str
    quote: str
    start: int
    end: int

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "image": self.image,
            "record": self.record,
            "label": self.label,
            "accord": self.accord,
            "image_says": self.image_says,
            "record_says": self.record_says,
            "statement": self.statement,
            "quote": self.quote,
            "start": self.start,
            "end": self.end,
        }


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one part adds to an estimate.

    Attributes:
        name: for example "chest film" or "oxygen saturation 96% or less".
        kind: "prior", "image" or "record".
        said: what was found, in words.
        ratio: likelihood ratio, above 0; for the prior its odds.
        low: lower end of its 95% interval.
        high: upper end.
        weight: how far it counts, in [0, 1]; below 1 where it is damped.
        source: where the figure was published or measured.
        start: first character of what it rests on in the record's text; -1 for image and prior.
        end: one past its last.
    """

    name: str
    kind: Literal["prior", "image", "record"]
    said: str
    ratio: float
    low: float
    high: float
    weight: float
    source: str
    start: int = -1
    end: int = -1

    @property
    def log_odds(self) -> float:
        """What it adds to the log odds (natural), damping included."""
        return self.weight * log(self.ratio)

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form, with what it adds to the log odds."""
        return {
            "name": self.name,
            "kind": self.kind,
            "said": self.said,
            "ratio": self.ratio,
            "low": self.low,
            "high": self.high,
            "weight": self.weight,
            "log_odds": self.log_odds,
            "source": self.source,
            "start": self.start,
            "end": self.end,
        }


@dataclass(frozen=True, slots=True)
class Estimate:
    """The chance of a condition from film and record together. Never replaces the finding.

    Attributes:
        image: the film's name.
        record: the record's name.
        label: what it is the chance of, for example "radiographic pneumonia".
        probability: of both together, in [0, 1].
        low: lower end of its 95% interval.
        high: upper end.
        image_alone: the chance from prior and film, in [0, 1].
        record_alone: the chance from prior and record.
        parts: the prior first, then image, then record; their log odds add up.
        assumptions: sentences on what it takes for granted.
        statement: the estimate as one sentence.
    """

    image: str
    record: str
    label: str
    probability: float
    low: float
    high: float
    image_alone: float
    record_alone: float
    parts: tuple[Contribution, ...]
    assumptions: tuple[str, ...]
    statement: str

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "image": self.image,
            "record": self.record,
            "label": self.label,
            "probability": self.probability,
            "low": self.low,
            "high": self.high,
            "image_alone": self.image_alone,
            "record_alone": self.record_alone,
            "parts": [part.to_json() for part in self.parts],
            "assumptions": list(self.assumptions),
            "statement": self.statement,
        }
