"""BEIR folders: one document a line, and a damaged corpus is named by file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from retrieval.errors import SourceError
from retrieval.sources import beir
from retrieval.types import Document, Section

ROWS = (
    {"_id": "1", "title": "Asthma trial", "text": "Patients with asthma improved.", "metadata": {}},
    {"_id": 2, "text": "No title here. 哮喘\u2028next"},
    {"_id": "c", "title": None, "text": "Title is null."},
)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def read(folder: Path) -> list[Document]:
    return list(beir.build().read(folder))


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz"])
def test_a_corpus_is_read_line_by_line(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "trec"
    folder.mkdir()
    data = LINES.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    documents = read(folder)
    assert [d.id for d in documents] == ["1", "2", "c"]
    assert [d.title for d in documents] == ["Asthma trial", "", ""]
    assert documents[1].sections == (Section("", "", "No title here. 哮喘\u2028next"),)
    assert {(d.kind, d.source) for d in documents} == {("article", "trec")}


def test_the_corpus_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(LINES + "broken\n", encoding="utf-8")
    stream = beir.build().read(tmp_path)
    assert [next(stream).id for _ in ROWS] == ["1", "2", "c"]
    with pytest.raises(SourceError, match="line 4"):
        next(stream)


def test_blank_lines_are_no_documents(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(LINES + "\n  \n", encoding="utf-8")
    assert len(read(tmp_path)) == 3


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "3", "null", '"text"', '{"_id": "1"}', '{"text": "x"}', "not json",
     '{"_id": "1", "text": null}', '{"_id": null, "text": "x"}', '{"_id": "1", "text": "x"} trailing',
     '{"_id": "1", "text": "' + "[" * 5 + '"'],
)  # fmt: skip
def test_a_line_that_is_no_document_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "corpus.jsonl").write_text(LINES + line + "\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"corpus\.jsonl line 4 .*'_id' and 'text'"):
        read(tmp_path)


def test_a_line_that_is_nested_without_end_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("[" * 200_000 + "\n", encoding="utf-8")
    with pytest.raises(SourceError, match="line 1"):
        read(tmp_path)


def test_a_lone_surrogate_does_not_reach_the_index(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "1", "text": "a \\ud800 b"}\n', encoding="utf-8"
    )
    try:
        (document,) = read(tmp_path)
    except SourceError:
        return
    document.sections[0].text.encode("utf-8")


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no corpus"):
        read(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_bytes(b'{"_id": "1", "text": "\xff\xfe"}\n')
    with pytest.raises(SourceError, match="can't be read as text"):
        read(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "checksum"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress((LINES * 200).encode())
    data = {
        "cut": whole[: len(whole) // 2],
        "checksum": whole[:-8] + bytes(8),
    }[damage]
    (tmp_path / "corpus.jsonl.gz").write_bytes(data)
    with pytest.raises(SourceError, match=r"corpus\.jsonl\.gz"):
        read(tmp_path)


def test_a_flipped_byte_anywhere_in_an_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(
        "".join(f'{{"_id": "{n}", "text": "{n * n}"}}\n' for n in range(99)).encode()
    )
    for at in range(10, len(whole) - 4, 7):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        (tmp_path / "corpus.jsonl.gz").write_bytes(bytes(flipped))
        with pytest.raises(SourceError, match=r"corpus\.jsonl\.gz"):
            read(tmp_path)
