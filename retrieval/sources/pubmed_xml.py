"""PubMed's own XML: baseline and update files, efetch answers, books; .xml or .xml.gz.

One document a citation, its abstract's parts as sections; deletions come as `Removed`. Streams in
constant memory. A citation that is broken comes as `Skipped`, the rest goes on. Knows nothing of
indexes and fetches nothing.

Source: NLM, PubMed DTD 2025 (pubmed_250101.dtd) and "MEDLINE/PubMed XML Element Descriptions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval import bibliography, evidence
from retrieval.sources import Item, Removed, Skipped, _headings, _notices, _xml
from retrieval.sources._markup import flat
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from lxml.etree import _Element

SUFFIXES = (".xml", ".xml.gz")
ROOTS = (
    "PubmedArticleSet", "PubmedBookArticleSet", "BookDocumentSet", "MedlineCitationSet",
    "PubmedArticle", "PubmedBookArticle",
)  # fmt: skip
RECORDS = (
    "PubmedArticle", "PubmedBookArticle", "DeleteCitation", "DeleteDocument", "MedlineCitation",
    "BookDocument",
)  # fmt: skip
SOURCE = "PubMed"
MAX_AUTHORS = 100
_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
)}  # fmt: skip
_NAME_PARTS = ("LastName", "ForeName", "Initials", "Suffix")
# Titles that PubMed prints where it has none.
_NO_TITLES = ("not available", "in process citation", "no title available")


class _Bad(Exception):
    """A citation that can't be used; the message says why."""


class PubmedReader:
    """Reads PubMed XML."""

    def read(self, path: Path) -> Iterator[Item]:
        """Yield the citations of `path` in order, `Removed` for each deletion.

        Raises:
            SourceError: if the file is damaged, hostile or no PubMed XML; what came before the
                damage has been yielded by then.
        """
        number = 0
        for element in _xml.records(path, RECORDS, ROOTS, "PubMed XML"):
            name = element.tag
            if name.startswith("Delete"):
                yield from _removed(element, path)
                continue
            number += 1
            try:
                yield _book(element) if "Book" in name else _article(element)
            except (_Bad, RecursionError, ValueError) as error:
                why = str(error) if isinstance(error, _Bad) else f"it can't be read ({error})"
                yield Skipped(f"{path.name}, record {number}", f"{why}.")


def build() -> PubmedReader:
    """Return the reader."""
    return PubmedReader()


def sniff(path: Path, head: bytes) -> bool:
    """Return whether a file's first bytes are PubMed's."""
    if b"ubmed" not in head and b"Book" not in head and b"Medline" not in head:
        return False
    found = _xml.prolog(head)
    return found.root in ROOTS or (not found.root and found.doctype in ROOTS)


def _removed(element: _Element, path: Path) -> Iterator[Item]:
    for node in element.iter("PMID"):
        if name := bibliography.pmid(flat(node)):
            yield Removed(name, f"deleted from PubMed by {path.name}")


def _article(element: _Element) -> Document:
    citation = element if element.tag == "MedlineCitation" else element.find("MedlineCitation")
    if citation is None:
        raise _Bad("the record has no MedlineCitation")
    pmid = _pmid(citation)
    article = citation.find("Article")
    if article is None:
        raise _Bad(f"{pmid} has no Article")
    languages = _languages(article.findall("Language"))
    title, vernacular = _titles(article)
    sections = _abstracts(article, citation, languages)
    issue = _issue(article)
    metadata = _metadata(citation, article, languages, issue)
    if vernacular and vernacular != title:
        sections.append(Section("Original title", "", vernacular))
    if not sections and not title:
        raise _Bad(f"{pmid} has neither a title nor an abstract")
    if not any(name != "Original title" for name in (s.title for s in sections)):
        metadata["abstract"] = "none"
        if title:
            sections.insert(0, Section("Title", "", title))
    types = _texts(article.iterfind("PublicationTypeList/PublicationType"))
    mesh, major = _mesh(citation)
    metadata["mesh_major"] = "; ".join(major)
    fate = _notices.fate(_links(citation), types, title)
    metadata["notice"] = fate.notice
    authors = _authors(article.find("AuthorList"), metadata)
    journal = article.find("Journal")
    return Document(
        id=pmid,
        title=title or vernacular,
        sections=tuple(sections),
        kind="article",
        source=SOURCE,
        url=bibliography.url([pmid]),
        year=_year(article, issue),
        metadata=tuple((key, value) for key, value in metadata.items() if value),
        identifiers=_identifiers(element, article, pmid),
        authors=authors,
        journal="" if journal is None else _journal(journal),
        publication_types=types,
        evidence="" if fate.notice else evidence.level(types, title=title, mesh=mesh),
        language=languages[0] if languages else "",
        mesh=mesh,
        status=fate.status,
        notices=fate.notices,
    )


def _pmid(citation: _Element) -> str:
    text = citation.findtext("PMID") or ""
    pmid = bibliography.pmid(text)
    if not pmid:
        raise _Bad(f"the record has no PMID (it says {text[:20]!r})")
    return pmid


