"""PubMed XML: every field in its place, notices are no evidence, broken records cost only themselves."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import SourceError
from retrieval.sources import Item, Removed, Skipped, pubmed_xml
from retrieval.types import Document, Section

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

SAMPLE = Path(__file__).parent / "fixtures" / "pubmed.xml"


def read(path: Path) -> list[Item]:
    return list(pubmed_xml.build().read(path))


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return read(SAMPLE)


@pytest.fixture(scope="module")
def documents(items: list[Item]) -> dict[str, Document]:
    return {item.id: item for item in items if isinstance(item, Document)}


@pytest.fixture
def trial(documents: dict[str, Document]) -> Document:
    return documents["pmid:90000001"]


def made(tmp_path: Path, article: str, citation: str = "", data: str = "") -> Item:
    """Read one record made of the given parts."""
    path = tmp_path / "one.xml"
    path.write_text(
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID Version='1'>7</PMID><Article>"
        f"{article}</Article>{citation}</MedlineCitation>{data}</PubmedArticle></PubmedArticleSet>",
        encoding="utf-8",
    )
    found = read(path)
    assert len(found) == 1
    return found[0]


def test_records_come_in_the_file_s_order(items: list[Item]) -> None:
    names = [getattr(item, "id", "") or type(item).__name__ for item in items]
    assert names == [
        "pmid:90000001", "pmid:90000002", "pmid:90000003", "Skipped",
        "pmid:90000004", "pmid:90000005", "pmid:90000006",
    ]  # fmt: skip


def test_a_record_fills_its_fields(trial: Document) -> None:
    assert trial.title == "Inhaled imaginol at 10⁹ units/m2 and CO2 in mild wheeze."
    assert trial.authors == ("Nell Q Ashgrove", "Tam Börk Jr", "WHEEZE Study Group")
    assert (trial.journal, trial.year, trial.language) == ("Invent J Breath", 2019, "en")
    assert trial.url == "https://pubmed.ncbi.nlm.nih.gov/90000001/"
    assert trial.publication_types == ("Journal Article", "Randomized Controlled Trial")
    assert (trial.kind, trial.source, trial.evidence) == ("article", "PubMed", "trial")
    assert trial.mesh == ("Adult", "Respiratory Sounds", "Humans")
    metadata = dict(trial.metadata)
    assert metadata["mesh_major"] == "Respiratory Sounds"
    assert metadata["published"] == "2019-03-07"
    assert metadata["citation"] == "12(3):101-9"
    assert metadata["keywords"] == "imaginol; wheeze"
    assert metadata["copyright"] == "© 2019 The invented society."


def test_only_the_record_s_own_identifiers_count(trial: Document) -> None:
    assert trial.identifiers == ("pmid:90000001", "pmcid:pmc9900001", "doi:10.9999/ijb.2019.001")


def test_a_trial_s_registration_is_no_name_of_the_paper(trial: Document) -> None:
    assert dict(trial.metadata)["registrations"] == "NCT99999999"
    assert not any("nct" in name for name in trial.identifiers)


def test_an_abstract_s_parts_are_sections(trial: Document) -> None:
    assert trial.sections == (
        Section("Background", "", "Imaginol relaxes β2-coupled muscle & eases wheeze."),
        Section("Patients and methods", "", "We assigned 240 adults at random."),
        Section("Results", "", "Wheeze fell (P<0.01; χ² = 9.1)."),
        Section("Adverse effects", "side_effects", "Tremor was seen in 4%."),
        Section("Plain language summary", "", "The spray helped people breathe."),
        Section("Abstract (French): Contexte", "", "Le traitement a réduit les sifflements."),
    )


def test_an_erratum_marks_a_paper_as_corrected(trial: Document) -> None:
    assert (trial.status, trial.notices) == ("corrected", ("Erratum in: PMID 90000078",))


def test_a_retracted_paper_is_marked_above_all_else(documents: dict[str, Document]) -> None:
    paper = documents["pmid:90000002"]
    assert paper.status == "retracted"
    assert paper.notices == (
        "Retraction in: PMID 90000003",
        "Expression of concern in: Journal sans nom. 2000;5:7",
    )


def test_a_translated_record_keeps_both_titles(documents: dict[str, Document]) -> None:
    paper = documents["pmid:90000002"]
    assert (paper.title, paper.year) == ("Sifflement and its many causes", 1998)
    assert paper.sections[-1] == Section("Original title", "", "Le sifflement et ses causes.")
    metadata = dict(paper.metadata)
    assert (paper.language, metadata["languages"], metadata["version"]) == ("en", "en; fr", "2")
    assert metadata["citation_status"] == "PubMed-not-MEDLINE"


def test_a_retraction_notice_is_no_evidence(documents: dict[str, Document]) -> None:
    notice = documents["pmid:90000003"]
    assert "randomized trial" in notice.title
    assert (notice.evidence, notice.status) == ("", "")
    assert notice.notices == ("Retraction of: PMID 90000002",)
    assert dict(notice.metadata)["notice"] == "retraction"


def test_a_record_without_abstract_is_kept_and_flagged(documents: dict[str, Document]) -> None:
    notice = documents["pmid:90000003"]
    assert notice.sections == (Section("Title", "", notice.title),)
    assert dict(notice.metadata)["abstract"] == "none"


def test_a_book_chapter_is_read(documents: dict[str, Document]) -> None:
    chapter = documents["pmid:90000004"]
    assert (chapter.title, chapter.journal) == ("Wheeze", "Lungs in brief")
    assert chapter.authors == ("Bo Quill",)
    assert (chapter.year, chapter.evidence) == (2022, "review")
    assert dict(chapter.metadata)["bookshelf"] == "NBK999999"


def test_a_broken_record_is_skipped_and_the_rest_goes_on(items: list[Item]) -> None:
    skipped = [item for item in items if isinstance(item, Skipped)]
    assert skipped == [Skipped("pubmed.xml, record 4", "the record has no PMID (it says 'none').")]


def test_deletions_are_passed_on(items: list[Item]) -> None:
    assert [i.id for i in items if isinstance(i, Removed)] == ["pmid:90000005", "pmid:90000006"]


@pytest.mark.parametrize(
    ("relation", "status", "line"),
    [
        ("RetractionIn", "retracted", "Retraction in: PMID 9"),
        ("PartialRetractionIn", "concern", "Partial retraction in: PMID 9"),
        ("RetractedandRepublishedIn", "retracted", "Retracted and republished in: PMID 9"),
        ("ExpressionOfConcernIn", "concern", "Expression of concern in: PMID 9"),
        ("CorrectedandRepublishedIn", "corrected", "Corrected and republished in: PMID 9"),
        ("UpdateIn", "", "Updated in: PMID 9"),
        ("UpdateOf", "", "Update of: PMID 9"),
        ("CommentOn", "", ""),
        ("Cites", "", ""),
    ],
)
def test_links_tell_what_became_of_a_paper(
    tmp_path: Path, relation: str, status: str, line: str
) -> None:
    found = made(
        tmp_path, "<ArticleTitle>Salt.</ArticleTitle><Abstract><AbstractText>A.</AbstractText></Abstract>",
        f"<CommentsCorrectionsList><CommentsCorrections RefType='{relation}'><PMID>9</PMID>"
        "</CommentsCorrections></CommentsCorrectionsList>",
    )  # fmt: skip
    assert isinstance(found, Document)
    assert (found.status, found.notices) == (status, (line,) if line else ())
    assert "notice" not in dict(found.metadata)


@pytest.mark.parametrize(
    ("relation", "notice"),
    [("RetractionOf", "retraction"), ("ErratumFor", "erratum"),
     ("ExpressionOfConcernFor", "concern")],
)  # fmt: skip
def test_notices_are_told_from_papers(tmp_path: Path, relation: str, notice: str) -> None:
    found = made(
        tmp_path, "<ArticleTitle>Salt: a randomised trial.</ArticleTitle>",
        f"<CommentsCorrectionsList><CommentsCorrections RefType='{relation}'><PMID>9</PMID>"
        "</CommentsCorrections></CommentsCorrectionsList>",
    )  # fmt: skip
    assert isinstance(found, Document)
    assert (dict(found.metadata)["notice"], found.evidence, found.status) == (notice, "", "")


@pytest.mark.parametrize(
    ("title", "notice"),
    [
        ("Erratum to: Salt, a randomised trial.", "erratum"),
        ("Author Correction: Salt, a randomised trial.", "erratum"),
        ("Retraction Note: Salt, a randomised trial.", "retraction"),
        ("Correction of scoliosis: a randomised trial.", ""),
        ("Retraction of the gingiva: a randomised trial.", ""),
    ],
)
def test_a_notice_is_known_by_its_title(tmp_path: Path, title: str, notice: str) -> None:
    found = made(tmp_path, f"<ArticleTitle>{title}</ArticleTitle>")
    assert isinstance(found, Document)
    assert dict(found.metadata).get("notice", "") == notice
    assert found.evidence == ("" if notice else "trial")


def test_a_paper_republished_after_retraction_is_a_paper(tmp_path: Path) -> None:
    found = made(
        tmp_path, "<ArticleTitle>Salt: a randomised trial.</ArticleTitle>",
        "<CommentsCorrectionsList><CommentsCorrections RefType='RetractedandRepublishedFrom'>"
        "<PMID>9</PMID></CommentsCorrections></CommentsCorrectionsList>",
    )  # fmt: skip
    assert isinstance(found, Document)
    assert (found.evidence, found.status) == ("trial", "")
    assert found.notices == ("Republished after retraction of: PMID 9",)


@pytest.mark.parametrize(
    ("date", "year", "printed"),
    [
        ("<Year>2020</Year><Month>Feb</Month><Day>3</Day>", 2020, "2020-02-03"),
        ("<Year>2020</Year><Month>11</Month>", 2020, "2020-11"),
        ("<Year>2020</Year><Season>Spring</Season>", 2020, "2020 Spring"),
        ("<Year>2020</Year>", 2020, "2020"),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", 1998, "1998 Dec-1999 Jan"),
        ("<MedlineDate>Winter 1977</MedlineDate>", 1977, "Winter 1977"),
        ("<Year>x</Year><Month>99</Month>", None, "x"),
        ("", None, ""),
    ],
)
def test_dates_in_every_variant(tmp_path: Path, date: str, year: int | None, printed: str) -> None:
    found = made(
        tmp_path,
        f"<Journal><JournalIssue><PubDate>{date}</PubDate></JournalIssue></Journal>"
        "<ArticleTitle>T.</ArticleTitle>",
    )
    assert isinstance(found, Document)
    assert (found.year, dict(found.metadata).get("published", "")) == (year, printed)


def test_the_electronic_date_stands_in(tmp_path: Path) -> None:
    found = made(
        tmp_path, "<ArticleTitle>T.</ArticleTitle><ArticleDate><Year>2011</Year></ArticleDate>"
    )
    assert isinstance(found, Document)
    assert found.year == 2011


def test_a_missing_title_is_replaced_or_the_record_left_out(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "<ArticleTitle>[Not Available].</ArticleTitle><VernacularTitle>盐与肾病。</VernacularTitle>"
        "<Language>chi</Language>",
    )
    assert isinstance(found, Document)
    assert (found.title, found.language) == ("盐与肾病。", "zh")
    assert [s.text for s in found.sections] == ["盐与肾病。"]
    assert isinstance(made(tmp_path, "<ArticleTitle/>"), Skipped)


def test_a_paper_of_thousands_keeps_the_first_names(tmp_path: Path) -> None:
    authors = "".join(f"<Author><LastName>N{n}</LastName></Author>" for n in range(3000))
    found = made(tmp_path, f"<ArticleTitle>T.</ArticleTitle><AuthorList>{authors}</AuthorList>")
    assert isinstance(found, Document)
    assert found.authors[:2] == ("N0", "N1")
    assert len(found.authors) == pubmed_xml.MAX_AUTHORS
    assert dict(found.metadata)["authors_total"] == "3000"


def test_markup_nested_without_sense_costs_one_record(tmp_path: Path) -> None:
    deep = "<i>" * 240 + "x" + "</i>" * 240
    found = made(tmp_path, f"<ArticleTitle>{deep}</ArticleTitle>")
    assert isinstance(found, Document | Skipped)


def test_a_packed_file_reads_the_same(tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "pubmed.xml.gz"
    path.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    found = read(path)
    assert [i for i in found if isinstance(i, Document)] == [
        i for i in items if isinstance(i, Document)
    ]


def test_a_cut_file_gives_what_came_before(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    path = tmp_path / "cut.xml"
    path.write_bytes(data[: data.index(b"90000004")])
    stream = pubmed_xml.build().read(path)
    assert [next(stream) for _ in range(4)]
    with pytest.raises(SourceError, match=r"cut\.xml"):
        next(stream)


@pytest.mark.parametrize(
    ("head", "mine"),
    [
        (b"<?xml version='1.0'?><PubmedArticleSet>", True),
        (b"<!DOCTYPE PubmedArticleSet PUBLIC 'x' 'y'>\n", True),
        (b"<!DOCTYPE PubmedArticleSet [<!ENTITY a 'b'>]>", True),
        (b"<eFetchResult><ERROR>PubmedArticleSet</ERROR>", False),
        (b"<article article-type='x'>", False),
        (b"PubmedArticleSet", False),
        (b"", False),
    ],
)
def test_the_first_bytes_tell(head: bytes, mine: bool) -> None:
    assert pubmed_xml.sniff(Path("x.xml"), head) is mine


def test_the_registry_picks_this_reader(tmp_path: Path) -> None:
    from retrieval import sources

    shutil.copy(SAMPLE, tmp_path / "pubmed24n0001.xml")
    assert sources.pick(tmp_path / "pubmed24n0001.xml")[0] == "pubmed_xml"


NAMES = st.text("abZÄßéøñ王丽", min_size=1, max_size=8)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(NAMES, NAMES), max_size=5))
def test_every_author_keeps_place_and_name(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]]
) -> None:
    authors = "".join(
        f"<Author><LastName>{last}</LastName><ForeName>{first}</ForeName></Author>"
        for first, last in names
    )
    found = made(
        tmp_path_factory.mktemp("names"),
        f"<ArticleTitle>T.</ArticleTitle><AuthorList>{authors}</AuthorList>",
    )
    assert isinstance(found, Document)
    assert found.authors == tuple(f"{first} {last}" for first, last in names)


def test_documents_can_be_indexed(
    tmp_path: Path, documents: dict[str, Document], tiny: Encoder
) -> None:
    from retrieval.index.store import Index

    index = Index.build(tmp_path / "index", list(documents.values()), tiny)
    passages = {passage.id: passage for passage in index.passages}
    assert {passage.document for passage in passages.values()} == set(documents)
    found = passages["pmid:90000001#2"]
    assert (found.text, found.evidence, found.status) == (
        "Wheeze fell (P<0.01; χ² = 9.1).", "trial", "corrected",
    )  # fmt: skip
