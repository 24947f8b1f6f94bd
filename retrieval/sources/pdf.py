"""PDF files: one document each, sections with the page they stand on, read in a limited process.

The text layer is read, nothing is recognised: pages that are pictures are `Skipped` by number. A
section's heading ends in its page ("Results (p. 4)"); a paragraph belongs to the page it begins on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retrieval import bibliography, sandbox
from retrieval.errors import SourceError
from retrieval.sandbox import Limits
from retrieval.sources import Skipped, _packed
from retrieval.sources.monograph import HEADINGS
from retrieval.types import Document, Section

SUFFIXES = (".pdf",)
MAX_BYTES = 256_000_000
MAX_PAGES = 10_000
_MARK = b"%PDF-"
_ASPECTS = {title.lower(): aspect for title, aspect in HEADINGS.items()}
_NUMBERED = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\.?\s+")
_DOI = re.compile(r"(?:doi\.org/|doi:?\s{0,2})(10\.\d{4,9}/[^\s\"<>]+)", re.IGNORECASE)
# Titles of works that print another work's DOI.
_ABOUT_ANOTHER = re.compile(r"\b(?:errat|corrig|correction|retract|comment|reply|response)", re.I)
_DATED = re.compile(
    r"(?:©|\(c\)|copyright|published|publication date|accepted|issued|last (?:updated|reviewed)|"
    r"version date|date of issue)[^\n]{0,60}?\b((?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_REASONS = {
    "scanned": "hardly any text, only pictures: run text recognition (OCR) on the file and ingest it "
    "again",
    "garbled": "text whose characters can't be told: print the file anew or run text recognition "
    "(OCR) on it",
    "broken": "damage: export the file again",
}


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file begins as a PDF does (ISO 32000-2, 7.5.2)."""
    return _MARK in head[:1024]


class PdfReader:
    """Reads one file as one document."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits

    def read(self, path: Path) -> Iterator[Document | Skipped]:
        """Yield the document of `path`, and `Skipped` for the pages that have no text layer.

        Raises:
            SourceError: if it is no PDF, locked, damaged, too large, takes too long or too much
                memory, or has neither text nor pictures.
        """
        data = _data(path)
        if b"%%EOF" not in data[-4096:]:
            reason = "Its end is missing, so pages may be: fetch it again."
            yield Skipped(path.name, reason)
        seconds = min(300.0, 20.0 + len(data) / 250_000)
        limits = self._limits or Limits(memory_mb=1536, timeout_s=seconds, patience=20)
        options = {"max_pages": MAX_PAGES}
        _, body = sandbox.run("retrieval.sources._pdf:extract", data, options, limits, str(path))
        said = json.loads(body)
        for fault, pages in said["unread"].items():
            yield Skipped(f"{path.name} p. {_ranges(pages)}", f"There is {_REASONS[fault]}.")
        sections = tuple(
            Section(f"{name} (p. {page})" if name else f"p. {page}", _aspect(name), text)
            for name, page, text in said["sections"]
        )
        if sections:
            yield _document(path, said, sections)
        elif not said["unread"]:
            raise SourceError(f"{path} holds no text: check what it shows.")


def build(limits: Limits | None = None) -> PdfReader:
    """Return the reader.

    Args:
        limits: what the reading process may use; by default 1.5 GB, and 20 s of processor time and
            4 s for each MB of the file.
    """
    return PdfReader(limits)


def _data(path: Path) -> bytes:
    data = _packed.whole(path, MAX_BYTES, ": split it into parts.")
    if _MARK not in data[:1024]:
        raise SourceError(f"{path} is no PDF: check what it holds.")
    return data


def _document(path: Path, said: dict[str, Any], sections: tuple[Section, ...]) -> Document:
    title = said["title"] or path.stem.replace("_", " ")
    authors = tuple(n.strip() for n in re.split(r"[;\n]|, (?=\w+ )", said["author"]) if n.strip())
    created = bibliography.year(said["created"])
    dated = _DATED.search(said["opening"])
    return Document(
        id=path.stem,
        title=title,
        sections=sections,
        kind="article",
        source=path.name,
        year=int(dated[1]) if dated else None,
        metadata=(("created", str(created)),) if created else (),
        identifiers=_identifiers(said["opening"], title),
        authors=authors[:200],
    )


def _identifiers(opening: str, title: str) -> tuple[str, ...]:
    """Return the work's DOI if the first page names exactly one and it can only be its own."""
    found = bibliography.identifiers(dois=_DOI.findall(opening))
    return found if len(found) == 1 and not _ABOUT_ANOTHER.search(title) else ()


def _aspect(name: str) -> str:
    return _ASPECTS.get(_NUMBERED.sub("", name).lower(), "")


def _ranges(pages: Sequence[int]) -> str:
    """Return page numbers as readers write them: "1, 3-5"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][1] + 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    told = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return ", ".join(told[:50]) + (f" and {len(told) - 50} more" if len(told) > 50 else "")
