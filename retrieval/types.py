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

# Levels of evidence that a document can have, strongest first; "" where nothing tells.
EVIDENCE = ("guideline", "systematic_review", "trial", "review", "cohort", "case_report")
# What became of a document after publication; "" where nothing is known.
STATUSES = ("retracted", "concern", "corrected")


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
        identifiers: names of the same work elsewhere, each `scheme:value` in lower case: pmid:123,
            pmcid:pmc123, doi:10.1000/x. Two documents that share one are the same work.
        authors: names as printed, in order.
        journal: title of the journal or book.
        publication_types: as the publisher or index names them ("Randomized Controlled Trial").
        evidence: one of `EVIDENCE`, or "".
        language: ISO 639-1 code in lower case ("en", "zh"), or "" where unknown.
        mesh: MeSH headings.
        licence: as stated by the source ("CC BY 4.0"), or "".
        status: one of `STATUSES`, or "".
        notices: what retracted or corrected it, for display ("Retraction in: PMID 123").
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
    identifiers: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    journal: str = ""
    publication_types: tuple[str, ...] = ()
    evidence: str = ""
    language: str = ""
    mesh: tuple[str, ...] = ()
    licence: str = ""
    status: str = ""
    notices: tuple[str, ...] = ()


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
        journal: the document's journal or book.
        evidence: the document's level of evidence, one of `EVIDENCE` or "".
        language: ISO 639-1 code of the document's language, or "".
        status: "retracted", "concern", "corrected" or "".
        collection: name of the collection that holds it; "" is the common library.
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
    journal: str = ""
    evidence: str = ""
    language: str = ""
    status: str = ""
    collection: str = ""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which passages a search may see; a passage must meet all that are given.

    Attributes:
        year_from: earliest year of publication; passages without a year fail it.
        year_to: latest year of publication; passages without a year fail it.
        kinds: kinds of document, any of them.
        evidence: levels of evidence, any of them.
        sources: collections or publishers as in `Document.source`, any of them.
        languages: ISO 639-1 codes, any of them; passages of unknown language pass.
        retracted: whether retracted documents are searched too.
    """

    year_from: int | None = None
    year_to: int | None = None
    kinds: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    retracted: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by a search.

    Attributes:
        passage: what was found.
        score: the final score; higher is better; comparable within one search only.
        parts: the named scores that made it (dense, lexical, fused, rerank).
        sentence: span in the passage's text of the sentence that answers best, or None where none
            was looked for.
    """

    passage: Passage
    score: float
    parts: tuple[tuple[str, float], ...] = field(default=())
    sentence: tuple[int, int] | None = None
