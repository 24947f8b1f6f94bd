"""The text of a JATS article: abstracts and body as sections, tables as rows, captions.

Left out: references, footnotes, acknowledgements, declarations, supplements, display formulas, and
the numbers that refer to references. Section titles carry their path ("Methods: Randomisation").
Knows nothing of front matter but the abstracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrieval import bibliography
from retrieval.sources import _headings
from retrieval.sources._markup import FORMULA, MARK, flat, formula
from retrieval.sources._xml import local
from retrieval.types import Section

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_ROWS, MAX_COLUMNS, MAX_TABLE = 40, 12, 6000
MAX_DEPTH = 12
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LISTS = ("list", "def-list")
_FLOATS = ("fig", "fig-group", "table-wrap", "table-wrap-group")
_BLOCKS = frozenset(
    ["p", "title", "list", "list-item", "def", "def-list", "def-item", "disp-quote", "verse-line",
     "subtitle", "td", "th", "tr", "sec", "speech", "speaker", "statement", "boxed-text"]
)  # fmt: skip
_DROPPED = frozenset(
    [
        "disp-formula", "disp-formula-group", "tex-math", "graphic", "inline-graphic", "media",
        "supplementary-material", "inline-supplementary-material", "fn", "fn-group", "object-id",
        "ref-list", "ref", "permissions", "alternatives-graphic", "label", "processing-meta",
        "related-article", "related-object", "sub-article", "response", "table-wrap-foot",
        "attrib", "index-term", "sec-meta", "array", "code", "email", "contrib-group", "aff",
    ]
)  # fmt: skip
_ABSTRACTS_DROPPED = frozenset(
    ["graphical", "video", "teaser", "toc", "web-summary", "editor", "precis", "ASCII"]
)
_ABSTRACT_NAMES = {
    "plain-language-summary": "Plain language summary",
    "executive-summary": "Executive summary",
    "key-points": "Key points",
    "summary": "Summary",
    "author-highlights": "Highlights",
    "highlights": "Highlights",
}
# Sections that say nothing about the subject.
_BACK_MATTER = re.compile(
    r"acknowledge?ments?|(competing|conflicts? of|declaration of( competing)?|disclosure of)"
    r" interests?s?( statements?| disclosures?)?|(financial )?disclosures?( statement)?"
    r"|funding( statement| sources?| information)?|authors?['’]? contributions?( statement)?"
    r"|credit authorship contribution statement|contributors|data (and code |availability |sharing"
    r" )*(availability|statement|sharing)|availability of data( and materials?)?"
    r"|supplementary (materials?|data|information|files?)|supporting information|ethics statement"
    r"|ethics approval( and consent to participate)?|consent for publication|author disclosures?"
    r"|pre-?publication history|publisher['’]s note|additional (files?|information)|abbreviations?"
    r"|references|declarations|electronic supplementary material|list of abbreviations|footnotes"
    r"|provenance and peer review|patient consent( for publication)?|author information",
    re.IGNORECASE,
)
_BACK_TYPES = frozenset(
    ["supplementary-material", "COI-statement", "data-availability", "ethics-statement"]
)
_METHODS = re.compile(r"(materials?|patients?|subjects?|participants?)?( and |,| & )*methods?\b"
                      r"|methodology|methods? and materials?|study design", re.IGNORECASE)  # fmt: skip
_GAP = rf"{MARK}(?:\s*(?:[,;–—‐-]|and|&)?\s*{MARK})*"
_BRACKETED = re.compile(rf"\s*[\[(]\s*{_GAP}\s*[\])]")
_BARE = re.compile(rf"\s*{_GAP}(?:\s*[,;]\s*(?={MARK}))*")
_REFERENCE = re.compile(r"[\s\d,;.\[\]()–—‐*†‡§¶‖#a-z-]*", re.IGNORECASE)
_NUMERIC = re.compile(r"[\s\d,;\[\]()–—‐-]*[a-z]?[\s\])]*")
_SPACE_BEFORE = re.compile(r"\s+([,.;:)\]])(?=\s|$)")


def text(element: _Element | None) -> str:
    """Return an element's text without reference marks, formulas' sources and dropped parts."""
    raw = flat(element, _special)
    if MARK not in raw:
        return raw
    raw = _BARE.sub("", _BRACKETED.sub(MARK, raw))
    return " ".join(_SPACE_BEFORE.sub(r"\1", raw).split())


def _special(child: _Element, before: str) -> str | None:
    name = local(child.tag)
    if name == "xref":
        inner = flat(child, _special)
        kind = child.get("ref-type") or ""
        if kind in ("bibr", "fn", "table-fn", "aff", "corresp", "author-notes"):
            short = kind != "bibr" and len(inner) <= 3 and _REFERENCE.fullmatch(inner)
            if MARK in inner or short or _NUMERIC.fullmatch(inner):
                return MARK
        return inner
    if name == "sup":
        inner = flat(child, _special)
        if MARK in inner and not re.search(r"\w", inner.replace("and", "")):
            return MARK
        return None
    if name == "inline-formula":
        found = next(child.iter("{*}math"), None)
        plain = flat(child, _special) if found is None else formula(found)
        return plain or FORMULA
    if name == "alternatives":
        found = next((c for c in child if local(c.tag) in ("math", "textual-form")), None)
        return "" if found is None else flat(found, _special)
    if name in _BLOCKS:  # Two paragraphs of a cell are not one word.
        return f" {flat(child, _special)} "
    return "" if name in _DROPPED else None


def sections(article: _Element, meta: _Element) -> Iterator[Section]:
    """Yield an article's sections: abstracts, body, floating figures, translated abstracts."""
    own = bibliography.language(article.get(_LANG) or "")
    for abstract in meta.iterfind("abstract"):
        kind = abstract.get("abstract-type") or ""
        if kind not in _ABSTRACTS_DROPPED:
            name = _ABSTRACT_NAMES.get(kind) or _named(abstract, "Abstract", own)
            yield from _section(abstract, (name,), skip_title=kind == "")
    body = article.find("body")
    if body is not None:
        yield from _section(body, (), skip_title=True)
    floats = article.find("floats-group")
    if floats is not None:
        yield from _floats(list(floats), ())
    for abstract in meta.iterfind("trans-abstract"):
        if (abstract.get("abstract-type") or "") not in _ABSTRACTS_DROPPED:
            yield from _section(abstract, (_named(abstract, "Abstract", own),), skip_title=True)


