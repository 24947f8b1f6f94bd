"""HTML: the text of a page without what surrounds it, and what the page says of itself."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from retrieval import chunking, sources
from retrieval.errors import SourceError
from retrieval.sources import html
from retrieval.types import Document, Section

PAGE = """<!DOCTYPE html><html lang="en-GB"><head><title>Gout - Care | Clinic</title>
<link rel="canonical" href="https://example.org/gout"><link rel="license"
 href="https://creativecommons.org/licenses/by/4.0/"><meta name="author" content="A. One">
<meta name="description" content="All about gout"><meta name="citation_doi" content="10.1000/G.1">
<script type="application/ld+json">{"@graph": [{"datePublished": "2020-01-02"}]}</script></head>
<body><header><a>Home</a></header><nav>Menu</nav><div class="cookie-banner">We use cookies</div>
<form id="aspnet"><main><h1>Gout</h1><p>Gout is a <b>painful</b> disease<sup><a href="#1">[1]</a></sup>
of 10<sup>7</sup> people&nbsp;&amp; more, at 5 m<sup>2</sup>.</p><h2>Treatment</h2><ul><li>Cold
<ul><li>Ice</li></ul></li><li><p>Rest</p></li></ul><ol><li>One<li>Two</ol><table><caption>Doses</caption>
<tr><th>Drug<th>Dose</tr><tr><td>Colchicine<td>500 &micro;g</tr></table><h3>Children</h3>Loose<div>Div
text</div><p style="display: none">hidden</p><p hidden>hidden</p><script>alert(1)</script><h2>Empty</h2>
<h2>Red flags</h2><p>Fever.<br>Call.</p><div class="social-share">Share</div></main></form>
<aside>Advert</aside><footer>Foot</footer></body></html>"""


def read(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (document,) = html.build().read(path)
    return document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gout.html"


def test_a_page_becomes_its_sections(path: Path) -> None:
    document = read(path, PAGE)
    assert document.sections == (
        Section("Gout", "", "Gout is a painful disease of 10⁷ people & more, at 5 m2."),
        Section(
            "Treatment",
            "treatment",
            "- Cold\n- Ice\n- Rest\n1. One\n2. Two\n\nDoses\nDrug | Dose\nColchicine | 500 µg",
        ),
        Section("Treatment: Children", "treatment", "Loose\n\nDiv text"),
        Section("Red flags", "red_flags", "Fever. Call."),
    )
    for passage in chunking.passages([document], 5):
        (section,) = [s for s in document.sections if s.title == passage.section]
        assert section.text[passage.start :].startswith(passage.text)


def test_a_page_says_what_it_is(path: Path) -> None:
    document = read(path, PAGE)
    assert (document.id, document.title, document.kind) == ("gout", "Gout", "article")
    assert (document.url, document.year) == ("https://example.org/gout", 2020)
    assert (document.authors, document.language) == (("A. One",), "en")
    assert (document.licence, document.identifiers) == ("CC BY 4.0", ("doi:10.1000/g.1",))
    assert dict(document.metadata) == {"description": "All about gout", "date": "2020-01-02"}


def test_a_page_without_marks_is_read_whole(path: Path) -> None:
    document = read(path, "<html><title>Gout | Clinic</title><body>Urate<p>crystals.<p>Toe.")
    assert document.title == "Gout"
    assert document.sections == (Section("", "", "Urate\n\ncrystals.\n\nToe."),)


def test_a_short_main_part_does_not_hide_the_page(path: Path) -> None:
    text = "Crystals of urate form in a joint. " * 20
    document = read(path, f"<html><body><main>Loading</main><div><p>{text}</p></div>")
    assert text.strip() in document.sections[0].text


@pytest.mark.parametrize(
    ("content", "text", "note"),
    [
        ("<html><p>Fièvre 哮喘".encode(), "Fièvre 哮喘", ""),
        ("\ufeff<html><p>Fièvre".encode("utf-16"), "Fièvre", ""),
        ('<html><meta charset="iso-8859-1"><p>Fièvre – 37 °C'.encode("cp1252"), "Fièvre – 37 °C", ""),
        ('<html><meta charset="gb2312"><p>哮喘病'.encode("gb18030"), "哮喘病", ""),
        ('<html><meta charset="latin1"><p>Fièvre 哮喘'.encode(), "Fièvre 哮喘",
         "utf-8, though the page says latin1"),
        (b'<html><meta charset="rot13"><p>Word', "Word", ""),
        (b"<html><p>" + b"Words of a fever " * 9 + "Fièvre".encode("cp1252"),
         "Words of a fever " * 9 + "Fièvre", "windows-1252 assumed"),
    ],
)  # fmt: skip
def test_the_character_set_is_found_and_a_wrong_one_told(
    path: Path, content: bytes, text: str, note: str
) -> None:
    document = read(path, content)
    assert document.sections[0].text == text
    assert dict(document.metadata).get("charset", "") == note


@pytest.mark.parametrize(
    "content",
    [
        '<html><meta charset="utf-8"><p>Fièvre'.encode("cp1252"),
        "<html><p>哮喘是一种病".encode("gb18030"),
        '<html><meta charset="euc-jp"><p>Fièvre à'.encode("cp1252"),
    ],
)
def test_a_character_set_that_can_not_be_told_is_refused(path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"gout\.html .*save it as UTF-8"):
        read(path, content)


@pytest.mark.parametrize(
    "content",
    ["", "<html></html>", "<html><body><nav>Menu</nav><script>x()</script></body></html>",
     '<html><body><div id="app"></div></body></html>'],
)  # fmt: skip
def test_a_page_without_text_of_its_own_is_refused(path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"gout\.html holds no"):
        read(path, content)


@pytest.mark.parametrize(
    "content",
    [
        "<html><body>" + "<div>" * 30_000 + "deep",
        "<html><body><p>" + "a" * 17_000_000,
        "<html><body><table>" + "<tr><td>" * 30_000,
        "<html><body>" + "<b><i>" * 30_000 + "x",
        '<html><body><p id="' + "a" * 10_000_000 + '">word',
        "<html><body>" + "&lt;" * 500_000,
        "<html><script type='application/ld+json'>" + "[" * 400_000 + "</script><p>word",
        "<html><body>" + "<p>word" * 40_000,
    ],
    ids=["deep", "large", "cells", "inline", "attribute", "entities", "json", "wide"],
)
def test_hostile_pages_take_bounded_time_and_memory(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    begun = time.process_time()
    tracemalloc.start()
    said = "gout.html"
    try:
        list(html.build().read(path))
    except SourceError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "gout.html" in said
    assert len(said) < 300
    assert time.process_time() - begun < 20
    assert peak < 400_000_000


def test_nothing_is_fetched_or_expanded(path: Path) -> None:
    document = read(
        path,
        '<!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
        '<html><body><p>Word &a; &f;</p><iframe src="http://127.0.0.1:9/"></iframe></body></html>',
    )
    assert "aaaa" not in str(document)
    assert document.sections[0].text.startswith("Word") or "Word" in document.sections[0].text


def test_a_page_is_known_by_its_content(tmp_path: Path) -> None:
    for name, content in (("a.pdf", PAGE), ("b.txt", "\n <HTML><p>x"), ("c", PAGE)):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert sources.pick(path)[0] == "html"
    path.write_bytes("\ufeff<!doctype html><p>x".encode("utf-16"))
    assert sources.pick(path)[0] == "html"