def _texts(elements: Iterator[_Element]) -> tuple[str, ...]:
    return tuple(text for element in elements if (text := flat(element)))


def _titles(article: _Element) -> tuple[str, str]:
    """Return the title and the one in the article's own language."""
    title, vernacular = flat(article.find("ArticleTitle")), flat(article.find("VernacularTitle"))
    bare = title.rstrip(". ")
    if bare.startswith("[") and bare.endswith("]") and bare.count("[") == 1:
        title = bare[1:-1].strip()  # PubMed's mark of a translated title.
    if title.strip(" .").lower() in _NO_TITLES:
        title = ""
    return title, vernacular


def _abstracts(article: _Element, citation: _Element, languages: list[str]) -> list[Section]:
    sections = list(_parts(article.find("Abstract"), ""))
    seen = {section.text for section in sections}
    for other in citation.iterfind("OtherAbstract"):
        kind, code = other.get("Type", ""), bibliography.language(other.get("Language", ""))
        name = "Plain language summary" if "plain" in kind.lower() else "Abstract"
        if code and code != "en":
            name = f"{name} ({bibliography.language_name(code)})"
        elif name == "Abstract" and sections:
            name = "Other abstract"
        sections += [part for part in _parts(other, name) if part.text not in seen]
    return sections


def _parts(abstract: _Element | None, name: str) -> Iterator[Section]:
    """Yield the parts of an abstract; `name` goes before their own headings."""
    if abstract is None:
        return
    for part in abstract.iterfind("AbstractText"):
        text = flat(part)
        if not text:
            continue
        label = part.get("Label") or ""
        if not label or label.upper() in ("UNLABELLED", "UNLABELED"):
            label = part.get("NlmCategory") or ""
            label = "" if label in ("UNASSIGNED", "UNLABELLED") else label
        heading = _headings.tidy(label)
        title = ": ".join(filter(None, [name, heading])) or "Abstract"
        yield Section(title, _headings.aspect(label), text)


def _metadata(
    citation: _Element, article: _Element, languages: list[str], issue: dict[str, str]
) -> dict[str, str]:
    """Return what has no field of its own, in a fixed order."""
    pmid = citation.find("PMID")
    version = "" if pmid is None else pmid.get("Version", "")
    keywords = _texts(citation.iterfind("KeywordList/Keyword"))
    trials = _texts(article.iterfind("DataBankList/DataBank/AccessionNumberList/AccessionNumber"))
    status = citation.get("Status", "")
    return {
        "published": _date(issue),
        "citation": _place(article, issue),
        "citation_status": "" if status == "MEDLINE" else status,
        "version": "" if version == "1" else version,
        "keywords": "; ".join(keywords),
        "registrations": "; ".join(dict.fromkeys(trials)),
        "languages": "; ".join(languages) if len(languages) > 1 else "",
        "copyright": flat(article.find("Abstract/CopyrightInformation")),
    }


def _languages(elements: list[_Element]) -> list[str]:
    """Return ISO 639-1 codes, English first where it is one of several."""
    codes = [bibliography.language(element.text or "") for element in elements]
    return sorted(dict.fromkeys(filter(None, codes)), key=lambda code: code != "en")


def _journal(journal: _Element) -> str:
    return flat(journal.find("ISOAbbreviation")) or flat(journal.find("Title"))


def _issue(article: _Element) -> dict[str, str]:
    """Return volume, issue and the parts of its date by their names in the DTD."""
    found: dict[str, str] = {}
    for node in article.iterfind("Journal/JournalIssue/*"):
        for part in node if node.tag == "PubDate" else (node,):
            found[part.tag] = (part.text or "").strip()
    return found


def _year(article: _Element, issue: dict[str, str]) -> int | None:
    said = issue.get("Year") or issue.get("MedlineDate") or article.findtext("ArticleDate/Year")
    return bibliography.year(said or "")


def _date(issue: dict[str, str]) -> str:
    """Return the date of the issue as "2018-05-17", "2018-05" or as printed, or ""."""
    year, month = issue.get("Year", ""), issue.get("Month", "").lower()
    if not year:
        return " ".join(issue.get("MedlineDate", "").split())
    number = int(month) if month.isdecimal() else _MONTHS.get(month[:3], 0)
    if not 1 <= number <= 12:
        return " ".join(filter(None, [year, issue.get("Season", "")]))
    day = issue.get("Day", "")
    tail = f"-{int(day):02d}" if day.isdecimal() and 1 <= int(day) <= 31 else ""
    return f"{year}-{number:02d}{tail}"


def _place(article: _Element, issue: dict[str, str]) -> str:
    """Return volume, issue and pages as PubMed prints them: "378(20):1865-1876"."""
    pages, number = flat(article.find("Pagination/MedlinePgn")), issue.get("Issue", "")
    place = issue.get("Volume", "") + (f"({number})" if number else "")
    return f"{place}:{pages}" if pages else place


