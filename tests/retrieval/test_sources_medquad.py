"""MedQuAD: one subject a file, found by its name, its answers under their aspects."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from retrieval.errors import SourceError
from retrieval.sources import Skipped, medquad
from retrieval.types import ASPECTS, Document, Section

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

SAMPLE = Path(__file__).parent / "fixtures" / "medquad.xml"


def one(path: Path) -> Document | Skipped:
    found = list(medquad.build().read(path))
    assert len(found) == 1
    assert isinstance(found[0], Document | Skipped)
    return found[0]


@pytest.fixture(scope="module")
def document() -> Document:
    found = one(SAMPLE)
    assert isinstance(found, Document)
    return found


def made(tmp_path: Path, xml: str) -> Document | Skipped:
    path = tmp_path / "0000007.xml"
    path.write_text(xml, encoding="utf-8")
    return one(path)


def test_a_file_is_one_subject(document: Document) -> None:
    assert (document.id, document.title) == (
        "medquad:gard-0000042", "Imaginary River Fever (IRF)",
    )  # fmt: skip
    assert document.synonyms == ("River fever", "IRF")
    assert (document.kind, document.source) == ("condition", "GARD (MedQuAD)")
    assert (document.url, document.language) == ("https://example.org/imaginary-fever", "en")
    assert dict(document.metadata)["concepts"] == "C9999999"


def test_answers_stand_under_their_aspects(document: Document) -> None:
    assert document.sections == (
        Section("What it is", "definition",
                "It is an invented infection of river travellers.\n\nIt is rare."),
        Section("Symptoms", "symptoms", "Signs are:\n- fever\n- a blue thumb"),
        Section("Support groups", "", "There is a club."),
    )  # fmt: skip


def test_every_kind_of_question_has_a_known_aspect() -> None:
    assert {aspect for _, aspect in medquad._KINDS.values()} <= {"", *ASPECTS}


def test_a_file_without_answers_is_left_out_with_a_reason(tmp_path: Path) -> None:
    xml = (
        "<Document id='3' source='ADAM' url='x'><!-- removed --><Focus>A1C test</Focus><QAPairs>"
        "<QAPair pid='1'><Question qtype='information'>What?</Question><Answer></Answer></QAPair>"
        "</QAPairs></Document>"
    )
    found = made(tmp_path, xml)
    assert isinstance(found, Skipped)
    assert "no answers (A1C test)" in found.reason


@pytest.mark.parametrize(
    ("types", "group", "kind"),
    [
        (["T047"], "Disorders", "condition"),
        (["T047", "T184"], "Disorders", "condition"),
        (["T184"], "Disorders", "symptom"),
        (["T121", "T109"], "Chemicals & Drugs", "drug"),
        (["T059"], "Procedures", "test"),
        (["T061"], "Procedures", "procedure"),
        (["T033"], "Disorders", "topic"),
        ([], "Disorders", "condition"),
        ([""], "", "topic"),
    ],
)
def test_the_kind_claims_no_more_than_the_annotation(
    tmp_path: Path, types: list[str], group: str, kind: str
) -> None:
    nodes = "".join(f"<SemanticType>{name}</SemanticType>" for name in types)
    found = made(
        tmp_path,
        f"<Document id='1' source='S' url='u'><Focus>F</Focus><FocusAnnotations><UMLS>"
        f"<SemanticTypes>{nodes}</SemanticTypes><SemanticGroup>{escape(group)}</SemanticGroup>"
        "</UMLS></FocusAnnotations><QAPairs><QAPair><Question qtype='x'>Q</Question>"
        "<Answer>A.</Answer></QAPair></QAPairs></Document>",
    )
    assert isinstance(found, Document)
    assert found.kind == kind


def test_a_shelf_mark_does_not_hide_the_name(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        "<Document id='1' source='CDC' url='u'><Focus>Parasites - Imaginaria (also known as Blue"
        " Worm)</Focus><QAPairs><QAPair><Question qtype='causes'>Q</Question><Answer>A.</Answer>"
        "</QAPair></QAPairs></Document>",
    )
    assert isinstance(found, Document)
    assert found.synonyms == ("Imaginaria", "Blue Worm")


@pytest.mark.parametrize(
    "xml",
    [
        "<doc docid='9' corpus='NIDDK' url='u'><doctitle-focus>Salt</doctitle-focus><umls>"
        "<cui>C1</cui><semanticType>T047</semanticType></umls><qaPairs><pair pid='1'>"
        "<question qid='1' qtype='treatment'>Q</question><answer>Less salt.</answer></pair>"
        "</qaPairs></doc>",
        "<DiseaseFile fid='9' source='NIDDK' url='u'><Focus>Salt</Focus><UMLS><CUI>C1</CUI>"
        "<SemanticType>T047</SemanticType></UMLS><QAPairs><QAPair pid='1'><Question qid='1'"
        " qtype='treatment'>Q</Question><Answer>Less salt.</Answer></QAPair></QAPairs>"
        "</DiseaseFile>",
    ],
    ids=["doc", "DiseaseFile"],
)
def test_older_layouts_read_the_same(tmp_path: Path, xml: str) -> None:
    found = made(tmp_path, xml)
    assert isinstance(found, Document)
    assert (found.id, found.title, found.kind) == ("medquad:niddk-9", "Salt", "condition")
    assert found.sections == (Section("Treatment", "treatment", "Less salt."),)
    path = tmp_path / "0000007.xml"
    assert medquad.sniff(path, path.read_bytes())


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    for head in (b"<Document><p/></Document>", b"<doc/>", b"<article/>", b"text", b""):
        assert not medquad.sniff(Path("x.xml"), head)
    path = tmp_path / "a.xml"
    path.write_text("<html/>", "utf-8")
    with pytest.raises(SourceError, match=r"a\.xml"):
        one(path)


def test_the_subject_is_found_by_its_name(
    tmp_path: Path, document: Document, tiny: Encoder
) -> None:
    from retrieval.index.store import Index
    from retrieval.subjects import Subjects

    index = Index.build(tmp_path / "index", [document], tiny)
    assert [p.aspect for p in index.passages] == ["definition", "symptoms", ""]
    for question in ("What is river fever?", "signs of imaginary river fever", "treat IRF"):
        found = Subjects(index.named()).find(question)
        assert [m.documents for m in found] == [(document.id,)]


@pytest.mark.shared
def test_the_published_answers_survive_the_format(tmp_path: Path, shared_data: Path) -> None:
    """Write real question-answer pairs as the published XML, read them, find every answer."""
    files: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(shared_data / "qa" / "medquad_validation.jsonl.gz", "rt") as stream:
        for line in stream:
            row = json.loads(line)
            files[f"{row['source']}-{row['doc_id']}"].append(row)
    for name, rows in files.items():
        pairs = "".join(
            f"<QAPair><Question qtype={quoteattr(r['qtype'])}>{escape(r['question'])}</Question>"
            f"<Answer>{escape(r['answer'])}</Answer></QAPair>"
            for r in rows
        )
        path = tmp_path / f"{name}.xml"
        path.write_text(
            f"<Document id={quoteattr(rows[0]['doc_id'])} source={quoteattr(rows[0]['source'])}"
            f" url=''><Focus>{escape(rows[0]['focus'])}</Focus><QAPairs>{pairs}</QAPairs>"
            "</Document>",
            encoding="utf-8",
        )
        found = one(path)
        assert isinstance(found, Document)
        words = " ".join(section.text for section in found.sections).split()
        assert set(words) >= {word for r in rows for word in r["answer"].split()}
