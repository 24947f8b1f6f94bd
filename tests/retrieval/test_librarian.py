"""The librarian: spelling, named subjects and asked aspects over the hybrid search."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.encoder import Encoder
from retrieval.index.store import Index
from retrieval.librarian import Librarian
from retrieval.search import Searcher
from retrieval.types import Document

OPPOSITES = ("hyperkalemia", "hypoglycemia", "hyponatremia", "hypothermia", "hypercholesterolemia")


@pytest.fixture(scope="module")
def librarian(searcher: Searcher) -> Librarian:
    return Librarian(searcher)


@pytest.fixture(scope="module")
def speller(
    tmp_path_factory: pytest.TempPathFactory, tiny: Encoder, whole_library: tuple[Document, ...]
) -> Librarian:
    """A librarian over subjects whose names lie one syllable from their opposites."""
    documents = [d for d in whole_library if d.id in OPPOSITES]
    assert len(documents) == len(OPPOSITES)
    index = Index.build(tmp_path_factory.mktemp("spelling"), documents, tiny)
    return Librarian(Searcher(index, tiny))


@pytest.mark.parametrize(
    ("question", "document", "aspect"),
    [
        ("What is the dose of metformin?", "metformin", "dose"),
        ("What are the side effects of salbutamol?", "albuterol", "side_effects"),
        ("How is gout treated?", "gout", "treatment"),
        ("What is asthma?", "asthma", "definition"),
        ("red flags of chest pain", "chest-pain", "red_flags"),
        ("What are the symptoms of migrane?", "migraine", "symptoms"),
    ],
)
def test_the_asked_section_of_the_named_subject_comes_first(
    librarian: Librarian, question: str, document: str, aspect: str
) -> None:
    found = librarian.find(question)
    assert (found.hits[0].passage.document, found.hits[0].passage.aspect) == (document, aspect)
    assert document in {d for mention in found.mentions for d in mention.documents}
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert len({hit.passage.id for hit in found.hits}) == len(found.hits) <= 8


def test_a_bare_name_finds_its_own_document(librarian: Librarian) -> None:
    found = librarian.find("gout")
    assert found.aspects == ()
    assert {hit.passage.document for hit in found.hits[:5]} == {"gout"}


@pytest.mark.parametrize("word", ["hypokalemia", "hyperglycemia", "hypernatremia", "hyperthermia"])
def test_a_word_is_never_corrected_to_its_opposite(speller: Librarian, word: str) -> None:
    question = f"What is the treatment of {word}?"
    assert speller.correct(question) == question


@pytest.mark.parametrize(
    ("wrong", "right"), [("hyperkalemai", "hyperkalemia"), ("hypoglicemia", "hypoglycemia")]
)
def test_a_misspelt_word_is_corrected(speller: Librarian, wrong: str, right: str) -> None:
    assert speller.correct(f"What is {wrong}?") == f"What is {right}?"


@pytest.mark.parametrize(
    "question", ["", "?!", "What is the weather?", "Is PE deadly?", "哮喘怎么治疗"]
)
def test_what_is_spelt_right_is_left_as_it_is(librarian: Librarian, question: str) -> None:
    assert librarian.correct(question) == question


def test_a_name_is_joined_as_the_library_writes_it(
    tmp_path: Path, tiny: Encoder, whole_library: tuple[Document, ...]
) -> None:
    # "Underactive" stands in a synonym alone.
    documents = [d for d in whole_library if d.id == "hypothyroidism"]
    librarian = Librarian(Searcher(Index.build(tmp_path, documents, tiny), tiny))
    assert librarian.correct("an under-active thyroid") == "an underactive thyroid"
    assert librarian.near_word("underact", 8)
    assert not librarian.near_word("zyxwvu", 6)


def test_construction_reads_no_passage(
    librarian: Librarian, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a passage was read")

    monkeypatch.setattr(type(librarian.searcher.index.passages), "__getitem__", refuse)
    again = Librarian(librarian.searcher)
    assert again.kind("gout") == "condition"
    assert again.knows("colchicine")
    assert again.frequency("gout") >= 5
    assert again.size == len(librarian.searcher.index.passages)


def test_an_empty_question_finds_nothing(librarian: Librarian) -> None:
    assert librarian.find("").hits == ()
    assert librarian.find("  ").hits == ()


def test_passages_of_a_document_come_in_reading_order(
    librarian: Librarian, monographs: tuple[Document, ...]
) -> None:
    gout = next(document for document in monographs if document.id == "gout")
    assert [p.section for p in librarian.passages("gout")] == [s.title for s in gout.sections]
    assert librarian.passages("no-such-document") == []


def test_knowing_a_word_is_up_to_inflection(librarian: Librarian) -> None:
    assert librarian.knows("wheezing")
    assert librarian.knows("Inhalers")
    assert not librarian.knows("zyxwvut")
