"""Plain text and free Markdown: one document a file, a section at each '#' heading.

A Markdown file may begin with a YAML head; its plain values become the document's metadata. UTF-8,
and UTF-16 where a byte order mark says so.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retrieval import bibliography
from retrieval.errors import SourceError
from retrieval.sources import _packed
from retrieval.sources.monograph import HEADINGS
from retrieval.types import Document, Section

SUFFIXES = (".txt", ".md", ".markdown")
MAX_BYTES = 32_000_000
# No prose has such a line; data in letters has.
MAX_LINE = 1_000_000
_MAX_HEAD = 16_384
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S[^\n]*)$", re.MULTILINE)
_CLOSING = re.compile(r"(?<!\s)\s+#+$")
_ASPECTS = {title.lower(): aspect for title, aspect in HEADINGS.items()}
# Fields of a YAML head that a document has a place for.
_PLACED = {"title", "author", "authors", "date", "year", "url", "link", "doi", "lang", "language",
           "licence", "license"}  # fmt: skip


class TextReader:
    """Reads one text file as one document."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the document of `path`.

        Raises:
            SourceError: if the file is larger than `MAX_BYTES`, is no UTF-8 or UTF-16 text, or holds
                no words.
        """
        text = _text(path)
        about: dict[str, Any] = {}
        if path.suffix.lower() != ".txt":
            about, text = _head(text)
        heads = list(_HEADING.finditer(text))
        named = about.get("title") or (_title(heads[0]) if heads else "")
        bounds = [("", 0, heads[0].start() if heads else len(text))]
        for number, head in enumerate(heads):
            end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
            bounds.append((_title(head), head.end(), end))
        sections = tuple(
            Section(name, _ASPECTS.get(name.lower(), ""), body)
            for name, start, end in bounds
            if (body := text[start:end].strip())
        )
        yield Document(
            id=path.stem,
            title=named or path.stem.replace("_", " ").replace("-", " "),
            sections=sections,
            kind="article",
            source=path.name,
            **_facts(about),
        )


def build() -> TextReader:
    """Return the reader."""
    return TextReader()


def _text(path: Path) -> str:
    data = _packed.whole(path, MAX_BYTES, " of text: split it into parts.")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not {'UTF-16' if wide else 'UTF-8'} text: save it as UTF-8 and try again."
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text or not any(c.isalnum() for c in text):
        raise SourceError(f"{path} holds no readable text: name a text file with words in it.")
    if _longest_line(text) > MAX_LINE:
        raise SourceError(
            f"{path} has a line of more than {MAX_LINE:,} characters: save it with line breaks."
        )
    return text


def _longest_line(text: str) -> int:
    longest = start = 0
    while (end := text.find("\n", start)) >= 0:
        longest, start = max(longest, end - start), end + 1
    return max(longest, len(text) - start)


def _head(text: str) -> tuple[dict[str, Any], str]:
    """Return the plain values of a YAML head, and the text behind it."""
    end = text.find("\n---\n", 3, _MAX_HEAD) if text.startswith("---\n") else -1
    if end < 0 or "&" in text[:end] or "*" in text[:end]:  # Aliases can multiply without end.
        return {}, text
    import yaml

    try:
        said = yaml.safe_load(text[4 : end + 1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, text
    if not isinstance(said, dict) or not any(c.isalnum() for c in text[end + 5 :]):
        return {}, text
    return {str(key).lower(): told for key, v in said.items() if (told := _value(v))}, text[
        end + 5 :
    ]


def _value(value: Any) -> str:
    """Return a plain value, or a list of them, as text; "" for anything deeper."""
    if isinstance(value, list):
        return "; ".join(filter(None, (_value(v) for v in value if not isinstance(v, list))))
    return "" if value is None or isinstance(value, dict) else " ".join(str(value).split())


def _facts(about: dict[str, str]) -> dict[str, Any]:
    """Return what a YAML head says as fields of a document."""
    if not about:
        return {}
    url = about.get("url") or about.get("link") or ""
    authors = about.get("authors") or about.get("author") or ""
    return {
        "url": url if url.startswith(("http://", "https://")) else "",
        "year": bibliography.year(about.get("year") or about.get("date") or ""),
        "authors": tuple(name for name in authors.split("; ") if name),
        "language": bibliography.language(about.get("language") or about.get("lang") or ""),
        "licence": about.get("licence") or about.get("license") or "",
        "identifiers": bibliography.identifiers(dois=[about.get("doi", "")]),
        "metadata": tuple((key, v) for key, v in sorted(about.items()) if key not in _PLACED),
    }


def _title(head: re.Match[str]) -> str:
    return _CLOSING.sub("", head[1].rstrip())
