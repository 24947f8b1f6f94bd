"""Auscult's own export: what is written comes back, and what is not one is refused or skipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import sources
from retrieval.errors import SourceError
from retrieval.sources import Skipped, documents
from retrieval.types import ASPECTS, EVIDENCE, STATUSES, Document, Section, Source

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
many = st.lists(words, max_size=3).map(tuple)
anything = st.builds(
    Document,
    id=words.filter(str.strip),
    title=words,
    sections=st.lists(st.builds(Section, words, st.sampled_from(("", *ASPECTS)), words)).map(tuple),
    kind=words,
    synonyms=many,
    sources=st.lists(st.builds(Source, words, words), max_size=2).map(tuple),
    source=words,
    url=words,
    year=st.none() | st.integers(1000, 3000),
    metadata=st.lists(st.tuples(words, words), max_size=2).map(tuple),
    identifiers=many,
    authors=many,
    journal=words,
    publication_types=many,
    evidence=st.sampled_from(("", *EVIDENCE)),
    language=words,
    mesh=many,
    licence=words,
    status=st.sampled_from(("", *STATUSES)),
    notices=many,
)


@settings(max_examples=50, deadline=None)
@given(anything)
def test_a_line_gives_the_document_back(document: Document) -> None:
    written = documents.line(document)
    assert "\n" not in written
    assert documents.parse(json.loads(written)) == document


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("head", [True, False])
def test_a_file_is_recognised_and_read(tmp_path: Path, suffix: str, head: bool) -> None:
    held = [Document(f"d{n}", f"Title {n}", (Section("", "", "x" * 6000),)) for n in range(3)]
    lines = [*([documents.header("notes")] if head else []), *map(documents.line, held)]
    data = ("\n".join(lines) + "\n").encode()
    path = tmp_path / f"export{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    assert sources.pick(path)[0] == "documents"
    assert list(sources.read(path)) == held


def test_an_export_without_documents_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text(documents.header() + "\n")
    assert list(documents.build().read(path)) == []


@pytest.mark.parametrize(
    ("row", "words_"),
    [
        ({"id": "x"}, "sections"),
        ({"title": "x", "sections": []}, "id"),
        ({"id": "x", "sections": [], "colour": 1}, "colour"),
        ({"id": "x", "sections": [], "year": "1999"}, "year"),
        ({"id": "x", "sections": [], "evidence": "strong"}, "strong"),
        ({"id": "x", "sections": [{"title": "a"}]}, "text"),
        ({"id": "x", "sections": [], "authors": "one"}, "authors"),
    ],
)
def test_a_line_that_is_none_is_skipped_with_its_place(
    tmp_path: Path, row: dict[str, object], words_: str
) -> None:
    path = tmp_path / "a.jsonl"
    good = documents.line(Document("d", "T", (Section("", "", "Text."),)))
    path.write_text("\n".join([documents.header(), json.dumps(row), "{", good]))
    first, second, last = documents.build().read(path)
    assert isinstance(first, Skipped)
    assert isinstance(second, Skipped)
    assert "a.jsonl line 2" in first.where
    assert words_ in first.reason
    assert isinstance(last, Document)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"id": "x"}', '{"format": "auscult-documents", "version": 9}']
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"odd\.jsonl"):
        list(documents.build().read(path))
