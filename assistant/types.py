"""What passes between the parts of a turn: frozen values without I/O, equal when their contents are.

`Answer.to_json` writes the contract that the command line, the API and the traces share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.comparisons import Agreement as Agreement
from assistant.comparisons import Comparison as Comparison
from assistant.comparisons import Estimate as Estimate
from assistant.findings import Finding as Finding
from assistant.findings import GateReport as GateReport
from assistant.findings import OperatingPoint as OperatingPoint
from assistant.findings import SecondReading as SecondReading

AttachmentKind = Literal["image", "record"]
EvidenceKind = Literal["passage", "record", "image"]
Assertion = Literal["present", "negated", "possible", "historical", "family"]
FactKind = Literal["problem", "medication", "allergy", "lab", "vital", "procedure", "date"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """An upload that has been sniffed and bounded.

    Attributes:
        id: unique in its session, `A1`, `A2`, ...
        name: the file's name, for display only; never used as a path.
        kind: what it was found to be, from its bytes.
        format: png, jpeg, dicom, text or json.
        data: the bytes.
    """

    id: str
    name: str
    kind: AttachmentKind
    format: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordSection:
    """A section of a record: its heading (normalised name) and its span in the record's text."""

    name: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a record, with its place.

    Attributes:
        kind: problem, medication, allergy, lab, vital, procedure or date.
        text: the words of the record, `record.text[start:end]`.
        start: first character in the record's text.
        end: one past the last character.
        assertion: present, negated, possible, historical or family.
        name: the normalised name ("hypertension" for "HTN").
        section: the normalised name of the section that it stands in, or "".
        attributes: named details: dose, unit, route, frequency, value, flag, reaction, date, ...
    """

    kind: FactKind
    text: str
    start: int
    end: int
    assertion: Assertion
    name: str
    section: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fact as JSON values; attributes become a mapping."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "assertion": self.assertion,
            "name": self.name,
            "section": self.section,
            "attributes": dict(self.attributes),
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A medical record that has been read.

    Attributes:
        name: the attachment's name.
        text: the text that every span refers to.
        sections: in order of appearance.
        facts: in order of appearance.
    """

    name: str
    text: str = field(repr=False)
    sections: tuple[RecordSection, ...]
    facts: tuple[Fact, ...]

    def of(self, kind: FactKind) -> tuple[Fact, ...]:
        """Return the facts of one kind."""
        return tuple(fact for fact in self.facts if fact.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form: sections, then a list for each kind of fact."""
        plural = {
            "problem": "problems",
            "medication": "medications",
            "allergy": "allergies",
            "lab": "labs",
            "vital": "vitals",
            "procedure": "procedures",
            "date": "dates",
        }
        return {
            "name": self.name,
            "sections": [
                {"name": s.name, "title": s.title, "start": s.start, "end": s.end}
                for s in self.sections
            ],
            **{
                key: [fact.to_json() for fact in self.facts if fact.kind == kind]
                for kind, key in plural.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that a claim may cite. Tools make it; grounding checks claims against it.

    Attributes:
        key: unique in the turn: S1.. for passages, R1.. for records, I1.. for images.
        kind: passage, record or image.
        text: the words that can be quoted.
        document: id of the document, or of the attachment.
        title: the document's title with its section, or the attachment's name.
        source: publisher, "Patient record", or the model's name.
        url: where a reader can open it, or "".
        start: offset of `text` in the document's section, or in the record's text.
        section: heading of the section, or "".
        passage: id of the passage; the document's id for records and images.
    """

    key: str
    kind: EvidenceKind
    text: str
    document: str
    title: str
    source: str
    url: str = ""
    start: int = 0
    section: str = ""
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in the evidence that supports a claim: `evidence.text[start:end] == quote`, shifted.

    Attributes:
        key: the evidence's key.
        passage: id of the passage, record or image.
        document: id of the document.
        title: the document's title.
        source: the publisher.
        url: where a reader can open the document, or "".
        start: first character of the quote in the document's section or record.
        end: one past its last.
        quote: the words themselves.
    """

    key: str
    passage: str
    document: str
    title: str
    source: str
    url: str
    start: int
    end: int
    quote: str

    def to_json(self) -> dict[str, Any]:
        """Return the citation as JSON values."""
        return {
            "key": self.key,
            "passage": self.passage,
            "document": self.document,
            "title": self.title,
            "source": self.source,
            "url": self.url,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer with what supports it.

    Attributes:
        text: the sentence without citation marks.
        support: how far the cited words support it, in [0, 1]; 1 is a verbatim quote.
        citations: where they stand; never empty for a claim that is shown as fact.
    """

    text: str
    support: float
    citations: tuple[Citation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the claim as JSON values."""
        return {
            "text": self.text,
            "support": round(self.support, 4),
            "citations": [citation.to_json() for citation in self.citations],
        }


@dataclass(frozen=True, slots=True)
class Emergency:
    """A red flag in what the user wrote.

    Attributes:
        kind: the pattern's name, for example "stroke".
        notice: what the reader should do at once, in the language of the message.
    """

    kind: str
    notice: str


@dataclass(frozen=True, slots=True)
class Step:
    """A named part of the turn and how long it took, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a turn.

    Attributes:
        id: unique.
        answer: the whole text, with citation marks such as [S1].
        abstained: whether the assistant declined to answer.
        reason: why it abstained, or "".
        emergency: a red flag in the message, or None.
        claims: the sentences shown as fact, in order.
        findings: what the image tool said, one an image.
        record: the record that was read in this turn, or None.
        steps: what was done and for how long.
        model: the chat model's spec.
        withheld: sentences that the chat model wrote and the support check withheld.
        nearest: evidence nearest to the question where the assistant abstained.
        notices: what the reader should know of the turn itself: what was left out, and why.
        comparisons: films that were set beside earlier ones.
        agreements: how findings and records stand to each other.
        estimates: from film and record together; beside the findings, never in their place.
    """

    id: str
    answer: str
    abstained: bool
    reason: str
    emergency: Emergency | None
    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...]
    record: Record | None
    steps: tuple[Step, ...]
    model: str
    withheld: tuple[str, ...] = ()
    nearest: tuple[Citation, ...] = ()
    notices: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        alarm = self.emergency
        return {
            "id": self.id,
            "answer": self.answer,
            "abstained": self.abstained,
            "reason": self.reason,
            "emergency": None if alarm is None else {"kind": alarm.kind, "notice": alarm.notice},
            "claims": [claim.to_json() for claim in self.claims],
            "findings": [finding.to_json() for finding in self.findings],
            "record": None if self.record is None else self.record.to_json(),
            "steps": [{"name": s.name, "seconds": round(s.seconds, 4)} for s in self.steps],
            "model": self.model,
            "withheld": list(self.withheld),
            "nearest": [citation.to_json() for citation in self.nearest],
            "notices": list(self.notices),
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "agreements": [agreement.to_json() for agreement in self.agreements],
            "estimates": [estimate.to_json() for estimate in self.estimates],
        }