def _authors(found: _Element | None, metadata: dict[str, str]) -> tuple[str, ...]:
    if found is None:
        return ()
    names = [name for author in found.iterfind("Author") if (name := _author(author))]
    if len(names) > MAX_AUTHORS:
        metadata["authors_total"] = str(len(names))
    return tuple(names[:MAX_AUTHORS])


def _author(author: _Element) -> str:
    """Return a name as printed, or "" where NLM marks it as wrong."""
    if author.get("ValidYN") == "N":
        return ""
    said: dict[str, str | None] = {}
    for node in author:
        if node.tag == "CollectiveName":
            return flat(node)
        if node.tag in _NAME_PARTS:
            said[node.tag] = node.text
    parts = (said.get("ForeName") or said.get("Initials"), said.get("LastName"), said.get("Suffix"))
    return " ".join(" ".join(filter(None, parts)).split())


def _mesh(citation: _Element) -> tuple[tuple[str, ...], list[str]]:
    """Return the headings, supplementary diseases with them, and those that are the main topics."""
    every, main = _mesh_paths()
    names = dict.fromkeys(filter(None, [name.strip() for name in every(citation)]))
    return tuple(names), [name.strip() for name in main(citation)]


@cache
def _mesh_paths() -> tuple[Callable[[_Element], list[str]], Callable[[_Element], list[str]]]:
    """Compile the two paths; a record has dozens of headings, and XPath walks them in C."""
    from lxml import etree

    heading = "MeshHeadingList/MeshHeading"
    return (
        etree.XPath(
            f"{heading}/DescriptorName/text() | SupplMeshList/SupplMeshName/text()",
            smart_strings=False,
        ),
        etree.XPath(
            f"{heading}[*/@MajorTopicYN='Y']/DescriptorName/text()", smart_strings=False
        ),
    )  # fmt: skip


def _links(citation: _Element) -> Iterator[_notices.Link]:
    for node in citation.iterfind("CommentsCorrectionsList/CommentsCorrections"):
        pmid = node.findtext("PMID") or ""
        target = f"PMID {pmid.strip()}" if pmid.strip() else flat(node.find("RefSource"))
        yield _notices.Link(node.get("RefType", ""), target)


def _identifiers(element: _Element, article: _Element, pmid: str) -> tuple[str, ...]:
    """Return the record's own identifiers; those of its references lie elsewhere in it."""
    pmcids, dois = [], []
    for node in element.iterfind("PubmedData/ArticleIdList/ArticleId"):
        kind = node.get("IdType")
        if kind in ("pmc", "pmcid"):
            pmcids.append(node.text or "")
        elif kind == "doi":
            dois.append(node.text or "")
    dois += [
        node.text or ""
        for node in article.iterfind("ELocationID")
        if node.get("EIdType") == "doi" and node.get("ValidYN") != "N"
    ]
    return bibliography.identifiers(pmids=[pmid], pmcids=pmcids, dois=dois)


def _book(element: _Element) -> Document:
    """Return a book or a chapter of one."""
    document = element if element.tag == "BookDocument" else element.find("BookDocument")
    if document is None:
        raise _Bad("the record has no BookDocument")
    pmid, book = _pmid(document), document.find("Book")
    name = "" if book is None else flat(book.find("BookTitle"))
    title = flat(document.find("ArticleTitle")) or name
    if not title:
        raise _Bad(f"{pmid} has no title")
    sections = list(_parts(document.find("Abstract"), ""))
    metadata = {"keywords": "; ".join(_texts(document.iterfind("KeywordList/Keyword")))}
    if not sections:
        metadata["abstract"] = "none"
        sections = [Section("Title", "", title)]
    types = _texts(document.iterfind("PublicationType"))
    languages = _languages(document.findall("Language"))
    authors = next(
        (n for n in document.iterfind("AuthorList") if n.get("Type") != "editors"),
        None if book is None else book.find("AuthorList"),
    )
    names = _authors(authors, metadata)
    date = None if book is None else book.find("PubDate")
    ids = list(document.iterfind("ArticleIdList/ArticleId"))
    if book is not None:
        metadata["publisher"] = flat(book.find("Publisher/PublisherName"))
        metadata["isbn"] = flat(book.find("Isbn"))
    metadata["bookshelf"] = next(
        (n.text or "" for n in ids if n.get("IdType") == "bookaccession"), ""
    )
    return Document(
        id=pmid,
        title=title,
        sections=tuple(sections),
        kind="article",
        source=SOURCE,
        url=bibliography.url([pmid]),
        year=None if date is None else bibliography.year(" ".join(date.itertext())),
        metadata=tuple((key, value) for key, value in metadata.items() if value),
        identifiers=bibliography.identifiers(
            pmids=[pmid], dois=[n.text or "" for n in ids if n.get("IdType") == "doi"]
        ),
        authors=names,
        journal=name,
        publication_types=types,
        evidence=evidence.level(types, title=title),
        language=languages[0] if languages else "",
    )
