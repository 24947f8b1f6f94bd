"""Tables: columns are recognised or mapped, and a bad row costs that row alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from retrieval import sources
from retrieval.errors import InputError, SourceError
from retrieval.sources import Skipped, table
from retrieval.types import Document, Section


def items(path: Path, content: str | bytes, **mapping: str) -> list[Document | Skipped]:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return list(table.build(mapping).read(path))


def rows(path: Path, content: str | bytes, **mapping: str) -> list[Document]:
    found = items(path, content, **mapping)
    assert all(isinstance(item, Document) for item in found)
    return [item for item in found if isinstance(item, Document)]


def lines(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv"])
def test_usual_columns_are_recognised(tmp_path: Path, name: str) -> None:
    mark = "\t" if "tsv" in name else ";" if name == "a.csv" else ","
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark)
    writer.writerow(
        ["ID", "Title", "Abstract", "Publication Year", "Link", "Author", "DOI", "Ward"]
    )
    writer.writerow(["x1", "Gout", 'Urate,\n"crystals"; joints.', "May 2019", "https://e.org/1",
                     "One A; Two B", "https://doi.org/10.1000/X", "B3"])  # fmt: skip
    writer.writerow(["x2", "Asthma", "Wheeze.", "", "javascript:1", "", "", ""])
    first, second = rows(tmp_path / name, out.getvalue())
    assert first == Document(
        id="x1",
        title="Gout",
        sections=(Section("", "", 'Urate,\n"crystals"; joints.'),),
        kind="article",
        source=name,
        url="https://e.org/1",
        year=2019,
        metadata=(("Ward", "B3"),),
        identifiers=("doi:10.1000/x",),
        authors=("One A", "Two B"),
    )
    assert (second.id, second.year, second.url, second.metadata) == ("x2", None, "", ())


def test_json_lines_are_recognised(tmp_path: Path) -> None:
    first, second, third = rows(
        tmp_path / "qa.jsonl",
        lines(
            {"pmid": 123, "question": "Does it help?", "contexts": [["AIM", "To see."], ["RESULTS", "Yes."]],
             "long_answer": "It does.", "mesh": ["Gout"], "flag": True},
            {"doc_id": "4", "title": "T", "abstract": ["One.", "Two."], "deep": {"a": [1]}},
            {"focus": "Gout", "question": "How is it treated?", "answer": "With colchicine.",
             "synonyms": ["podagra", "podagra"]},
        ),
    )  # fmt: skip
    assert (first.id, first.title) == ("pmid:123", "Does it help?")
    assert [(s.title, s.text) for s in first.sections] == [
        ("AIM", "To see."), ("RESULTS", "Yes."), ("long_answer", "It does.")
    ]  # fmt: skip
    assert first.metadata == (("mesh", '["Gout"]'), ("flag", "true"))
    assert (second.id, second.sections[0].text) == ("qa-4", "One. Two.")
    assert third.sections == (Section("How is it treated?", "", "With colchicine."),)
    assert (third.id, third.title, third.synonyms) == ("qa-3", "Gout", ("podagra",))


def test_a_mapping_names_the_columns(tmp_path: Path) -> None:
    content = "Headline,Body,Extra,Title\nGout,Urate.,More words.,x\n"
    (document,) = rows(tmp_path / "a.csv", content, title="Headline", text="Body+Extra")
    assert document.title == "Gout"
    assert [(s.title, s.text) for s in document.sections] == [
        ("Body", "Urate."), ("Extra", "More words.")
    ]  # fmt: skip
    assert document.metadata == (("Title", "x"),)
    path = tmp_path / "a.csv"
    (again,) = sources.read(path, mapping={"title": "Headline", "text": "Body+Extra"})
    assert again == document


@pytest.mark.parametrize(
    ("content", "mapping", "words"),
    [
        ("age,sex\n1,f\n", {}, "no column for the text; it has 'age', 'sex': say .*text=COLUMN"),
        ("a,b\n1,2\n", {"text": "c"}, "no column 'c'; it has 'a', 'b'"),
        ("text,text\n1,2\n", {}, "two columns of one name"),
        ("", {}, "there is no row"),
        ("text\n", {}, "there is no row"),
        ("text\n---\n", {}, "no row can be used"),
    ],
)
def test_a_table_without_text_is_refused_by_its_columns(
    tmp_path: Path, content: str, mapping: dict[str, str], words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        items(tmp_path / "a.csv", content, **mapping)


def test_json_without_text_names_its_columns(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 1: It has no text; its columns are 'age', 'sex'"):
        items(tmp_path / "a.jsonl", lines({"age": 1, "sex": "f"}))


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InputError, match="no part 'heading': map id, title, text"):
        table.build({"heading": "x"})


def test_bad_rows_are_told_by_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = items(tmp_path / "a.csv", b"id,text\n1,one\n2,\n3,a,b,c\n4,caf\xe9\n5,five\n\n6,six\n")
    told = [(item.where, item.reason[:12]) for item in found if isinstance(item, Skipped)]
    assert told == [
        ("a.csv row 3", "It has no te"), ("a.csv row 4", "It has 4 val"), ("a.csv row 5", "It can't be ")
    ]  # fmt: skip
    assert [item.id for item in found if isinstance(item, Document)] == ["a-1", "a-5", "a-6"]


def test_bad_lines_are_told_by_number_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = lines({"id": "a", "text": "one"}) + '{"text": \n[1]\n"x"\n' + "[" * 100_000 + "\n"
    found = items(tmp_path / "a.jsonl", content + lines({"id": "b", "text": "\ud800 two \x00"}))
    assert [item.where for item in found if isinstance(item, Skipped)] == [
        f"a.jsonl row {n}" for n in (2, 3, 4, 5)
    ]
    assert [item.id for item in found if isinstance(item, Document)] == ["a", "b"]
    assert isinstance(found[-1], Document)
    assert found[-1].sections[0].text == "? two"


def test_utf_16_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        (document,) = rows(tmp_path / "a.csv", "title,text\r\nGicht,哮喘 é\r\n".encode(encoding))
        assert (document.title, document.sections[0].text) == ("Gicht", "哮喘 é")


def test_a_damaged_pack_is_refused_after_what_it_gave(tmp_path: Path) -> None:
    data = gzip.compress(
        lines(*({"id": f"d{n}", "text": f"{n * n}"} for n in range(5000))).encode()
    )
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(data[: len(data) // 2])
    stream = table.build().read(path)
    assert isinstance(next(stream), Document)
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz is damaged"):
        list(stream)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"text\n" + b"a" * 20_000_000),
        ("a.jsonl", b'{"text": "' + b"a" * 20_000_000),
        ("a.jsonl.gz", b"a" * 70_000_000),
        ("a.csv", b"a," * 5_000_000),
        ("a.jsonl", b"x\n" * 300_000),
    ],
    ids=["long line", "long json", "bomb", "many columns", "garbage"],
)
def test_hostile_tables_are_refused_in_bounded_time_and_memory(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    begun = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"a\.(csv|jsonl)") as caught:
            list(table.build().read(path))
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(str(caught.value)) < 1000
    assert time.process_time() - begun < 30
    assert peak < 250_000_000


def test_a_quote_that_is_never_closed_does_not_take_the_table(tmp_path: Path) -> None:
    found = items(tmp_path / "a.csv", b'id,text\n1,"open\n' + b"row,row row row\n" * 500_500)
    skipped, *documents = found
    assert isinstance(skipped, Skipped)
    assert (skipped.where, skipped.reason[:19]) == ("a.csv row 2", "A quote opens in it")
    assert documents
    assert all(isinstance(item, Document) for item in documents)


def test_a_long_table_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    text = "Crystals of urate form in a joint. " * 20
    with path.open("w") as stream:
        for number in range(3000):
            stream.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")
    tracemalloc.start()
    try:
        assert sum(1 for _ in table.build().read(path)) == 3000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [("qa/pubmedqa_train.jsonl.gz", 500), ("literature/openstax_microbiology.jsonl.gz", None),
     ("retrieval/scifact_corpus.jsonl.gz", 5183), ("literature/openstax_glossary.jsonl.gz", None)],
)  # fmt: skip
def test_published_tables_are_read_without_a_mapping(
    shared_data: Path, name: str, count: int | None
) -> None:
    found = list(sources.read(shared_data / name))
    assert all(isinstance(item, Document) for item in found)
    assert len(found) == count or count is None
    assert len({item.id for item in found if isinstance(item, Document)}) == len(found)


@pytest.mark.shared
def test_a_table_of_numbers_is_refused(shared_data: Path) -> None:
    with pytest.raises(SourceError, match="no column for the text; it has 'pregnancies'"):
        list(sources.read(shared_data / "tabular/pima_diabetes_train.csv.gz"))
