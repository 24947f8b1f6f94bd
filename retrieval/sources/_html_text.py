"""The text of an HTML page: sections, lists and table rows, without what surrounds them.

Dropped: scripts, styles, navigation, page headers and footers, forms, banners, hidden elements, and
the superscript numbers of references. Knows nothing of metadata or character sets.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from retrieval.errors import SourceError
from retrieval.sources._markup import raised
from retrieval.sources.monograph import HEADINGS
from retrieval.types import Section

_ASPECTS = {title.lower(): aspect for title, aspect in HEADINGS.items()}
_DROPPED = frozenset([
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas",
    "audio", "video", "map", "button", "select", "input", "textarea", "label", "nav", "footer",
    "dialog", "head", "title", "link", "meta", "frame", "frameset",
])  # fmt: skip
# Dropped unless inside the text itself, where an article's own header holds its title.
_OUTER = frozenset(["header", "aside", "form"])
_ROLES = frozenset([
    "navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar",
    "toolbar", "complementary",
])  # fmt: skip
_SURROUNDING = re.compile(
    r"(?:^|[\s_-])(?:cookies?|cookieconsent|gdpr|breadcrumbs?|navbar|nav|navigation|site-(?:menu|"
    r"header|footer)|main-menu|skip-?(?:link|to-content|nav)|social|share|sharing|newsletter|"
    r"subscribe|sidebar|advert(?:isement)?|ads?|popup|modal|pagination|print-only|sr-only|"
    r"visually-hidden|toc|table-of-contents)(?:$|[\s_-])",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html",
    "legend", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "ul",
])  # fmt: skip
_HEADS = {f"h{n}": n for n in range(1, 7)}
_REFERENCE = re.compile(r"\s*[\[(]?\d+(?:\s*[,–-]\s*\d+)*[\])]?\s*|\s*\[[a-z]\]\s*")
_INVISIBLE = str.maketrans("", "", "\u00ad\u200b\u200c\u2060\ufeff")
_MAX_ROWS = 5000


def parse(text: str, path: Path) -> Any:
    """Return the root element of a page.

    Raises:
        SourceError: if there is no element in it, or it is nested too deeply to be read whole.
    """
    from lxml import etree, html

    parser = html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False
    )
    data = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    try:
        root = html.document_fromstring(data, parser=parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise SourceError(f"{path} holds no page that can be read: check what it holds.") from error
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        raise SourceError(f"{path} is nested too deeply to be read: save the page as text.")
    return root


def title(root: Any) -> str:
    """Return the first top heading of a page, else its title without the site's name, or ""."""
    for element in root.iter("h1"):
        if text := _plain(element):
            return text
    named = next((_plain(element) for element in root.iter("title")), "")
    parts = re.split(r"(\s+[|–—·»-]\s+)", named)
    return "".join(parts[:-2]) if len(parts) > 2 else named


def sections(root: Any) -> tuple[Section, ...]:
    """Return the sections of a page's text in order; none where there is no text."""
    inside = _main(root)
    found = _Text(inside is not root).run(inside)
    if inside is not root and sum(len(s.text) for s in found) < 200:
        found = _Text(False).run(root)
    return tuple(found)


def _main(root: Any) -> Any:
    """Return the element that holds the page's text, or the page where none says so."""
    for tag in ("main", "article"):
        present = list(root.iter(tag))
        if len(present) == 1:
            return present[0]
    roles = [e for e in root.iter("div", "section") if e.get("role") == "main"]
    return roles[0] if len(roles) == 1 else root