def _named(abstract: _Element, name: str, own: str) -> str:
    code = bibliography.language(abstract.get(_LANG) or "")
    return f"{name} ({bibliography.language_name(code)})" if code and code != own else name


def _section(
    element: _Element, path: tuple[str, ...], *, skip_title: bool = False
) -> Iterator[Section]:
    """Yield a part of the text, then its floats, then the parts within it."""
    title = "" if skip_title else _headings.tidy(_title(element))
    if _BACK_MATTER.fullmatch(title) or (element.get("sec-type") or "") in _BACK_TYPES:
        return
    here = (*path, title) if title and title.lower() != (path[-1].lower() if path else "") else path
    blocks: list[str] = []
    floats: list[_Element] = []
    inner: list[_Element] = []
    _sort(element, blocks, floats, inner)
    if blocks:
        yield Section(": ".join(here) or "Main text", _aspect(here), "\n\n".join(blocks))
    yield from _floats(floats, here)
    for part in inner:
        if len(here) < MAX_DEPTH:
            yield from _section(part, here)


def _title(element: _Element) -> str:
    """Return a section's title, or a box's, which may stand in its caption."""
    found = text(element.find("title")) or text(element.find("caption/title"))
    return found or ("" if element.find("label") is None else _label(element))


def _aspect(path: tuple[str, ...]) -> str:
    """Return the aspect of the innermost heading that has one; a study's methods have none."""
    if any(_METHODS.match(name) for name in path):
        return ""
    return next((found for name in reversed(path) if (found := _headings.aspect(name))), "")


def _sort(
    element: _Element, blocks: list[str], floats: list[_Element], inner: list[_Element]
) -> None:
    """Sort what a part holds into paragraphs, figures and tables, and parts within it."""
    for child in element:
        name = local(child.tag)
        if name in ("sec", "boxed-text"):
            inner.append(child)
        elif name in _FLOATS:
            floats.append(child)
        elif name in _LISTS:
            blocks.extend(filter(None, ["\n".join(_items(child))]))
        elif name and name not in ("title", "label", "caption") and name not in _DROPPED:
            blocks.extend(_paragraph(child, floats))


