"""Monographs: one Markdown file each, with a YAML head and uniform second-level sections.

The head holds title, kind, synonyms, author, date, reviewed and sources. The file's stem is the
document's id. Knows nothing of where monographs lie or how they are searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from retrieval.errors import SourceError
from retrieval.types import Document, Section, Source

SUFFIXES = (".md",)
KINDS = ("condition", "symptom", "drug", "test", "procedure", "emergency", "topic")

# The headings that a monograph may use, and the aspect that each answers.
HEADINGS: dict[str, str] = {
    "What it is": "definition",
    "Causes": "causes",
    "Risk factors": "risk_factors",
    "Symptoms": "symptoms",
    "Red flags": "red_flags",
    "Diagnosis": "diagnosis",
    "Treatment": "treatment",
    "Uses": "uses",
    "Dose": "dose",
    "How it works": "mechanism",
    "Side effects": "side_effects",
    "Contraindications": "contraindications",
    "Interactions": "interactions",
    "Monitoring": "monitoring",
    "Overdose": "overdose",
    "Procedure": "procedure",
    "Results": "results",
    "Complications": "complications",
    "Prognosis": "prognosis",
    "Prevention": "prevention",
    "Follow-up": "follow_up",
    "In children": "children",
    "In pregnancy": "pregnancy",
    "In older adults": "older_adults",
}


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a Markdown file's YAML head has a field that only monographs have."""
    begins = path.suffix.lower() == ".md" and head.startswith(b"---\n")
    return begins and re.search(rb"^(kind|synonyms|sources|reviewed):", head, re.M) is not None


class MonographReader:
    """Reads one monograph a file."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the one document of `path`.

        Raises:
            SourceError: if the head is missing or malformed, or a heading is not in `HEADINGS`.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path} is not UTF-8 text: save it as UTF-8 and try again."
            ) from error
        except OSError as error:
            raise SourceError(
                f"{path} can't be read ({error.strerror}): check the path."
            ) from error
        yield parse(text, path.stem)


def parse(text: str, document_id: str) -> Document:
    """Parse a monograph's text.

    Raises:
        SourceError: naming the document and what is wrong in it.
    """
    if not text.startswith("---\n") or "\n---\n" not in text[4:]:
        raise SourceError(
            f"{document_id}: a monograph begins with a YAML head between '---' lines."
        )
    head_text, _, body = text[4:].partition("\n---\n")
    try:
        head = yaml.safe_load(head_text)
    except yaml.YAMLError as error:
        raise SourceError(f"{document_id}: the YAML head can't be parsed: {error}.") from error
    if not isinstance(head, dict):
        raise SourceError(f"{document_id}: the head must be a mapping of names to values.")
    sections = tuple(_sections(body, document_id))
    if not sections:
        raise SourceError(f"{document_id}: there is no section under a '## ' heading.")
    title = head.get("title")
    if not isinstance(title, str) or not title.strip():
        raise SourceError(f"{document_id}: the head has no title.")
    kind = str(head.get("kind", ""))
    if kind not in KINDS:
        raise SourceError(f"{document_id}: kind {kind!r} is not one of {', '.join(KINDS)}.")
    sources = tuple(
        Source(str(s["title"]), str(s["url"])) for s in _list(head, "sources", document_id)
    )
    return Document(
        id=document_id,
        title=title,
        sections=sections,
        kind=kind,
        synonyms=_synonyms(head, document_id),
        sources=sources,
        source="Auscult starter library",
        url=sources[0].url if sources else "",
        year=_year(head, document_id),
        metadata=tuple((key, str(head.get(key, ""))) for key in ("author", "date", "reviewed")),
    )


def build() -> MonographReader:
    """Return the reader."""
    return MonographReader()


def _list(head: dict[str, Any], key: str, document_id: str) -> list[dict[str, Any]]:
    value = head.get(key)
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(item, dict) and {"title", "url"} <= item.keys() for item in value)
    ):
        raise SourceError(f"{document_id}: '{key}' must be a list of entries with title and url.")
    return value


def _synonyms(head: dict[str, Any], document_id: str) -> tuple[str, ...]:
    value = head.get("synonyms") or []
    if not isinstance(value, list):
        raise SourceError(f"{document_id}: 'synonyms' must be a list: write [one, other].")
    return tuple(str(name) for name in value)


def _year(head: dict[str, Any], document_id: str) -> int | None:
    date = str(head.get("date") or "")
    if date and not re.match(r"\d{4}\b", date):
        raise SourceError(
            f"{document_id}: date {date!r} does not begin with a year: write YYYY-MM-DD."
        )
    return int(date[:4]) if date else None


def _sections(body: str, document_id: str) -> Iterator[Section]:
    blocks = ("\n" + body).split("\n## ")
    if blocks[0].strip():
        raise SourceError(f"{document_id}: there is text before the first '## ' heading.")
    for block in blocks[1:]:
        title, _, text = block.partition("\n")
        title = title.strip()
        if title not in HEADINGS:
            raise SourceError(
                f"{document_id}: heading {title!r} is not one of {', '.join(HEADINGS)}."
            )
        yield Section(title=title, aspect=HEADINGS[title], text=text.strip())
