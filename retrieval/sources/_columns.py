"""A row of named values to a document: which column is what, by usual names or by a mapping.

Knows nothing of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval import bibliography
from retrieval.errors import InputError, SourceError
from retrieval.sources.monograph import HEADINGS
from retrieval.types import Document, Section

# The parts of a document, and what tables call them; the first name that a table has is taken.
NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "_id", "doc_id", "docid", "document_id", "uid", "identifier", "snippet_id"),
    "title": ("title", "article_title", "name", "heading", "headline", "term", "focus", "subject"),
    "text": (
        "text", "body", "full_text", "fulltext", "content", "contents", "answer", "long_answer",
        "passage", "paragraph", "description", "definition", "meaning",
    ),
    "abstract": ("abstract", "contexts", "summary"),
    "question": ("question", "query"),
    "year": ("year", "publication_year", "date", "publication_date", "pub_date", "pubdate",
             "published", "publish_time"),
    "url": ("url", "link", "uri", "source_url", "href"),
    "synonyms": ("synonyms", "synonym", "aliases", "other_names"),
    "authors": ("authors", "author"),
    "journal": ("journal", "journal_title", "venue", "book"),
    "language": ("language", "lang"),
    "licence": ("licence", "license"),
    "pmid": ("pmid", "pubmed_id", "pubmedid"),
    "pmcid": ("pmcid", "pmc_id", "pmc"),
    "doi": ("doi",),
    "identifiers": ("identifiers",),
}  # fmt: skip
_ASPECTS = {title.lower(): aspect for title, aspect in HEADINGS.items()}
_LISTED = ("|", ";")


class RowError(SourceError):
    """A row that makes no document."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a table are what.

    Attributes:
        parts: by part, the columns that hold it.
        rest: the columns that become metadata.
    """

    parts: Mapping[str, tuple[str, ...]]
    rest: tuple[str, ...]


def check(mapping: Mapping[str, str]) -> None:
    """Refuse a mapping with an unknown part.

    Raises:
        InputError: naming the part and those that are known.
    """
    for part, column in mapping.items():
        if part not in NAMES:
            raise InputError(f"A document has no part {part!r}: map {', '.join(NAMES)}.")
        if not column.strip():
            raise InputError(f"No column is named for {part!r}: write {part}=COLUMN.")


def check_header(names: Sequence[str], mapping: Mapping[str, str], path: Path) -> None:
    """Refuse a table whose columns can't make a document.

    Raises:
        SourceError: naming the columns found.
    """
    found = layout(names, mapping)
    missing = [c for column in mapping.values() for c in _columns(column, names) if c not in names]
    shown = _shown(names)
    if missing:
        raise SourceError(f"{path} has no column {missing[0]!r}; it has {shown}: mend the mapping.")
    if not {"text", "abstract"} & found.parts.keys():
        raise SourceError(
            f"{path} has no column for the text; it has {shown}: say which holds it with text=COLUMN."
        )
    if len(set(names)) < len(names):
        raise SourceError(f"{path} has two columns of one name among {shown}: rename one of them.")


def layout(names: Iterable[str], mapping: Mapping[str, str]) -> Layout:
    """Return which of some columns are what."""
    names = list(names)
    by_lower = {name.lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    parts: dict[str, tuple[str, ...]] = {}
    for part, column in mapping.items():
        if present := tuple(c for c in _columns(column, names) if c in names):
            parts[part] = present
    used = {column for columns in parts.values() for column in columns}
    for part, usual in NAMES.items():
        if part in mapping or (part == "abstract" and "text" in mapping):
            continue
        name = next((by_lower[n] for n in usual if n in by_lower), None)
        if name is not None and name not in used:
            parts[part] = (name,)
            used.add(name)
    return Layout(parts, tuple(name for name in names if name not in used))


class Builder:
    """Makes documents of rows; rows of equal columns share their layout.

    Args:
        mapping: part to column, as in `retrieval.sources.table.build`.
        stem: begins the ids of rows that have none of their own.
        source: `Document.source` of the documents.
    """

    def __init__(self, mapping: Mapping[str, str], stem: str, source: str) -> None:
        self._mapping, self._stem, self._source = mapping, stem, source
        self._layouts: dict[tuple[str, ...], Layout] = {}

    def document(self, row: Mapping[str, Any], number: int) -> Document:
        """Return the document of a row.

        Raises:
            RowError: if the row has no text.
        """
        columns = tuple(row)
        if columns not in self._layouts:
            if len(self._layouts) > 1000:
                self._layouts.clear()
            self._layouts[columns] = layout(columns, self._mapping)
        found = self._layouts[columns]
        one = {part: _text(row[c[0]]) for part, c in found.parts.items()}
        sections = _sections(row, found, one)
        if not sections:
            raise RowError(f"It has no text; its columns are {_shown(columns)}.")
        known = bibliography.identifiers(
            pmids=[one.get("pmid", "")], pmcids=[one.get("pmcid", "")], dois=[one.get("doi", "")]
        )
        named = (bibliography.identifier(n) for n in _list(row, found, "identifiers"))
        known = tuple(dict.fromkeys([*known, *filter(None, named)]))
        url = one.get("url", "")
        return Document(
            id=self._id(one.get("id", ""), known, number),
            title=one.get("title") or one.get("question", ""),
            sections=sections,
            kind="article",
            synonyms=tuple(_list(row, found, "synonyms")),
            source=self._source,
            url=url if url.startswith(("http://", "https://")) else "",
            year=bibliography.year(one.get("year", "")),
            metadata=tuple((_text(c), told) for c in found.rest if c and (told := _told(row[c]))),
            identifiers=known,
            authors=tuple(_list(row, found, "authors")),
            journal=one.get("journal", ""),
            language=bibliography.language(one.get("language", "")),
            licence=bibliography.licence(one.get("licence", "")) or one.get("licence", ""),
        )

    def _id(self, own: str, known: tuple[str, ...], number: int) -> str:
        # Every table counts its rows from 1: a bare number needs the table's name.
        if own:
            return f"{self._stem}-{own}" if own.isdecimal() else own
        return known[0] if known else f"{self._stem}-{number}"


def _sections(row: Mapping[str, Any], found: Layout, one: Mapping[str, str]) -> tuple[Section, ...]:
    columns = [*found.parts.get("abstract", ()), *found.parts.get("text", ())]
    # A question with a title of its own beside it is what its answer is the section of.
    question = one.get("question", "") if one.get("title") else ""
    out: list[Section] = []
    for column in columns:
        heading = question or (column if len(columns) > 1 else "")
        for title, text in _labelled(row[column]):
            if any(c.isalnum() for c in text):
                name = " ".join((title or heading).split())
                out.append(Section(name, _ASPECTS.get(name.lower(), ""), text))
    return tuple(out)


def _labelled(value: Any) -> list[tuple[str, str]]:
    """Return the headed texts of a value: a text, a list of texts, or a list of [heading, text]."""
    if not isinstance(value, list):
        return [("", _text(value))]
    pairs = [v for v in value if isinstance(v, list) and len(v) == 2]
    if pairs and len(pairs) == len(value):
        return [(_text(title), _text(text)) for title, text in pairs]
    texts = [text for v in value if (text := _text(v))]
    # Corpora keep abstracts as lists of sentences, and articles as lists of paragraphs.
    mark = "\n\n" if any(". " in text for text in texts) else " "
    return [("", mark.join(texts))]


def _list(row: Mapping[str, Any], found: Layout, part: str) -> list[str]:
    """Return a list, or the parts of a text divided by ';' or '|'."""
    columns = found.parts.get(part)
    if not columns:
        return []
    value = row[columns[0]]
    if not isinstance(value, list):
        text = _text(value)
        mark = next((m for m in _LISTED if m in text), "\n")
        value = text.split(mark)
    return list(dict.fromkeys(filter(None, (_text(v) for v in value))))


def _text(value: Any) -> str:
    """Return a value as sound text: no lone surrogates, which JSON may carry, and no NUL."""
    if value is None or isinstance(value, bool | dict | list):
        return ""
    text = str(value).replace("\x00", "").replace("\r\n", "\n")
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _told(value: Any) -> str:
    """Return a value of an unknown column as metadata; "" where it says nothing."""
    if isinstance(value, dict | list):
        return _text(json.dumps(value, ensure_ascii=False)) if value else ""
    return str(value).lower() if isinstance(value, bool) else _text(value)


def _columns(column: str, names: Iterable[str]) -> list[str]:
    return [column] if column in names else [c.strip() for c in column.split("+")]


def _shown(names: Sequence[str], most: int = 12) -> str:
    told = ", ".join(repr(name[:40]) for name in names[:most])
    return told + (f" and {len(names) - most} more" if len(names) > most else "")
