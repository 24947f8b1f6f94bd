"""Bibliographic facts, normalised: identifiers, years, languages, licences, status, citations.

Pure functions from what publishers print to what `Document` holds. They never raise: what can't be
read is "" or None, so that one odd field never costs a record. Levels of evidence are in
`retrieval.evidence`. Knows nothing of files or formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from retrieval._languages import CODES, NAMES
from retrieval.types import STATUSES, Document, Passage

_DOI = re.compile(r"(?<![\d.])(10\.\d{4,9}(?:\.\d+)*/\S+)")
_DOI_BARE = re.compile(r"(?:doi:?\s*)?(10\.\d{4,9}(?:\.\d+)*/\S+)", re.IGNORECASE)
_PMID = re.compile(
    r"(?:pmid\s*:?\s*|(?:https?://)?(?:www\.)?(?:pubmed\.ncbi\.nlm\.nih\.gov|"
    r"ncbi\.nlm\.nih\.gov/(?:pubmed|m/pubmed))/)?0*([1-9]\d{0,9})(?:\.0)?/?",
    re.IGNORECASE,
)
_PMCID = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:pmc\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pmc|"
    r"europepmc\.org(?:/article)?|europepmc\.org/pmc)/(?:articles?/)?)?"
    r"(?:pmcid\s*:?\s*)?(?:pmc)?\s*0*([1-9]\d{0,9})(\.\d+)?/?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
_YEARS_JOINED = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?=\d{2}(?:\d{2})?(?!\d))")
_CLOSERS = {")": "(", "]": "[", ">": "<", "}": "{"}


def pmid(text: str) -> str:
    """Return `pmid:<digits>` from a number, "PMID: 123" or a PubMed URL, else ""."""
    text = text.strip()
    if text.isdecimal() and text.isascii() and text[0] != "0" and len(text) <= 10:
        return f"pmid:{text}"  # As files have it millions of times.
    match = _PMID.fullmatch(text.strip("."))
    return f"pmid:{match[1]}" if match else ""


def pmcid(text: str) -> str:
    """Return `pmcid:pmc<digits>` from a number, "PMC123", "PMC123.2" or a PMC URL, else ""."""
    text = text.strip().rstrip(".")
    match = _PMCID.fullmatch(text)
    if match is None or (match[2] and "pmc" not in text.lower()):
        return ""  # "10.1000" is a number, not a version of PMC10.
    return f"pmcid:pmc{match[1]}"


def doi(text: str) -> str:
    """Return `doi:10.<registrant>/<suffix>` in lower case, else "".

    Takes bare DOIs, "doi:" prefixes and resolver URLs; percent escapes of URLs are undone, and
    sentence punctuation and unmatched brackets behind it are cut. A DOI is case-insensitive for
    ASCII letters (ISO 26324, DOI handbook 2.4), so lower case is the same name.
    """
    text = text.strip()
    if "://" in text or text.lower().startswith(("doi.org/", "dx.doi.org/")):
        match = _DOI.search(unquote(text).split("#")[0])
    else:
        match = _DOI_BARE.match(text)
    value = _trimmed(match[1]) if match else ""
    return f"doi:{value.lower()}" if value else ""


def _trimmed(value: str) -> str:
    """Cut what belongs to the sentence around a DOI rather than to the DOI."""
    while value:
        last = value[-1]
        unmatched = last in _CLOSERS and value.count(last) > value.count(_CLOSERS[last])
        if last not in ".,;:'\"’”" and not unmatched:
            break
        value = value[:-1]
    return value if value.partition("/")[2] else ""


def identifiers(
    *, pmids: Iterable[str] = (), pmcids: Iterable[str] = (), dois: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return a document's identifiers in the form of `Document.identifiers`, without repeats."""
    found = [pmid(v) for v in pmids] + [pmcid(v) for v in pmcids]
    found += [doi(v) for v in dict.fromkeys(dois)]
    return tuple(dict.fromkeys(name for name in found if name))


def identifier(text: str) -> str:
    """Return the identifier that a free text names ("PMC123", "doi:…", a URL), else "".

    A bare number is a PMID.
    """
    return doi(text) or pmid(text) or pmcid(text)


def year(text: str) -> int | None:
    """Return the year of a messy date: the first one from 1500 to 2099 in it, else None.

    "1998 Dec-1999 Jan" gives 1998, "Winter 2001", "2001-02", "20010315" and "2000-2001" give what
    one expects.
    """
    match = _YEAR.search(text) or _YEARS_JOINED.search(text)
    return int(match[1]) if match else None


@lru_cache(1024)
def language(text: str) -> str:
    """Return the ISO 639-1 code of a language code, tag or English name, or "" where unknown.

    Takes ISO 639-1 ("en"), ISO 639-2 ("eng", "chi", "zho"), BCP 47 tags ("pt-BR", "zh_Hans") and
    names ("French"). "und", "mul" and the like are unknown.
    """
    text = text.strip().lower()
    return CODES.get(text) or CODES.get(re.split(r"[-_]", text)[0], "")


