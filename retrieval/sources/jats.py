"""Articles in JATS, as PubMed Central publishes them: .xml, .nxml, or article sets.

One document an article, and one for each sub-article that says something of its own (a translation,
a reply; peer review is left out). Front matter fills the document's fields; `_jats_body` makes the
sections. Knows nothing of archives, indexes or networks.

Source: ANSI/NISO Z39.96-2024 (JATS 1.4) and its predecessor, the NLM DTDs 2.x and 3.0; PMC tagging
guidelines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval import bibliography, evidence
from retrieval.errors import SourceError
from retrieval.sources import Item, Skipped, _jats_body, _notices, _xml
from retrieval.sources._jats_body import text
from retrieval.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element

SUFFIXES = (".nxml", ".xml", ".nxml.gz", ".xml.gz")
ROOTS = ("article", "pmc-articleset", "OAI-PMH")
RECORDS = ("{*}article",)
SOURCE = "PubMed Central"
LIMITS = _xml.Limits(record_bytes=48 << 20)
MAX_AUTHORS = 100
_XLINK = "{http://www.w3.org/1999/xlink}"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NO_PAPERS = (
    "reviewer-report", "referee-report", "decision-letter", "editor-report", "author-comment",
    "aggregated-review-documents", "peer-review", "reviewer-comments", "community-comment",
)  # fmt: skip
# Which date counts as that of publication, best first: the issue's, as PubMed does.
_DATES = ("ppub", "collection", "epub", "epub-ppub", "pub", "print", "electronic", "preprint")


@dataclass(frozen=True, slots=True)
class _Front:
    """Where an article's front matter lies.

    Attributes:
        article: the article or sub-article.
        meta: its article-meta or front-stub.
        journal: the journal-meta, or None.
    """

    article: _Element
    meta: _Element
    journal: _Element | None


class JatsReader:
    """Reads JATS articles."""

    def read(self, path: Path) -> Iterator[Item]:
        """Yield the articles of `path` in order.

        Raises:
            SourceError: if the file is damaged, hostile or no JATS.
        """
        stem, number = path.name.partition(".")[0], 0
        for element in _xml.records(path, RECORDS, ROOTS, "JATS article", LIMITS):
            number += 1
            try:
                yield from _articles(_xml.plain_names(element), stem)
            except (RecursionError, ValueError) as error:
                yield Skipped(f"{path.name}, article {number}", f"it can't be read ({error}).")
        if not number:
            raise SourceError(f"{path} holds no JATS article: name a file that does.")


def build() -> JatsReader:
    """Return the reader."""
    return JatsReader()


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file's first bytes are those of a JATS article or a set of them."""
    if b"article" not in head and b"OAI-PMH" not in head:
        return False
    found = _xml.prolog(head)
    names = {found.root.rpartition(":")[2], found.doctype} - {""}
    if names.isdisjoint(ROOTS):
        return False
    return not any("docbook" in value for _, value in found.attributes) and (
        "docbook" not in (found.public + found.system).lower()
    )


def _articles(article: _Element, stem: str) -> Iterator[Item]:
    front = article.find("front")
    meta = None if front is None else front.find("article-meta")
    if front is None or meta is None:
        yield Skipped(stem, "the article has no front matter (article-meta).")
        return
    whole = _Front(article, meta, front.find("journal-meta"))
    main = _document(whole, stem)
    yield main or Skipped(stem, "the article has neither a title nor text.")
    for number, part in enumerate(article.iter("sub-article", "response"), 1):
        stub = part.find("front-stub")
        if stub is None:
            stub = part.find("front/article-meta")
        if main is None or stub is None or part.get("article-type", "") in _NO_PAPERS:
            continue
        found = _document(_Front(part, stub, whole.journal), stem, main, number)
        if found is not None and found.sections:
            yield found


def _document(
    front: _Front, stem: str, parent: Document | None = None, number: int = 0
) -> Document | None:
    """Return an article as a document, or None where there is nothing in it.

    A sub-article takes from its parent what it doesn't say itself.
    """
    article, meta = front.article, front.meta
    title = _title(meta)
    names = _identifiers(meta)
    identity = f"{parent.id}/{number}" if parent else next(iter(_by_pmc_first(names)), stem)
    sections = tuple(_jats_body.sections(article, meta))
    if not title and not sections:
        return None
    kind = article.get("article-type") or ""
    subjects = _subjects(meta)
    fate = _notices.fate(_links(meta), [kind, *subjects], title)
    if parent and kind == "translation":  # The same work in other words shares its fate.
        fate = _notices.Fate(parent.status, parent.notices)
    keywords = [text(node) for node in meta.iterfind("kwd-group/kwd")]
    authors, more = _authors(meta)
    metadata = {
        "article_type": kind,
        "subjects": "; ".join(subjects),
        "keywords": "; ".join(filter(None, keywords)),
        "translated_title": text(meta.find("title-group/trans-title-group/trans-title"))
        or text(meta.find("title-group/trans-title")),
        "copyright": text(meta.find("permissions/copyright-statement")),
        "part_of": parent.id if parent else "",
        "authors_total": more,
        "notice": fate.notice,
    }
    return Document(
        id=identity,
        title=title or (parent.title if parent else stem),
        sections=sections,
        kind="article",
        source=SOURCE,
        url=bibliography.url(names) or (parent.url if parent else ""),
        year=_year(meta) or (parent.year if parent else None),
        metadata=tuple((key, value) for key, value in metadata.items() if value),
        identifiers=names,
        authors=authors,
        journal=_journal(front.journal),
        publication_types=tuple(subjects),
        evidence="" if fate.notice else evidence.level(subjects, article_type=kind, title=title),
        language=bibliography.language(article.get(_LANG) or "")
        or (parent.language if parent else ""),
        licence=_licence(meta) or (parent.licence if parent else ""),
        status=fate.status,
        notices=fate.notices,
    )


