"""When two documents are the same work, and what becomes of the one that is not kept.

Documents are compared by id, by the identifiers they carry, and by their words. Pure functions;
knows nothing of indexes or files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import replace
from typing import TypeVar

from retrieval import bibliography
from retrieval.types import Document

ALSO = "also"  # Metadata key that names a work whose facts were taken over.
Item = TypeVar("Item")
_WORD = re.compile(r"\w+")


def content_key(document: Document) -> str:
    """Return the SHA-256 of a document's words: equal for copies that differ in layout only.

    The title and the section texts are brought to one form (NFKC, case folded) and everything but
    letters and digits counts as one space. Returns "" for a document whose sections hold no word.
    """
    body = _words(" ".join(section.text for section in document.sections))
    if not body:
        return ""
    return hashlib.sha256(
        f"{_words(document.title)}\n{body}".encode("utf-8", "replace")
    ).hexdigest()


def length(document: Document) -> int:
    """Return how many characters of text a document has: the fuller of two has more."""
    return sum(len(section.text) for section in document.sections)


def differ(one: Document, other: Document) -> bool:
    """Whether two documents are certainly not the same work: each has a PubMed id of its own.

    Supplements give one DOI to many abstracts, and editorials share whole texts.
    """
    mine, theirs = _numbers(one), _numbers(other)
    return bool(mine and theirs and not mine & theirs)


def merge(kept: Document, other: Document) -> Document:
    """Return `kept` with what only `other` knows of the work: a retraction must not get lost.

    Status, notices and identifiers are united; year, journal, evidence, types, headings and licence
    are taken over where `kept` has none. The text stays. Merging twice changes nothing.
    """
    merged = replace(
        kept,
        identifiers=_union(kept.identifiers, other.identifiers),
        notices=_union(kept.notices, other.notices),
        status=bibliography.worst((kept.status, other.status)),
        year=kept.year if kept.year is not None else other.year,
        journal=kept.journal or other.journal,
        evidence=kept.evidence or other.evidence,
        publication_types=kept.publication_types or other.publication_types,
        mesh=kept.mesh or other.mesh,
        licence=kept.licence or other.licence,
    )
    names = [other.id] if other.id != kept.id else []
    names += [value for key, value in other.metadata if key == ALSO and value != kept.id]
    notes = tuple((ALSO, name) for name in dict.fromkeys(names))
    return replace(merged, metadata=_union(kept.metadata, notes))


def has_merged(document: Document) -> bool:
    """Whether facts of another record of the same work were taken over into a document."""
    return any(key == ALSO for key, _ in document.metadata)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _numbers(document: Document) -> set[str]:
    return {name for name in document.identifiers if name.startswith("pmid:")}


def _union(first: tuple[Item, ...], second: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(dict.fromkeys((*first, *second)))