class _Text:
    """Walks a page once and gathers its blocks; holds the state of one walk."""

    def __init__(self, inner: bool) -> None:
        self._inner = inner
        self._sections: list[tuple[str, str, list[tuple[str, str]]]] = [("", "", [])]
        self._parents: dict[int, str] = {}
        self._words: list[str] = []
        self._prefix = ""
        self._lists: list[int] = []  # Of each open list: the next number, or -1 for bullets.

    def run(self, root: Any) -> list[Section]:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            if event == "start":
                if self._start(element):
                    walk.skip_subtree()
            else:
                self._end(element, element is root)
        self._flush()
        found = [Section(name, aspect, _joined(blocks)) for name, aspect, blocks in self._sections]
        return [section for section in found if any(c.isalnum() for c in section.text)]

    def _start(self, element: Any) -> bool:
        """Take an element in; return whether its contents are done with."""
        tag = element.tag if isinstance(element.tag, str) else "script"
        if tag in _DROPPED or _is_surrounding(element, tag, self._inner):
            return True
        if tag in _HEADS:
            self._flush()
            self._head(_HEADS[tag], _plain(element))
            return True
        if tag == "sup" and len(element) and _REFERENCE.fullmatch(_plain(element)):
            return True
        if tag == "table" and not _is_layout(element):
            self._flush()
            self._sections[-1][2].extend(("row", row) for row in _rows(element))
            return True
        if tag in _BLOCKS:
            self._flush()
            self._open(element, tag)
        elif tag == "br":
            self._words.append(" ")
        elif tag == "sup":
            self._words.append(raised(_plain(element), "".join(self._words[-3:])))
            return True
        self._words.append(element.text or "")
        return False

    def _open(self, element: Any, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else -1)
        elif tag == "li":
            number = self._lists[-1] if self._lists else -1
            self._prefix = "- " if number < 0 else f"{number}. "
            if self._lists and number > 0:
                self._lists[-1] = number + 1

    def _end(self, element: Any, is_root: bool) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._flush()
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            if tag == "li":
                self._prefix = ""
        if not is_root:
            self._words.append(element.tail or "")

    def _head(self, level: int, text: str) -> None:
        if not text:
            return
        self._parents = {n: name for n, name in self._parents.items() if n < level}
        above = self._parents[max(self._parents)] if self._parents else ""
        if level > 1:  # The top heading is the document's title and stands above every section.
            self._parents[level] = text
        name = f"{above}: {text}" if above else text
        aspect = _ASPECTS.get(text.lower()) or _ASPECTS.get(above.lower(), "")
        self._sections.append((name, aspect, []))

    def _flush(self) -> None:
        text = _tidy("".join(self._words))
        self._words.clear()
        if text:
            kind = "item" if self._prefix else "text"
            self._sections[-1][2].append((kind, self._prefix + text))
            self._prefix = ""


def _joined(blocks: list[tuple[str, str]]) -> str:
    out: list[str] = []
    before = ""
    for kind, text in blocks:
        if out:
            out.append("\n" if kind == before != "text" else "\n\n")
        out.append(text)
        before = kind
    return "".join(out)


def _is_surrounding(element: Any, tag: str, inner: bool) -> bool:
    get = element.get
    if get("hidden") is not None or (get("aria-hidden") or "").lower() == "true":
        return True
    if (get("role") or "").lower() in _ROLES or _HIDDEN.search(get("style") or ""):
        return True
    if tag in _OUTER and not inner:
        # Whole pages are wrapped in one form by some makers of pages.
        return not any(True for _ in element.iter("h1", "main", "article", "h2"))
    if tag in ("html", "body", "main", "article"):
        return False
    names = f"{get('class') or ''} {get('id') or ''}"
    return len(names) > 1 and _SURROUNDING.search(names[:500]) is not None


def _is_layout(table: Any) -> bool:
    """Return whether a table only arranges the page."""
    if (table.get("role") or "") in ("presentation", "none"):
        return True
    inside = table.iterdescendants("table", "h1", "h2", "h3", "form", "article", "nav")
    return next(inside, None) is not None


def _rows(table: Any) -> list[str]:
    """Return a table's caption and rows, cells divided by " | "."""
    out = [text for caption in table.iter("caption") if (text := _plain(caption))]
    for number, row in enumerate(table.iter("tr")):
        if number >= _MAX_ROWS:
            break
        cells = [_plain(cell) for cell in row if cell.tag in ("td", "th")]
        if any(cells):
            out.append(" | ".join(cells))
    return out


def _plain(element: Any) -> str:
    """Return the text within an element on one line, without what is not shown."""
    from lxml import etree

    words: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, inner in walk:
        if event == "end":
            if inner is not element:
                words.append(inner.tail or "")
            continue
        tag = inner.tag if isinstance(inner.tag, str) else "script"
        note = tag == "sup" and len(inner) and _REFERENCE.fullmatch("".join(inner.itertext()))
        if inner is not element and (tag in _DROPPED or note or inner.get("hidden") is not None):
            walk.skip_subtree()
            continue
        if tag == "sup" and inner is not element:
            words.append(raised("".join(inner.itertext()), "".join(words[-3:])))
            walk.skip_subtree()
            continue
        words.append(" " if tag == "br" or tag in _BLOCKS else "")
        words.append(inner.text or "")
    return _tidy("".join(words))


def _tidy(text: str) -> str:
    """Return text on one line, with runs of spaces as one."""
    return " ".join(text.translate(_INVISIBLE).split())
