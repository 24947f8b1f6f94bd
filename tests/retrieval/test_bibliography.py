"""Bibliographic facts: the same work has one name, however it is written; odd input costs nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import bibliography as b
from retrieval.types import STATUSES, Document, Passage

DIGITS = st.integers(1, 9_999_999_999).map(str)
SUFFIX = st.text("abcXYZ0189-._/()", min_size=1, max_size=20).filter(
    lambda s: s[-1] not in "./)(" and s.count("(") == s.count(")") and s[0] not in "/"
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("12345", "pmid:12345"),
        (" PMID: 0012345 ", "pmid:12345"),
        ("https://pubmed.ncbi.nlm.nih.gov/12345/", "pmid:12345"),
        ("http://www.ncbi.nlm.nih.gov/pubmed/12345", "pmid:12345"),
        ("PMC77", "pmcid:pmc77"),
        ("PMCID: PMC77.2", "pmcid:pmc77"),
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/PMC77/", "pmcid:pmc77"),
        ("https://pmc.ncbi.nlm.nih.gov/articles/PMC77", "pmcid:pmc77"),
        ("10.1000/ABC.", "doi:10.1000/abc"),
        ("doi:10.1000/abc(1)", "doi:10.1000/abc(1)"),
        ("https://doi.org/10.1000/a%28b%29c", "doi:10.1000/a(b)c"),
        ("https://example.org/get?doi=10.1000/abc#x", "doi:10.1000/abc"),
        ("DOI 10.1000/abc).", "doi:10.1000/abc"),
        ("10.1002/(SICI)1-2(1998)17:15<1661::AID>3.0.CO;2-2",
         "doi:10.1002/(sici)1-2(1998)17:15<1661::aid>3.0.co;2-2"),
        ("", ""), ("none", ""), ("0", ""), ("10.1000/", ""), ("PMC", ""), ("12345678901", ""),
    ],
)  # fmt: skip
def test_identifiers_have_one_form(text: str, name: str) -> None:
    assert b.identifier(text) == name


@settings(deadline=None)
@given(DIGITS)
def test_every_way_to_write_a_pmid_is_the_same_name(digits: str) -> None:
    ways = (digits, f"pmid {digits}", f"PMID:{digits}", f"pubmed.ncbi.nlm.nih.gov/{digits}")
    assert {b.pmid(way) for way in ways} == {f"pmid:{digits}"}
    assert b.pmcid(f"PMC{digits}") == b.pmcid(digits) == f"pmcid:pmc{digits}"


@settings(deadline=None)
@given(st.integers(1000, 999_999_999), SUFFIX, st.sampled_from(["", ".", ",", ").", ";", "”"]))
def test_a_doi_survives_its_sentence_and_its_resolver(number: int, suffix: str, end: str) -> None:
    name = f"10.{number}/{suffix}"
    found = b.doi(name + end)
    assert found == f"doi:{name.lower()}"
    assert b.doi(found) == found
    assert b.doi(f"https://doi.org/{name}") == found


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_whatever_raises(text: str) -> None:
    for function in (b.pmid, b.pmcid, b.doi, b.identifier, b.language, b.licence, b.title_status):
        assert isinstance(function(text), str)
    assert b.year(text) is None or 1500 <= (b.year(text) or 0) <= 2099


def test_identifiers_come_without_repeats_or_blanks() -> None:
    found = b.identifiers(pmids=["5"], pmcids=["", "pmc6"], dois=["10.1000/A", "10.1000/a", "x"])
    assert found == ("pmid:5", "pmcid:pmc6", "doi:10.1000/a")


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1998 Dec-1999 Jan", 1998), ("2000-2001", 2000), ("Winter 1999", 1999), ("2001-02", 2001),
        ("20010315", 2001), ("Spring 1977-Summer 1978", 1977), ("2019年3月", 2019), ("1876", 1876),
        ("", None), ("12/03/99", None), ("volume 14", None), ("12345", None),
    ],
)  # fmt: skip
def test_the_year_of_a_messy_date(text: str, year: int | None) -> None:
    assert b.year(text) == year


@settings(deadline=None)
@given(
    st.integers(1500, 2099), st.sampled_from(["{} Jan-Feb", "Fall {}", "{}-05-01", "c{}", "[{}]"])
)
def test_a_year_is_found_in_every_form(year: int, form: str) -> None:
    assert b.year(form.format(year)) == year


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("eng", "en"), ("chi", "zh"), ("zho", "zh"), ("ger", "de"), ("deu", "de"), ("fre", "fr"),
        ("French", "fr"), ("pt-BR", "pt"), ("zh_Hans", "zh"), ("EN", "en"), ("scr", "hr"),
        ("und", ""), ("mul", ""), ("", ""), ("Klingon", ""),
    ],
)  # fmt: skip
def test_languages_become_two_letters(text: str, code: str) -> None:
    assert b.language(text) == code


def test_a_language_has_its_name() -> None:
    assert (b.language_name("zh"), b.language_name("xx")) == ("Chinese", "xx")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode", "CC BY-NC-ND 4.0"),
        ("http://creativecommons.org/licenses/by/2.0", "CC BY 2.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "Public domain"),
        ("under the Creative Commons Attribution License, which permits", "CC BY"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "CC BY-NC 4.0"),
        ("CC BY-SA 3.0", "CC BY-SA 3.0"),
        ("a US government work in the public domain", "Public domain"),
        ("All rights reserved.", ""),
    ],
)
def test_licences_have_short_names(text: str, name: str) -> None:
    assert b.licence(text) == name


def test_the_gravest_status_wins() -> None:
    assert b.worst(["corrected", "retracted", "concern"]) == "retracted"
    assert b.worst(["corrected", "", "concern"]) == "concern"
    assert b.worst(["", "unheard of"]) == ""
    assert [b.worst([status]) for status in STATUSES] == list(STATUSES)


@pytest.mark.parametrize(
    ("title", "status"),
    [
        ("RETRACTED ARTICLE: Salt and kidneys", "retracted"),
        ("[Retracted] Salt and kidneys", "retracted"),
        ("WITHDRAWN: Salt", "retracted"),
        ("Expression of Concern: Salt and kidneys", "concern"),
        ("Retracted positions of the humeral head", ""),
        ("Retraction of the gingiva: a review", ""),
        ("Withdrawn behaviour in children", ""),
    ],
)
def test_the_publisher_s_words_before_a_title(title: str, status: str) -> None:
    assert b.title_status(title) == status


WORK = Document(
    id="pmid:123", title="Salt and kidneys.", sections=(), year=2021, journal="Invent J Kidney",
    identifiers=("doi:10.1000/x", "pmcid:pmc9", "pmid:123"),
)  # fmt: skip


def test_a_citation_line_names_the_work() -> None:
    assert b.citation_line(WORK) == "Salt and kidneys. Invent J Kidney 2021. PMID 123"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("retracted", "RETRACTED: Salt and kidneys. Invent J Kidney 2021. PMID 123"),
        ("concern", "EXPRESSION OF CONCERN: Salt and kidneys. Invent J Kidney 2021. PMID 123"),
        ("corrected", "Salt and kidneys. Invent J Kidney 2021. PMID 123. Corrected"),
    ],
)
def test_a_citation_line_never_hides_the_status(status: str, line: str) -> None:
    passage = Passage(
        id="pmid:123#0", document="pmid:123", title="Salt and kidneys.", section="", aspect="",
        text="x", year=2021, journal="Invent J Kidney", status=status,
    )  # fmt: skip
    assert b.citation_line(passage) == line


def test_a_citation_line_says_retracted_once_and_keeps_question_marks() -> None:
    work = Document(id="x", title="Retracted: Is salt bad?", sections=(), status="retracted")
    assert b.citation_line(work) == "Retracted: Is salt bad?"
    asked = Document(id="x", title="Is salt bad?", sections=(), year=2020, journal="J")
    assert b.citation_line(asked) == "Is salt bad? J 2020"
    bare = Document(id="gout", title="Gout", sections=(), source="Starter library")
    assert b.citation_line(bare) == "Gout. Starter library"


def test_the_url_leads_to_the_fullest_text() -> None:
    assert b.url(WORK.identifiers) == "https://pmc.ncbi.nlm.nih.gov/articles/PMC9/"
    assert b.url(["pmid:123"]) == "https://pubmed.ncbi.nlm.nih.gov/123/"
    assert b.url(["doi:10.1000/x"]) == "https://doi.org/10.1000/x"
    assert b.url([]) == b.printed([]) == ""