def language_name(code: str) -> str:
    """Return the English name of an ISO 639-1 code, or the code itself where it is unknown."""
    return NAMES.get(code, code)


def worst(statuses: Iterable[str]) -> str:
    """Return the gravest of several statuses: retracted, then concern, then corrected, then ""."""
    given = set(statuses)
    return next((status for status in STATUSES if status in given), "")


_TITLE_STATUS = (
    (re.compile(r"^\W*(?:retracted(?:\s*(?:article|paper|chapter))?|withdrawn"
                r"(?:\s*article)?)\s*[\]:.–—-]|^\W*(?:撤稿|已撤稿)", re.IGNORECASE), "retracted"),
    (re.compile(r"^\W*(?:editorial )?expression of concern\s*[\]:.–—-]\s*\S", re.IGNORECASE),
     "concern"),
)  # fmt: skip


def title_status(title: str) -> str:
    """Return the status that publishers print before a title ("RETRACTED ARTICLE: …"), or ""."""
    return next((status for pattern, status in _TITLE_STATUS if pattern.search(title)), "")


_CC = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>by(?:-nc)?(?:-nd|-sa)?)(?:/(?P<number>\d\.\d))?"
    r"|publicdomain/(?P<public>zero|mark))",
    re.IGNORECASE,
)
_CC_SHORT = re.compile(
    r"\bCC[ -]?(?P<kind>BY(?:[ -]NC)?(?:[ -](?:ND|SA))?)(?:[ -]?(?P<number>\d\.\d))?\b",
    re.IGNORECASE,
)
_CC_WORDS = re.compile(
    r"creative commons attribution"
    r"(?P<kind>(?:[\s,/-]+(?:non[- ]?commercial|no[- ]?derivat\w+|share[- ]?alike))*)"
    r"(?:\s+(?:\w+\s+)?(?P<number>\d\.\d))?",
    re.IGNORECASE,
)
_CC_PARTS = (("non", "-NC"), ("deriv", "-ND"), ("share", "-SA"))


def licence(text: str) -> str:
    """Return the short name of a licence from its URL or its words, or "" where none is known.

    Creative Commons licences become "CC BY-NC 4.0", the CC0 waiver "CC0 1.0", works of the US
    government and the like "Public domain"; the number is left out where the source gives none.
    """
    if match := _CC.search(text):
        if match["public"]:
            return "CC0 1.0" if match["public"].lower() == "zero" else "Public domain"
        return " ".join(["CC", match["kind"].upper(), *filter(None, [match["number"]])])
    if re.search(r"\bCC[ -]?0\b|public domain dedication", text, re.IGNORECASE):
        return "CC0 1.0"
    if match := _CC_SHORT.search(text):
        kind = re.sub(r"\s", "-", match["kind"].upper())
        return " ".join(["CC", kind, *filter(None, [match["number"]])])
    if match := _CC_WORDS.search(text):
        words = match["kind"].lower()
        kind = "BY" + "".join(short for word, short in _CC_PARTS if word in words)
        return " ".join(["CC", kind, *filter(None, [match["number"]])])
    return "Public domain" if re.search(r"\bpublic domain\b", text, re.IGNORECASE) else ""


_MARKS = {"retracted": "RETRACTED: ", "concern": "EXPRESSION OF CONCERN: "}


def citation_line(work: Document | Passage) -> str:
    """Return one line that names a work: "Title. Journal 2021. PMID 123".

    A retracted work begins with "RETRACTED: ", one under an expression of concern says so, and a
    corrected one ends with "Corrected". What is unknown is left out.
    """
    title = " ".join(work.title.split())
    mark = _MARKS.get(work.status, "")
    if mark and title_status(title) == work.status:
        mark = ""  # The publisher's own words already say it.
    place = " ".join(filter(None, [work.journal, str(work.year or "")]))
    number = printed(work.identifiers if isinstance(work, Document) else (work.document,))
    end = "Corrected" if work.status == "corrected" else ""
    parts = [mark + title.rstrip(". "), place or work.source, number, end]
    return re.sub(r"([?!])\. ", r"\1 ", ". ".join(part for part in parts if part))


def printed(names: Iterable[str]) -> str:
    """Return the best known of some identifiers as readers write it ("PMID 123"), or ""."""
    known: dict[str, str] = {}
    for name in names:
        scheme, _, value = name.partition(":")
        known.setdefault(scheme, value)
    if "pmid" in known:
        return f"PMID {known['pmid']}"
    if "pmcid" in known:
        return known["pmcid"].upper()
    return f"doi:{known['doi']}" if "doi" in known else ""


def url(names: Iterable[str]) -> str:
    """Return where a reader can open the work that some identifiers name, or "".

    PMC comes first, for it has the full text, then PubMed, then the DOI's resolver.
    """
    known = dict(name.split(":", 1) for name in names if ":" in name)
    if "pmcid" in known:
        return f"https://pmc.ncbi.nlm.nih.gov/articles/{known['pmcid'].upper()}/"
    if "pmid" in known:
        return f"https://pubmed.ncbi.nlm.nih.gov/{known['pmid']}/"
    return f"https://doi.org/{known['doi']}" if "doi" in known else ""
