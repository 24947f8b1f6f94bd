"""PDF: what a page shows becomes sections that can be quoted, and what can't be read is told."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval import chunking, sources
from retrieval.errors import SourceError
from retrieval.sandbox import Limits
from retrieval.sources import Skipped
from retrieval.sources import pdf as reader
from retrieval.types import Document
from tests.retrieval.pdf_maker import Page, pdf, raw, simple

TIGHT = Limits(memory_mb=700, timeout_s=4)
LEFT = [
    "Gout is caused by crystals of urate that",
    "form in a joint. The first attack often",
    "strikes the great toe at night, and the",
    "joint is hot, red and very painful.",
    "Attacks end on their own after one week",
    "or two even when nothing is done at all.",
]
RIGHT = [
    "Colchicine in low dose is as good as a",
    "high dose and has fewer side effects in",
    "most people. Prednisolone is used where",
    "the kidneys are weak. Allopurinol keeps",
    "urate low, and it is begun in a low dose",
    "that is raised until the goal is reached.",
]


def items(path: Path, data: bytes, limits: Limits | None = None) -> list[object]:
    path.write_bytes(data)
    return list(reader.build(limits).read(path))


def read(path: Path, data: bytes) -> Document:
    (document,) = items(path, data)
    assert isinstance(document, Document)
    return document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gout_guide.pdf"


def test_headings_make_sections_that_name_their_page(path: Path) -> None:
    first, second = Page(), Page()
    first.column(72, 770, ["Gout in adults"], 20, "F2")
    first.column(72, 740, ["Published 4 May 2019. doi:10.1000/Gout.1"])
    first.column(72, 710, ["1 Causes"], 13, "F2")
    first.column(72, 690, LEFT)
    second.column(72, 720, ["Treatment"], 13, "F2")
    second.column(72, 700, RIGHT)
    second.column(72, 600, ["Dose"], 10, "F2")
    second.column(72, 580, ["Take 500 micrograms twice a day."])
    document = read(path, pdf([first, second], title="Gout in adults", author="A. One; B. Two"))
    assert document.title == "Gout in adults"
    assert [(s.title, s.aspect) for s in document.sections[1:]] == [
        ("1 Causes (p. 1)", "causes"),
        ("Treatment (p. 2)", "treatment"),
        ("Dose (p. 2)", "dose"),
    ]
    assert document.sections[1].text == " ".join(LEFT)
    assert document.sections[3].text == "Take 500 micrograms twice a day."
    assert (document.id, document.year, document.identifiers) == (
        "gout_guide", 2019, ("doi:10.1000/gout.1",)
    )  # fmt: skip
    assert document.authors == ("A. One", "B. Two")
    for passage in chunking.passages([document], 30):
        (section,) = [s for s in document.sections if s.title == passage.section]
        assert section.text[passage.start :].startswith(passage.text)


@pytest.mark.parametrize("rowwise", [True, False])
def test_two_columns_are_read_one_after_the_other(path: Path, rowwise: bool) -> None:
    page = Page()
    page.column(72, 770, ["A heading in large type across both of the columns"], 14, "F2")
    left, right = Page(), Page()
    left.column(72, 720, LEFT)
    right.column(320, 720, RIGHT)
    pairs = zip(left.texts, right.texts, strict=True)
    page.texts += [t for pair in pairs for t in pair] if rowwise else left.texts + right.texts
    document = read(path, pdf([page]))
    assert document.sections[0].text.split("\n\n") == [" ".join(LEFT), " ".join(RIGHT)]


def test_the_rows_of_a_table_stay_rows(path: Path) -> None:
    page = simple("Doses for adults are given in this table below here:")
    for y, row in zip((700, 686, 672), (("Drug", "Dose", "Times"), ("Colchicine", "0.5 mg", "two"),
                      ("Naproxen", "500 mg", "two")), strict=True):  # fmt: skip
        for x, cell in zip((72, 200, 330), row, strict=True):
            page.texts.append((x, y, 10, "F1", cell))
    text = read(path, pdf([page])).sections[0].text
    assert "Colchicine 0.5 mg two\n\nNaproxen 500 mg two" in text


def test_words_divided_at_a_lines_end_are_mended(path: Path) -> None:
    page = simple(
        "The best treat-", "ment of the heart is a beta-", "blocker, as it is a long-",
        "term drug. It was well-", "tolerated, and a well-tolerated drug is", "liked (see pages 10-",
        "12 of this guide).",
    )  # fmt: skip
    text = read(path, pdf([page])).sections[0].text
    assert text == (
        "The best treatment of the heart is a beta-blocker, as it is a long-term drug. It was "
        "well-tolerated, and a well-tolerated drug is liked (see pages 10- 12 of this guide)."
    )


def test_ligatures_are_letters(path: Path) -> None:
    page = Page(texts=[(72, 700, 10, "F3", "The ~rst ~nding of a de~nite ~brosis.")])
    assert read(path, pdf([page])).sections[0].text == "The first finding of a definite fibrosis."


def test_what_runs_along_with_the_pages_is_no_text(path: Path) -> None:
    pages = []
    for number in range(1, 6):
        page = simple(*LEFT)
        page.texts.append((72, 810, 8, "F1", "Journal of Gout 2019"))
        page.texts.append((520, 810, 8, "F1", f"{number + 40}"))
        page.texts.append((72, 20, 8, "F1", f"Page {number} of 5"))
        pages.append(page)
    pages[2].texts.append((72, 40, 8, "F1", "Dose never to be exceeded."))
    document = read(path, pdf(pages))
    text = "\n".join(section.text for section in document.sections)
    assert "Journal of Gout" not in text
    assert "Page " not in text
    assert "42" not in text
    assert "Dose never to be exceeded." in text
    assert [section.title for section in document.sections] == [f"p. {n}" for n in range(1, 6)]


def test_a_sentence_goes_on_over_a_page(path: Path) -> None:
    document = read(path, pdf([simple(*LEFT[:3]), simple(LEFT[3])]))
    assert document.sections[0].text == " ".join(LEFT[:4])


def test_a_list_of_references_is_left_out(path: Path) -> None:
    page = Page()
    y = page.column(72, 760, LEFT)
    y = page.column(72, y - 20, ["References"], 12, "F2")
    y = page.column(72, y - 10, ["1. Smith J. Urate crystals. 2011.", "2. Doe K. Toes. 2012."])
    y = page.column(72, y - 20, ["Appendix A"], 12, "F2")
    page.column(72, y - 10, RIGHT)
    document = read(path, pdf([page]))
    assert [section.title for section in document.sections] == ["p. 1", "Appendix A (p. 1)"]
    assert "Smith" not in str(document)


def test_pages_that_are_pictures_are_told_by_number(path: Path) -> None:
    pages = [simple(*LEFT), Page(picture=True), Page(picture=True), Page(), Page(picture=True)]
    skipped, document = items(path, pdf(pages))
    assert isinstance(skipped, Skipped)
    assert skipped.where == "gout_guide.pdf p. 2-3, 5"
    assert "OCR" in skipped.reason
    assert isinstance(document, Document)


def test_a_scan_is_no_document_and_not_silent(path: Path) -> None:
    (skipped,) = items(path, pdf([Page(picture=True)] * 3))
    assert isinstance(skipped, Skipped)
    assert skipped.where.endswith("p. 1-3")


def test_letters_without_a_meaning_are_told(path: Path) -> None:
    page = Page(texts=[(72, 700, 10, "F3", "^^^ ^^^^ ^^^^^^^^ ^^^ ^^^^^ ^^^^^^^^^^^^ ^^^^^^^^")])
    skipped, document = items(path, pdf([simple(*LEFT), page]))
    assert isinstance(skipped, Skipped)
    assert "characters" in skipped.reason
    assert isinstance(document, Document)
    assert len(document.sections) == 1


def test_a_locked_file_is_refused_and_an_empty_password_opens_one(path: Path) -> None:
    with pytest.raises(SourceError, match=r"gout_guide\.pdf .*locked .*unlocked copy"):
        items(path, pdf([simple(*LEFT)], password="locked"))  # noqa: S106
    assert read(path, pdf([simple(*LEFT)], password="")).sections[0].text == " ".join(LEFT)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n%%EOF", b"%PDF-1.4" + b"\xff" * 5000, b"no PDF"])
def test_what_is_no_pdf_is_refused(path: Path, data: bytes) -> None:
    with pytest.raises(SourceError, match="gout_guide"):
        items(path, data)


def test_a_file_cut_short_says_so(path: Path) -> None:
    whole = pdf([simple(*LEFT), simple(*RIGHT)])
    first, *_ = items(path, whole[: whole.rindex(b"xref")])
    assert isinstance(first, Skipped)
    assert "end is missing" in first.reason


def test_a_page_without_anything_is_refused(path: Path) -> None:
    with pytest.raises(SourceError, match="holds no text"):
        items(path, pdf([Page()]))


def test_another_works_doi_is_not_taken_for_its_own(path: Path) -> None:
    page = simple("As shown in doi:10.1000/a and doi:10.1000/b, urate is high.")
    assert read(path, pdf([page])).identifiers == ()
    page = Page()
    page.column(72, 770, ["Erratum to: Gout in adults"], 20, "F2")
    page.column(72, 740, ["doi:10.1000/a was printed with an error in its text."])
    assert read(path, pdf([page])).identifiers == ()


def hundred_thousand_pages() -> bytes:
    return pdf([simple("One page.")], kids=b"10 0 R " * 100_000)


def pages_in_a_ring() -> bytes:
    return pdf([simple("One page.")], kids=b"2 0 R " * 2000)


def flate_bomb() -> bytes:
    packer = zlib.compressobj(9)
    inner = b"".join(packer.compress(b"(a) Tj " * 200_000) for _ in range(50)) + packer.flush()
    stream = zlib.compress(inner, 9)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>"
    return raw([
        (b"<< /Type /Catalog /Pages 2 0 R >>", None),
        (b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", None),
        (page, None),
        (b"/Filter [/FlateDecode /FlateDecode]", stream),
    ])  # fmt: skip


def forms_in_forms() -> bytes:
    def form(number: int) -> tuple[bytes, bytes]:
        names = b"/X %d 0 R" % (number + 1)
        head = (
            b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << %s >> >>"
        )
        return head % names, b"/X Do " * 30

    page = (b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
            b"/Resources << /XObject << /X 5 0 R >> >> >>")  # fmt: skip
    return raw([
        (b"<< /Type /Catalog /Pages 2 0 R >>", None),
        (b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", None),
        (page, None), (b"", b"/X Do"), *(form(number) for number in range(5, 15)),
        (b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]", b"0 0 m"),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (hundred_thousand_pages, "pages .*split"),
        (flate_bomb, "took longer|more than 700 MB|stopped the reader|holds no text"),
        (forms_in_forms, "took longer|more than 700 MB|stopped the reader|holds no text"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_hostile_file_is_refused_in_bounded_time(
    path: Path, make: Callable[[], bytes], words: str
) -> None:
    data = make()
    assert len(data) < 2_000_000
    begun = time.monotonic()
    with pytest.raises(SourceError, match=f"gout_guide.*({words})") as caught:
        items(path, data, TIGHT)
    assert time.monotonic() - begun < TIGHT.timeout_s * 4
    assert str(caught.value).count("\n") == 0


def test_pages_that_lead_to_themselves_end(path: Path) -> None:
    begun = time.monotonic()
    (skipped,) = items(path, pages_in_a_ring(), TIGHT)
    assert isinstance(skipped, Skipped)
    assert "damage" in skipped.reason
    assert time.monotonic() - begun < TIGHT.timeout_s * 4


def test_a_pdf_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "download.txt"
    path.write_bytes(b"\n" + pdf([simple(*LEFT)]))
    assert sources.pick(path)[0] == "pdf"