def _by_pmc_first(names: Iterable[str]) -> list[str]:
    """Return identifiers in the order in which they may name a document."""
    order = {"pmcid": 0, "pmid": 1, "doi": 2}
    return sorted(names, key=lambda name: order[name.partition(":")[0]])


def _title(meta: _Element) -> str:
    title = text(meta.find("title-group/article-title"))
    subtitle = text(meta.find("title-group/subtitle"))
    return f"{title.rstrip(':')}: {subtitle}" if title and subtitle else title or subtitle


def _identifiers(meta: _Element) -> tuple[str, ...]:
    found: dict[str, list[str]] = {"pmid": [], "pmc": [], "doi": []}
    for node in meta.iterfind("article-id"):
        kind = (node.get("pub-id-type") or "").lower()
        kind = "pmc" if kind in ("pmcid", "pmc-id") else kind
        if kind in found:
            found[kind].append(node.text or "")
    return bibliography.identifiers(
        pmids=found["pmid"], pmcids=found["pmc"], dois=found["doi"]
    )  # fmt: skip


def _subjects(meta: _Element) -> list[str]:
    """Return the headings under which the journal put the article, without its disciplines."""
    groups = list(meta.iterfind("article-categories/subj-group"))
    chosen = [g for g in groups if g.get("subj-group-type") == "heading"] or groups[:1]
    return [name for g in chosen for node in g.iterfind("subject") if (name := text(node))]


def _authors(meta: _Element) -> tuple[tuple[str, ...], str]:
    """Return the authors' names, and their number where they are too many to keep."""
    found = [
        _author(node)
        for node in meta.iterfind("contrib-group/contrib")
        if node.get("contrib-type", "author") in ("author", "group", "collab")
    ]
    names = list(dict.fromkeys(filter(None, found)))
    return tuple(names[:MAX_AUTHORS]), str(len(names)) if len(names) > MAX_AUTHORS else ""


def _author(node: _Element) -> str:
    holder = node.find("name-alternatives")
    holder = node if holder is None else holder
    if (name := holder.find("name")) is not None:
        parts = (name.find(tag) for tag in ("given-names", "surname", "suffix"))
        return " ".join(filter(None, map(text, parts)))
    for tag in ("string-name", "collab", "on-behalf-of"):
        if (found := holder.find(tag)) is not None:
            return text(found)
    return ""


def _journal(meta: _Element | None) -> str:
    if meta is None:
        return ""
    titles = (meta.find("journal-title-group/journal-title"), meta.find("journal-title"))
    return next((name for node in titles if (name := text(node))), "") or next(
        (text(n) for n in meta.iterfind("journal-id") if n.get("journal-id-type") == "nlm-ta"), ""
    )


def _year(meta: _Element) -> int | None:
    """Return the year of publication: of the issue if there is one, else the earliest given."""
    years: dict[str, int] = {}
    for node in meta.iterfind("pub-date"):
        kind = node.get("pub-type") or node.get("date-type") or "pub"
        if kind == "pub":
            kind = node.get("publication-format") or kind
        written = node.findtext("year") or node.findtext("string-date") or ""
        year = bibliography.year(written or node.get("iso-8601-date") or "")
        if year:
            years[kind] = min(year, years.get(kind, year))
    known = next((years[kind] for kind in _DATES if kind in years), None)
    return known or min(years.values(), default=None)


def _licence(meta: _Element) -> str:
    for node in meta.iterfind("permissions/license"):
        said = [node.get(f"{_XLINK}href") or ""]
        said += [(n.text or "") for n in node.iter("license_ref")]
        said += [n.get(f"{_XLINK}href") or "" for n in node.iter("ext-link", "uri")]
        said.append(text(node))
        if name := next((name for part in said if (name := bibliography.licence(part))), ""):
            return name
    old = [text(n) for n in meta.iter("license", "copyright-statement")]
    return next((name for part in old if (name := bibliography.licence(part))), "")


def _links(meta: _Element) -> Iterator[_notices.Link]:
    for node in meta.iterfind("related-article"):
        target = node.get(f"{_XLINK}href") or text(node)
        kind = node.get("ext-link-type") or ""
        name = bibliography.pmid(target) if kind == "pubmed" else bibliography.identifier(target)
        yield _notices.Link(
            node.get("related-article-type") or "", bibliography.printed([name]) or target[:80]
        )
