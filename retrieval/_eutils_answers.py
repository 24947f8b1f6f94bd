"""What the E-utilities answer: search results, sets of records, and their many kinds of errors.

Answers are not trusted: entities, other encodings and lists with anything but numbers in them are
refused. Knows nothing of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import ConfigError, InputError

HEAD_BYTES = 4096
_ERROR = re.compile(rb"<(?:ERROR|error)>(.{0,2000}?)</(?:ERROR|error)>", re.DOTALL)
_JSON_ERROR = re.compile(rb'"error"\s*:\s*"([^"]{0,500})"')
_HISTORY = re.compile(r"history|webenv|query_?key|obtain query|address table", re.IGNORECASE)
_KEY = re.compile(r"api[ _-]?key", re.IGNORECASE)
_EMPTY = re.compile(r"empty term|empty result|nothing to ?do", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """What esearch answers.

    Attributes:
        count: matches in all, as counted by the server.
        ids: PMIDs in the server's order, at most as many as were asked for.
        web_env: the history that holds the search, or "".
        query_key: the search's number in that history, or "".
        translation: how PubMed understood the query.
        warnings: sentences on what PubMed left out or didn't find.
    """

    count: int
    ids: tuple[str, ...]
    web_env: str
    query_key: str
    translation: str
    warnings: tuple[str, ...]


class Expired(Exception):
    """The history that a page was asked from is gone."""


class Transient(Exception):
    """An answer that another try may better.

    Attributes:
        pause_s: how long the server asks to wait, or None.
        connected: whether the server was reached.
    """

    def __init__(self, reason: str, pause_s: float | None = None, connected: bool = True) -> None:
        super().__init__(reason)
        self.pause_s = pause_s
        self.connected = connected


class Broken(Transient):
    """Records that can't be read as the format they claim to be."""


def complain(text: str) -> None:
    """Raise what an error text of the E-utilities stands for."""
    if _EMPTY.search(text):
        raise InputError("PubMed sees no search term in the query: write what to look for.")
    if wrong_key(text):
        raise ConfigError("PubMed doesn't know the API key: mend pubmed_api_key.")
    if _HISTORY.search(text):
        raise Expired(text[:200])
    raise Transient(text[:200])


def wrong_key(text: str) -> bool:
    """Whether an error text says that the API key is unknown."""
    return bool(_KEY.search(text)) and "invalid" in text.lower()


def error_text(body: bytes) -> str:
    """Return the text of an error document, XML or JSON, or ""."""
    match = _ERROR.search(body) or _JSON_ERROR.search(body)
    return match[1].decode("utf-8", "replace").strip() if match else ""


def records(path: Path) -> Path:
    """Return `path` if it begins as a set of records does."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if b"<PubmedArticleSet" in head or b"<PubmedBookArticleSet" in head:
        return path
    text = error_text(head)
    if _EMPTY.search(text):
        path.write_bytes(b"<PubmedArticleSet></PubmedArticleSet>")
        return path
    if text:
        complain(text)
    raise Transient("an answer that is no set of records")


def search_answer(path: Path) -> Found:
    """Read what esearch sent.

    Raises:
        Transient: if it is no search result.
    """
    root = _parsed(path.read_bytes())
    error = (root.findtext(".//ERROR") or "").strip()
    if error:
        complain(error)
    count = (root.findtext("Count") or "").strip()
    if root.tag != "eSearchResult" or not count.isdigit():
        raise Transient("an answer that is no search result")
    ids = [(item.text or "").strip() for item in root.iterfind("IdList/Id")]
    if not all(re.fullmatch(r"[0-9]{1,10}", item) for item in ids):
        raise Transient("a list of PMIDs with something else in it")
    return Found(
        count=int(count),
        ids=tuple(dict.fromkeys(ids)),
        web_env=(root.findtext("WebEnv") or "").strip(),
        query_key=(root.findtext("QueryKey") or "").strip(),
        translation=" ".join((root.findtext("QueryTranslation") or "").split()),
        warnings=tuple(_warnings(root)),
    )


def _warnings(root: Any) -> Iterator[str]:
    for tag, sentence in (
        ("ErrorList/PhraseNotFound", "PubMed doesn't know the phrase {!r} and left it out."),
        ("ErrorList/FieldNotFound", "PubMed has no field {!r} and left it out."),
        ("WarningList/PhraseIgnored", "PubMed ignored {!r}."),
        ("WarningList/QuotedPhraseNotFound", "PubMed doesn't know the quoted phrase {!r}."),
    ):
        for item in root.iterfind(tag):
            yield sentence.format(" ".join((item.text or "").split())[:200])


def _parsed(body: bytes) -> Any:
    """Parse a small answer; declarations of entities and other encodings are refused."""
    from lxml import etree

    if b"<!ENTITY" in body or b"\x00" in body:
        raise Transient("an answer that declares entities")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise Transient(f"broken XML, {error}") from error
