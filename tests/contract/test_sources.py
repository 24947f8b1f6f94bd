"""What every reader of literature promises, asked of each file in `retrieval/sources`.

A new reader is tested unasked; with a sample of its format in `SAMPLES` it is read as well.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval import chunking, plugins, sources
from retrieval.errors import AuscultError, SourceError
from retrieval.sources import Removed, Skipped
from retrieval.types import ASPECTS, Document

PACKAGE = "retrieval.sources"
NAMES = plugins.names(PACKAGE)
FIXTURES = Path(__file__).parents[1] / "retrieval" / "fixtures"


def monograph(folder: Path) -> Path:
    from retrieval import library

    return Path(shutil.copy(library.folder() / "conditions" / "gout.md", folder))


def text(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("# Gout\nUrate crystals.\n## Treatment\nColchicine. 哮喘\n", encoding="utf-8")
    return path


def beir(folder: Path) -> Path:
    rows = [{"_id": str(n), "title": f"T{n}", "text": f"Text {n}. 哮喘"} for n in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "corpus.jsonl").write_text(lines, encoding="utf-8")
    return folder


def html(folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(
        '<!doctype html><html><head><meta charset="utf-8"><title>Gout</title></head><body><h1>Gout'
        "</h1><p>Urate crystals. 哮喘</p><h2>Treatment</h2><p>Colchicine.</p></body></html>",
        encoding="utf-8",
    )
    return path


def table(folder: Path) -> Path:
    path = folder / "rows.csv"
    rows = "".join(f"{n},T{n},Text {n}. 哮喘\n" for n in range(5))
    path.write_text("id,title,text\n" + rows, encoding="utf-8")
    return path


def pdf(folder: Path) -> Path:
    from tests.retrieval.pdf_maker import Page, pdf, simple

    second = Page()
    second.column(72, 700, ["Treatment"], 14, "F2")
    second.column(72, 670, ["Colchicine in a low dose."])
    path = folder / "guide.pdf"
    path.write_bytes(pdf([simple("Gout is caused by crystals of urate."), second]))
    return path


def documents(folder: Path) -> Path:
    from retrieval.sources import documents as export
    from retrieval.types import Section

    path = folder / "export.jsonl"
    rows = [
        Document(f"d{n}", f"T{n}", (Section("", "", f"Text {n}. 哮喘"),), year=2000 + n)
        for n in range(3)
    ]
    lines = "".join(line + "\n" for line in (export.header(), *map(export.line, rows)))
    path.write_text(lines, encoding="utf-8")
    return path


def jats(folder: Path) -> Path:
    return Path(shutil.copy(FIXTURES / "article.nxml", folder))


def medquad(folder: Path) -> Path:
    return Path(shutil.copy(FIXTURES / "medquad.xml", folder))


def pubmed_xml(folder: Path) -> Path:
    return Path(shutil.copy(FIXTURES / "pubmed.xml", folder))


# A small valid file or folder of each format.
SAMPLES: dict[str, Callable[[Path], Path]] = {
    "monograph": monograph, "text": text, "beir": beir, "html": html, "table": table, "pdf": pdf,
    "documents": documents, "jats": jats, "medquad": medquad, "pubmed_xml": pubmed_xml,
}  # fmt: skip
# Cutting a sample in so many places is enough where each reading starts a process.
CUTS = {"pdf": 6}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sample(name: str, tmp_path: Path) -> Path:
    if name not in SAMPLES:
        pytest.skip(f"there is no sample of {name} yet: add one to SAMPLES")
    return SAMPLES[name](tmp_path)


def read(name: str, path: Path) -> list[Document]:
    items = list(plugins.load(PACKAGE, name).build().read(path))
    assert all(isinstance(item, Document | Skipped | Removed) for item in items)
    return [item for item in items if isinstance(item, Document)]


def refusal(name: str, path: Path) -> str:
    """Read what can't be read; return the one sentence that says why."""
    with pytest.raises(SourceError) as caught:
        read(name, path)
    return str(caught.value)


def damaged(suffixes: tuple[str, ...], folder: Path) -> Iterator[Path]:
    """Files that bear a reader's suffix and hold nothing of its format."""
    for number, data in enumerate(
        (b"", b"\x00\x01\x02\xff" * 300, b"\xff\xfe\x00", b"\x1f\x8b\x08\x00")
    ):
        for suffix in suffixes:
            path = folder / f"damaged{number}{suffix}"
            path.write_bytes(data)
            yield path


def test_there_are_readers() -> None:
    assert {"monograph", "text", "beir"} <= set(NAMES)
    assert set(SAMPLES) <= set(NAMES)


def test_a_reader_says_what_it_reads(name: str) -> None:
    module = plugins.load(PACKAGE, name)
    assert (module.__doc__ or "").strip()
    assert isinstance(module.SUFFIXES, tuple)
    assert all(re.fullmatch(r"(\.[a-z0-9]+)+", suffix) for suffix in module.SUFFIXES)
    assert callable(module.build().read)
    assert (module.build().read.__doc__ or "").strip()


def test_a_path_that_is_absent_is_refused_by_name(name: str, tmp_path: Path) -> None:
    for suffix in plugins.load(PACKAGE, name).SUFFIXES or ("",):
        assert "absent" in refusal(name, tmp_path / f"absent{suffix}")


def test_an_empty_folder_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "hollow").mkdir()
    assert "hollow" in refusal(name, tmp_path / "hollow")


def test_bytes_of_another_format_are_refused_by_name(name: str, tmp_path: Path) -> None:
    for path in damaged(plugins.load(PACKAGE, name).SUFFIXES, tmp_path):
        assert path.stem in refusal(name, path)


def test_a_sample_is_known_for_what_it_is(name: str, sample: Path) -> None:
    assert sources.pick(sample)[0] == name


def test_documents_are_whole_and_their_ids_unique(name: str, sample: Path) -> None:
    documents = read(name, sample)
    assert documents
    assert len({document.id for document in documents}) == len(documents)
    for document in documents:
        assert isinstance(document, Document)
        assert document.id == document.id.strip() != ""
        assert document.sections
        for section in document.sections:
            assert section.aspect in ("", *ASPECTS)
            assert section.text.strip()
            section.text.encode("utf-8")
        hash(document)  # frozen all the way down: no list hides in a field


def test_reading_twice_gives_equal_documents(name: str, sample: Path) -> None:
    assert read(name, sample) == read(name, sample)


def test_documents_come_one_at_a_time(name: str, sample: Path) -> None:
    stream = plugins.load(PACKAGE, name).build().read(sample)
    assert iter(stream) is stream
    assert next(stream) == read(name, sample)[0]


def test_what_is_read_can_be_quoted(name: str, sample: Path) -> None:
    documents = read(name, sample)
    passages = list(chunking.passages(documents))
    assert {passage.document for passage in passages} == {document.id for document in documents}


def test_a_sample_cut_anywhere_is_read_or_refused_but_never_a_traceback(
    name: str, sample: Path
) -> None:
    target = sample if sample.is_file() else next(p for p in sample.iterdir() if p.is_file())
    data = target.read_bytes()
    refusals = []
    for cut in range(0, len(data), max(1, len(data) // CUTS.get(name, 60))):
        target.write_bytes(data[:cut])
        try:
            read(name, sample)
        except AuscultError as error:
            refusals.append(str(error))
    assert refusals, "nothing at all is no document"
    assert all(refusals)
