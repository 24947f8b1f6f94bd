"""What passes between the parts of retrieval: frozen values, equal when their contents are equal."""

from __future__ import annotations

from dataclasses import dataclass, field

# The aspects of a subject that a question can ask about and a section can answer.
ASPECTS = (
    "definition", "causes", "risk_factors", "symptoms", "red_flags", "diagnosis", "treatment",
    "uses", "dose", "mechanism", "side_effects", "contraindications", "interactions",
    "monitoring", "overdose", "procedure", "results", "complications", "prognosis", "prevention",
    "follow_up", "children", "pregnancy", "older_adults",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document's statements come from: a title and a URL."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a document.

    Attributes:
        title: the heading, as printed.
        aspect: one of `ASPECTS`, or "" where the heading names none.
        text: the body; paragraphs are separated by a blank line.
    """

    title: str
    aspect: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One piece of literature.

    Attributes:
        id: unique in its collection, stable over re-ingestion.
        title: the subject, as printed.
        sections: the text in reading order.
        kind: condition, symptom, drug, test, procedure, emergency, topic, article or "".
        synonyms: other names and abbreviations of the subject.
        sources: where the statements come from.
        source: the collection or publisher, for display.
        url: where a reader can open the document, or "".
        year: year of publication, or None.
        metadata: anything else, as strings.
    """

    id: str
    title: str
    sections: tuple[Section, ...]
    kind: str = ""
    synonyms: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    source: str = ""
    url: str = ""
    year: int | None = None
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A quotable stretch of one section of one document.

    Attributes:
        id: `<document id>#<number>`, unique in the index.
        document: id of the document.
        title: the document's title.
        section: the section's heading.
        aspect: the section's aspect, one of `ASPECTS` or "".
        text: the stretch itself.
        start: offset of `text` in the section's text, in characters.
        kind: the document's kind.
        synonyms: the document's synonyms.
        source: the document's collection or publisher.
        url: where a reader can open the document.
        year: year of publication, or None.
    """

    id: str
    document: str
    title: str
    section: str
    aspect: str
    text: str
    start: int = 0
    kind: str = ""
    synonyms: tuple[str, ...] = ()
    source: str = ""
    url: str = ""
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a search.

    Attributes:
        passage: what was found.
        score: the final score; higher is better; comparable within one search only.
        parts: the named scores that made it (dense, lexical, fused, rerank).
    """

    passage: Passage
    score: float
    parts: tuple[tuple[str, float], ...] = field(default=())