def _paragraph(element: _Element, floats: list[_Element]) -> Iterator[str]:
    """Yield a paragraph; lists that stand in it come after it, figures and tables go to `floats`."""
    found = list(_topmost(element, (*_LISTS, *_FLOATS)))
    lists = [child for child in found if local(child.tag) in _LISTS]
    own = [child for child in found if local(child.tag) in _FLOATS]
    after = ["\n".join(_items(child)) for child in lists]
    for child in (*lists, *own):
        _cut(child)
    floats.extend(own)
    yield from filter(None, [text(element), *after])


def _topmost(element: _Element, names: tuple[str, ...]) -> Iterator[_Element]:
    """Yield the elements within another that bear one of the names and lie in no other such."""
    within: _Element | None = None
    for child in element.iter(*names):
        if child is element or (within is not None and within in child.iterancestors()):
            continue
        within = child
        yield child


def _cut(child: _Element) -> None:
    """Take an element out of its paragraph, leaving what comes after it."""
    parent, before = child.getparent(), child.getprevious()
    if parent is None:
        return
    tail, child.tail = " " + (child.tail or ""), None
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    parent.remove(child)


def _items(found: _Element, depth: int = 0) -> Iterator[str]:
    """Yield a list's items as lines that begin with a dash."""
    for item in found:
        name = local(item.tag)
        if name == "def-item":
            term, meaning = text(item.find("term")), text(item.find("def"))
            yield f"- {term}: {meaning}" if term and meaning else f"- {term or meaning}"
        elif name == "list-item":
            nested = list(_topmost(item, _LISTS))
            for child in nested:
                _cut(child)
            if line := text(item):
                yield "  " * depth + f"- {line}"
            for child in nested:
                yield from _items(child, depth + 1)


def _floats(found: list[_Element], path: tuple[str, ...]) -> Iterator[Section]:
    """Yield captions, tables with their rows where these are few."""
    for element in found:
        if local(element.tag) in ("fig-group", "table-wrap-group"):
            yield from _floats([c for c in element if local(c.tag)], path)
            continue
        if local(element.tag) not in ("fig", "table-wrap"):
            continue
        label = _label(element)
        caption = element.find("caption")
        parts = [] if caption is None else [part for c in caption if (part := text(c))]
        said = " ".join(part if part[-1] in ".?!:。" else f"{part}." for part in parts)
        rows = "\n".join(_rows(element.find(".//table")))
        body = "\n\n".join(filter(None, [said, rows]))
        if body:
            yield Section(": ".join([*path, label]), "", body)


def _label(element: _Element) -> str:
    """Return what a figure or table is called: "Table 2"."""
    label = element.find("label")
    found = "" if label is None else " ".join("".join(label.itertext()).split()).rstrip(".:")
    return found or {"fig": "Figure", "boxed-text": "Box"}.get(local(element.tag), "Table")


def _rows(table: _Element | None) -> Iterator[str]:
    """Yield a small table's rows, each cell after the first with its column's heading.

    "Age, years | Drug (n=100): 56 | Placebo (n=101): 57". Large tables yield nothing: cut into
    passages they would lose their headings.
    """
    if table is None:
        return
    rows = [(tr, _cells(tr)) for tr in table.iter("tr")]
    width = max((len(cells) for _, cells in rows), default=0)
    size = sum(len(cell) for _, cells in rows for cell in cells)
    if not 0 < len(rows) <= MAX_ROWS or width > MAX_COLUMNS or size > MAX_TABLE:
        return
    heads: list[str] = []
    for tr, cells in rows:
        parent = tr.getparent()
        if parent is not None and local(parent.tag) == "thead":
            heads = _joined(heads, cells)
            continue
        named = [
            f"{heads[n]}: {cell}" if n and n < len(heads) and heads[n] else cell
            for n, cell in enumerate(cells)
            if cell
        ]
        if named:
            yield " | ".join(named)


def _cells(tr: _Element) -> list[str]:
    cells: list[str] = []
    for cell in tr:
        if local(cell.tag) in ("td", "th"):
            span = cell.get("colspan") or "1"
            copies = int(span) if span.isdecimal() and len(span) < 3 else 1
            cells += [text(cell)] * max(1, copies)
    return cells


def _joined(above: list[str], below: list[str]) -> list[str]:
    """Join two header rows column by column; a heading that spans rows is not repeated."""
    width = max(len(above), len(below))
    one, two = above + [""] * (width - len(above)), below + [""] * (width - len(below))
    return [a if a == b else " ".join(filter(None, (a, b))) for a, b in zip(one, two, strict=True)]
