"""HTML pages: one document each, a section at each heading, without what surrounds the text.

Title, authors, date, address and identifiers come from the page's metadata (citation_*, Dublin Core,
Open Graph, JSON-LD). Nothing is executed or fetched. What is text and what surrounds it is judged in
`_html_text`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retrieval import bibliography
from retrieval.errors import SourceError
from retrieval.sources import _packed
from retrieval.types import Document

SUFFIXES = (".html", ".htm", ".xhtml")
MAX_BYTES = 16_000_000
_ROOT = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
# What labels stand for in browsers (WHATWG Encoding Standard, 4.2); others stand for themselves.
_ALIASES = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030",
            "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949"}  # fmt: skip
_CHARSETS = re.compile(r"utf-(8|16|16-[bl]e)$|cp(125\d|866|874|932|949)$|iso8859-\d+$|koi8-[ru]$|"
                       r"gb18030$|big5(hkscs)?$|euc_jp$|iso2022_jp$|mac-roman$")  # fmt: skip
_DATES = ("citation_publication_date", "citation_date", "article:published_time", "dc.date",
          "dc.date.issued", "dcterms.issued", "dcterms.date", "date", "article:modified_time",
          "dcterms.modified", "last-modified")  # fmt: skip
_LD_DATES = ("datePublished", "dateCreated", "dateModified", "lastReviewed")


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file begins as an HTML page does."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head[: len(head) & ~1].decode("utf-16", "ignore").encode("utf-8", "ignore")
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return head.startswith(b"<") and _ROOT.search(head[:2048]) is not None


class HtmlReader:
    """Reads one page as one document."""

    def read(self, path: Path) -> Iterator[Document]:
        """Yield the document of `path`.

        Raises:
            SourceError: if it is larger than `MAX_BYTES`, in an unknown character set, nested too
                deeply, or holds no text of its own.
        """
        from retrieval.sources import _html_text

        data = _packed.whole(path, MAX_BYTES, ": split it into pages.")
        text, note = _decoded(data, path)
        root = _html_text.parse(text, path)
        sections = _html_text.sections(root)
        if not sections:
            raise SourceError(
                f"{path} holds no text of its own: save the page once it has loaded in a browser."
            )
        yield _document(path, root, _html_text.title(root), sections, note)


def build() -> HtmlReader:
    """Return the reader."""
    return HtmlReader()


def _document(path: Path, root: Any, heading: str, sections: Any, note: str) -> Document:
    meta = _meta(root)
    linked = _linked(root)
    first = {name: values[0] for name, values in meta.items()}
    url = _address(root, first)
    dates = [first.get(name, "") for name in _DATES[:8]]
    dates += [linked.get(name, "") for name in _LD_DATES] + [first.get(n, "") for n in _DATES[8:]]
    authors = meta.get("citation_author") or meta.get("dc.creator") or meta.get("author") or ()
    title = first.get("citation_title") or heading or first.get("og:title") or path.stem
    notes = [("description", first.get("description") or first.get("og:description", "")),
             ("keywords", first.get("keywords", "")), ("site", first.get("og:site_name", "")),
             ("date", next(filter(bibliography.year, dates), "")), ("charset", note)]  # fmt: skip
    return Document(
        id=path.stem,
        title=title,
        sections=sections,
        kind="article",
        source=first.get("og:site_name") or path.name,
        url=url,
        year=next((y for date in dates if (y := bibliography.year(date))), None),
        metadata=tuple((key, value) for key, value in notes if value),
        identifiers=bibliography.identifiers(
            pmids=[first.get("citation_pmid", "")],
            dois=[first.get("citation_doi", ""), first.get("dc.identifier", "")],
        ),
        authors=tuple(dict.fromkeys(authors)) or tuple(filter(None, [linked.get("author", "")])),
        journal=first.get("citation_journal_title", ""),
        language=bibliography.language(root.get("lang") or first.get("citation_language") or ""),
        licence=_licence(root),
    )


def _decoded(data: bytes, path: Path) -> tuple[str, str]:
    """Return a page's text, and a note where its character set is not the one it names."""
    for bom, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                      (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if data.startswith(bom):
            return _strict(data, name, path), ""
    named = _CHARSET.search(data[:4096])
    label = named[1].decode("ascii", "replace").lower() if named else ""
    charset = _charset(label)
    # Text in another set is hardly ever valid UTF-8, but pages that say the wrong thing abound.
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        wrong = charset not in ("", "utf-8") and not data.isascii()
        escaped = charset == "iso2022_jp"
        if not escaped:
            return text, f"utf-8, though the page says {label}" if wrong else ""
    if charset and charset != "utf-8":
        return _strict(data, charset, path), ""
    high = sum(byte > 127 for byte in data)
    if charset == "utf-8" or high > len(data) // 20:
        said = (
            f"says {label} and is not" if charset else "does not say in which character set it is"
        )
        raise SourceError(f"{path} {said}: save it as UTF-8.")
    return _strict(data, "cp1252", path), "windows-1252 assumed"


def _charset(label: str) -> str:
    try:
        name = codecs.lookup(label).name if label else ""
    except (LookupError, ValueError):
        return ""
    name = _ALIASES.get(name, name)
    if name.startswith("utf-16"):  # A page whose own tag can be read as ASCII is not in UTF-16.
        return "utf-8"
    return name if _CHARSETS.match(name) else ""


def _strict(data: bytes, charset: str, path: Path) -> str:
    try:
        # cp1252 leaves five bytes without a meaning, which browsers pass through.
        return data.decode(charset, "replace" if charset == "cp1252" else "strict")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} says it is {charset} and is not: save it as UTF-8.") from error


def _meta(root: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for element in root.iter("meta"):
        name = (element.get("name") or element.get("property") or "").strip().lower()
        value = " ".join((element.get("content") or "").split())[:2000]
        if name and value and len(found.setdefault(name, [])) < 500:
            found[name].append(value)
    return {name: values for name, values in found.items() if values}


def _linked(root: Any) -> dict[str, str]:
    """Return dates and the first author of a page's JSON-LD (schema.org)."""
    found: dict[str, str] = {}
    for element in root.iter("script"):
        if "ld+json" not in (element.get("type") or "").lower():
            continue
        try:
            waiting = [json.loads((element.text or "")[:500_000])]
        except (ValueError, RecursionError):
            continue
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting.extend(value[:200])
            elif isinstance(value, dict):
                for name in _LD_DATES:
                    if isinstance(value.get(name), str):
                        found.setdefault(name, value[name][:100])
                author = value.get("author")
                author = author[0] if isinstance(author, list) and author else author
                if isinstance(author, dict) and isinstance(author.get("name"), str):
                    found.setdefault("author", author["name"][:200])
                waiting.extend(v for k, v in value.items() if k in ("@graph", "mainEntity"))
    return found


def _address(root: Any, first: dict[str, str]) -> str:
    links = (
        e.get("href") for e in root.iter("link") if (e.get("rel") or "").lower() == "canonical"
    )
    told = [*links, first.get("og:url"), first.get("citation_public_url")]
    return next(
        (u.strip() for u in told if u and u.strip().startswith(("http://", "https://"))), ""
    )


def _licence(root: Any) -> str:
    for element in root.iter("link", "a"):
        if "license" in (element.get("rel") or "").lower().split():
            href = element.get("href") or ""
            return bibliography.licence(href) or href
    return ""
