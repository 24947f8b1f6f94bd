"""JATS: front matter into fields, body into sections, and no reference mark left in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from retrieval.errors import SourceError
from retrieval.sources import Item, Skipped, _jats_body, jats
from retrieval.types import Document

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

SAMPLE = Path(__file__).parent / "fixtures" / "article.nxml"
META = "<title-group><article-title>Salt</article-title></title-group>"


def read(path: Path) -> list[Item]:
    return list(jats.build().read(path))


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return read(SAMPLE)


@pytest.fixture
def article(items: list[Item]) -> Document:
    assert isinstance(items[0], Document)
    return items[0]


@pytest.fixture
def sections(article: Document) -> dict[str, str]:
    assert len({s.title for s in article.sections}) == len(article.sections)
    return {section.title: section.text for section in article.sections}


def made(tmp_path: Path, meta: str = META, body: str = "<p>Text.</p>", head: str = "") -> Document:
    """Read one article made of the given parts."""
    path = tmp_path / "PMC5.xml"
    path.write_text(
        f"<article xmlns:xlink='http://www.w3.org/1999/xlink' {head}><front><article-meta>{meta}"
        f"</article-meta></front><body>{body}</body></article>",
        encoding="utf-8",
    )
    found = read(path)[0]
    assert isinstance(found, Document)
    return found


def test_front_matter_fills_the_fields(article: Document) -> None:
    assert article.id == "pmcid:pmc9900002"
    assert article.identifiers == ("pmid:90000010", "pmcid:pmc9900002", "doi:10.9999/ijk.7")
    assert article.title == "Salt and fictase in kidney disease: a randomised trial"
    assert article.authors == ("Ida Marsh III", "SALT Investigators", "Li Wang")
    assert article.journal == "Invented Journal of Kidneys"
    assert (article.year, article.language) == (2020, "en")
    assert (article.licence, article.evidence) == ("CC BY-NC 4.0", "trial")
    assert (article.status, article.notices) == ("corrected", ("Correction in: doi:10.9999/ijk.8",))
    assert article.url == "https://pmc.ncbi.nlm.nih.gov/articles/PMC9900002/"
    metadata = dict(article.metadata)
    assert metadata["keywords"] == "salt; kidney"
    assert metadata["translated_title"] == "Sal y fictasa"


def test_sections_carry_their_path(article: Document) -> None:
    assert [section.title for section in article.sections] == [
        "Abstract: Background", "Abstract: Methods", "Plain language summary", "Introduction",
        "Methods", "Methods: Randomisation", "Methods: Treatment", "Results", "Results: Table 1",
        "Results: Fig. 1", "Results: Adverse events", "Discussion", "Discussion: What this adds",
        "Figure 2", "Abstract (Spanish)",
    ]  # fmt: skip


def test_a_study_s_methods_are_no_advice(article: Document) -> None:
    aspects = {section.title: section.aspect for section in article.sections}
    assert aspects["Methods: Treatment"] == ""
    assert aspects["Results: Adverse events"] == "side_effects"


def test_reference_marks_are_gone_and_figures_are_not(sections: dict[str, str]) -> None:
    assert sections["Introduction"] == (
        "Kidneys keep salt in balance. As Marsh et al. (2010) showed (Fig. 1), sodium of 10³ mmol "
        "is harmful."
    )


def test_formulas_are_read_or_left_out_whole(sections: dict[str, str]) -> None:
    assert sections["Methods: Randomisation"] == "Envelopes were used, with n = 90 and [formula]."


def test_lists_keep_their_items(sections: dict[str, str]) -> None:
    assert sections["Methods: Treatment"] == (
        "Groups were: given daily.\n\n- low salt;\n- usual salt\n  - with tablets"
    )


def test_a_small_table_is_readable_row_by_row(sections: dict[str, str]) -> None:
    assert sections["Results: Table 1"] == (
        "Baseline. By group.\n\n"
        "Age, years | Group Low salt: 61 | Group Usual salt: 62\n"
        "Women | Group Low salt: 20"
    )


def test_a_large_table_leaves_its_caption(tmp_path: Path) -> None:
    rows = "<tr><td>a</td><td>b</td></tr>" * 200
    body = (
        "<table-wrap><label>Table 3</label><caption><p>Costs</p></caption>"
        f"<table><tbody>{rows}</tbody></table></table-wrap>"
    )
    found = made(tmp_path, body=body).sections
    assert [(s.title, s.text) for s in found] == [("Table 3", "Costs.")]


@pytest.mark.parametrize(
    "words",
    ["Picture words", "Secret reference", "Footnote words", "We thank", "None.", "Thanks", "Foot.",
     "documentclass", "y=x", "Fine work", "Hidden", "Editor", "Nephrology", "\ue000"],
)  # fmt: skip
def test_what_says_nothing_of_the_subject_is_left_out(article: Document, words: str) -> None:
    assert words not in repr(article)


def test_a_translation_is_a_document_of_its_own(items: list[Item], article: Document) -> None:
    assert len(items) == 2
    translation = items[1]
    assert isinstance(translation, Document)
    assert translation.id == "pmcid:pmc9900002/1"
    assert (translation.language, translation.year) == ("es", article.year)
    assert translation.identifiers == ("doi:10.9999/ijk.7.es",)
    assert translation.status == article.status
    assert [s.title for s in translation.sections] == ["Introducción"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Salt <xref ref-type='bibr'>[1]</xref>–<xref ref-type='bibr'>[5]</xref> harms.",
         "Salt harms."),
        ("Salt (<xref ref-type='bibr'>12</xref>, <xref ref-type='bibr'>13</xref>).", "Salt."),
        ("Salt<sup><xref ref-type='bibr'>3</xref>–<xref ref-type='bibr'>5</xref></sup> harms.",
         "Salt harms."),
        ("In 90%<xref ref-type='bibr'><sup>3</sup></xref> of 40", "In 90% of 40"),
        ("seen by <xref ref-type='bibr'>Doe 2001</xref>", "seen by Doe 2001"),
        ("Salt<xref ref-type='table-fn'>*</xref> and <xref ref-type='table'>Table 2</xref>",
         "Salt and Table 2"),
        ("10<sup>5</sup> cells", "10⁵ cells"),
        ("a<sub>1</sub><break/>b", "a1 b"),
    ],
)  # fmt: skip
def test_sentences_read_on_where_marks_stood(markup: str, text: str) -> None:
    assert _jats_body.text(etree.fromstring(f"<p>{markup}</p>")) == text


def test_two_paragraphs_of_a_cell_stay_two_words() -> None:
    assert _jats_body.text(etree.fromstring("<td><p>12</p><p>(3)</p></td>")) == "12 (3)"


@pytest.mark.parametrize(
    ("kind", "title", "evidence", "notice"),
    [
        ("review-article", "Salt", "review", ""),
        ("case-report", "Salt", "case_report", ""),
        ("research-article", "Salt: a systematic review", "systematic_review", ""),
        ("research-article", "Salt", "", ""),
        ("editorial", "Salt: a randomised trial", "", ""),
        ("retraction", "Retraction: Salt, a randomised trial", "", "retraction"),
        ("correction", "Correction: Salt", "", "erratum"),
        ("expression-of-concern", "Salt", "", "concern"),
    ],
)
def test_the_article_type_counts(
    tmp_path: Path, kind: str, title: str, evidence: str, notice: str
) -> None:
    meta = f"<title-group><article-title>{title}</article-title></title-group>"
    found = made(tmp_path, meta, head=f"article-type='{kind}'")
    assert (found.evidence, dict(found.metadata).get("notice", "")) == (evidence, notice)


@pytest.mark.parametrize(
    ("relation", "status"),
    [("retraction-forward", "retracted"), ("expression-of-concern-forward", "concern"),
     ("correction-forward", "corrected"), ("companion", "")],
)  # fmt: skip
def test_links_tell_what_became_of_an_article(tmp_path: Path, relation: str, status: str) -> None:
    link = (
        f"<related-article related-article-type='{relation}' ext-link-type='pmc'"
        " xlink:href='PMC99'/>"
    )
    found = made(tmp_path, META + link)
    assert found.status == status
    assert found.notices == (() if not status else (found.notices[0],))
    assert all("PMC99" in line for line in found.notices)


def test_a_retracted_title_is_enough(tmp_path: Path) -> None:
    meta = "<title-group><article-title>RETRACTED ARTICLE: Salt</article-title></title-group>"
    assert made(tmp_path, meta).status == "retracted"


@pytest.mark.parametrize(
    ("dates", "year"),
    [
        ("<pub-date pub-type='epub'><year>2019</year></pub-date>"
         "<pub-date pub-type='ppub'><year>2020</year></pub-date>", 2020),
        ("<pub-date date-type='pub' publication-format='electronic'><year>2019</year></pub-date>"
         "<pub-date pub-type='pmc-release'><year>2021</year></pub-date>", 2019),
        ("<pub-date pub-type='pmc-release'><year>2021</year></pub-date>", 2021),
        ("<pub-date iso-8601-date='2018-02-01'/>", 2018),
        ("", None),
    ],
)  # fmt: skip
def test_the_year_is_the_issue_s(tmp_path: Path, dates: str, year: int | None) -> None:
    assert made(tmp_path, META + dates).year == year


def test_without_identifiers_the_file_names_the_article(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert (found.id, found.identifiers, found.url) == ("PMC5", (), "")
    assert [(s.title, s.text) for s in found.sections] == [("Main text", "Text.")]


def test_sets_and_namespaces_are_read(tmp_path: Path) -> None:
    space = "https://jats.nlm.nih.gov/ns/archiving/1.3/"
    one = (
        f"<article xmlns='{space}'><front><article-meta><article-id pub-id-type='pmc'>{{}}"
        f"</article-id>{META}</article-meta></front><body><sec><title>A</title><p>B.</p></sec>"
        "</body></article>"
    )
    path = tmp_path / "set.xml"
    path.write_text(f"<pmc-articleset>{one.format(1)}{one.format(2)}</pmc-articleset>", "utf-8")
    found = read(path)
    assert [d.id for d in found if isinstance(d, Document)] == ["pmcid:pmc1", "pmcid:pmc2"]
    assert all(d.sections[0].title == "A" for d in found if isinstance(d, Document))


def test_an_article_without_front_matter_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bare.xml"
    path.write_text("<article><body><p>Text.</p></body></article>", "utf-8")
    assert [type(item) for item in read(path)] == [Skipped]


def test_a_set_without_articles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hollow.xml"
    path.write_text("<OAI-PMH><error>none</error></OAI-PMH>", "utf-8")
    with pytest.raises(SourceError, match="no JATS article"):
        read(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.nxml"
    path.write_text("<!DOCTYPE article [<!ENTITY a 'ha'>]><article>&a;</article>", "utf-8")
    with pytest.raises(SourceError, match="declares entities"):
        read(path)
    assert jats.sniff(path, path.read_bytes())


@pytest.mark.parametrize(
    ("head", "mine"),
    [
        (b"<!DOCTYPE article PUBLIC '-//NLM//DTD JATS' 'x.dtd'>", True),
        (b"<?xml version='1.0'?><article article-type='x'>", True),
        (b"<pmc-articleset><article>", True),
        (b"<article xmlns='http://docbook.org/ns/docbook'>", False),
        (b"<!DOCTYPE article PUBLIC '-//OASIS//DTD DocBook XML' 'x'><article>", False),
        (b"<html><article>", False),
        (b"article", False),
    ],
)
def test_the_first_bytes_tell(head: bytes, mine: bool) -> None:
    assert jats.sniff(Path("x.xml"), head) is mine


def test_documents_can_be_indexed(tmp_path: Path, items: list[Item], tiny: Encoder) -> None:
    from retrieval.index.store import Index

    documents = [item for item in items if isinstance(item, Document)]
    index = Index.build(tmp_path / "index", documents, tiny)
    texts = [passage.text for passage in index.passages]
    assert "Cramps in 3%." in texts
    assert {p.document for p in index.passages} == {d.id for d in documents}
