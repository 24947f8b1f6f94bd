"""One ranking over several indexes: isolation, filters, status, preferences, diversity, sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval import ranking
from retrieval.errors import InputError
from retrieval.index.store import Index
from retrieval.search import MODES, Searcher, Wishes
from retrieval.types import Document, Filters, Hit, Section

TEXT = (
    "Gout is common. Allopurinol lowers uric acid and prevents attacks of gout. "
    "Patients were followed for a year."
)


def article(name: str, text: str = TEXT, **facts: Any) -> Document:
    """An article of one section, titled by its name."""
    return Document(name, f"Study {name}", (Section("", "", text),), kind="article", **facts)


@pytest.fixture
def make(tmp_path: Path, light: Any) -> Any:
    """Makes a searcher over indexes of these documents, each list a collection of its own."""

    def searcher(*collections: Sequence[Document], reranker: Any = None) -> Searcher:
        indexes = [
            Index.build(tmp_path / f"c{n}", documents, light, name=f"c{n}" if n else "")
            for n, documents in enumerate(collections)
        ]
        return Searcher(indexes, light, reranker)

    return searcher


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.document for hit in hits]


def test_one_ranking_over_all_collections(make: Any) -> None:
    searcher = make(
        [
            article("a", "Warfarin needs monitoring of the INR."),
            article("b", "Asthma and inhalers."),
        ],
        [
            article("c", "Allopurinol for gout: dose and monitoring."),
            article("d", "Eczema creams."),
        ],
    )
    for mode in ("fused", "lexical", "full"):
        hits = searcher.search("allopurinol gout", 4, mode)
        assert ids(hits)[0] == "c"
        assert hits[0].passage.collection == "c1"
    assert ids(searcher.search("warfarin INR", 4))[0] == "a"
    assert len(searcher.search("monitoring", 10, "dense")) == 4


def test_what_was_not_given_is_not_searched(make: Any) -> None:
    both = make([article("a", "Gout and diet.")], [article("secret", "Gout of a private patient.")])
    first = replace(both, indexes=[both.index])
    assert ids(first.search("gout private patient", 10)) == ["a"]
    assert first.index is both.index
    assert replace(both, indexes=[]).search("gout", 5) == []


def test_a_small_collection_does_not_win_by_its_rarity(make: Any) -> None:
    # In the first collection "gout" is common and so weighs little; in the second it is rare.
    common = [article(f"a{n}", f"Gout and allopurinol, study {n} of uric acid.") for n in range(30)]
    other = [article(f"b{n}", f"Nothing on it, number {n}.") for n in range(30)]
    searcher = make(common, [*other, article("aside", "Gout, mentioned once aside other matters.")])
    assert "aside" not in ids(searcher.search("gout allopurinol uric acid", 10, "lexical"))


@pytest.mark.parametrize("mode", MODES)
def test_filters_hold_before_the_ranking(make: Any, mode: Any) -> None:
    documents = [
        article(f"n{year}", year=year, evidence="trial" if year % 2 else "review", language="en")
        for year in range(1990, 2020)
    ]
    searcher = make([replace(d, title=f"Study {n}") for n, d in enumerate(documents)])
    hits = searcher.search("gout allopurinol", 30, mode, Filters(year_from=2015), diverse=0)
    assert sorted(ids(hits)) == [f"n{year}" for year in range(2015, 2020)]
    both = Filters(year_from=2015, evidence=("trial",))
    found = searcher.search("gout allopurinol", 30, mode, both, diverse=0)
    assert sorted(ids(found)) == ["n2015", "n2017", "n2019"]
    assert searcher.search("gout", 5, mode, Filters(languages=("zh",))) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_retracted_document_stands_below_an_equal_sound_one(make: Any, mode: Any) -> None:
    searcher = make(
        [
            article("bad", title_free, status="retracted")
            for title_free in ["Allopurinol lowers uric acid in gout, as we report."]
        ]
        + [
            article(
                "doubt", "Allopurinol lowers uric acid in gout, as we report.", status="concern"
            ),
            article("good", "Allopurinol lowers uric acid in gout, as we report."),
        ]
    )
    hits = searcher.search("allopurinol uric acid gout", 5, mode, diverse=0)
    assert ids(hits) == ["good", "doubt", "bad"]
    assert [hit.passage.status for hit in hits] == ["", "concern", "retracted"]
    assert dict(hits[2].parts)["status"] < dict(hits[1].parts)["status"] < 0
    kept = searcher.search("allopurinol gout", 5, mode, Filters(retracted=False), diverse=0)
    assert "bad" not in ids(kept)


def test_a_preference_moves_equals_and_is_told(make: Any) -> None:
    old = article("old", TEXT, year=1995, evidence="systematic_review")
    new = article("new", TEXT, year=2024, evidence="case_report")
    searcher = make([replace(old, title="Study"), replace(new, title="Study")])
    for prefer, first in (("recent", "new"), ("evidence", "old")):
        found = searcher.explain("gout", 2, Wishes("fused", prefer=prefer, diverse=0))
        assert ids(found.hits)[0] == first
        assert dict(found.hits[0].parts)[prefer] > dict(found.hits[1].parts).get(prefer, 0.0)
        assert any(prefer in note for note in found.notes)
    assert ids(searcher.search("latest gout treatment", 2, "fused", diverse=0))[0] == "new"


def test_one_document_does_not_fill_the_first_page(make: Any) -> None:
    parts = tuple(Section(f"Part {n}", "", f"Gout and allopurinol, part {n}.") for n in range(8))
    long = Document("long", "Gout and allopurinol", parts, kind="article")
    searcher = make([long, *(article(f"s{n}", f"Gout once, in study {n}.") for n in range(6))])
    assert ids(searcher.search("gout allopurinol", 8, "fused")).count("long") == 3
    assert ids(searcher.search("gout allopurinol", 14, "fused")).count("long") == 8
    assert ids(searcher.search("gout allopurinol", 8, "fused", diverse=0)).count("long") == 8


def test_what_is_said_twice_is_shown_once(make: Any) -> None:
    same = [replace(article(f"d{n}"), title="Allopurinol in gout") for n in range(3)]
    searcher = make([*same, article("other", "Colchicine for flares of gout.")])
    assert len(searcher.search("allopurinol gout", 10, "fused")) == 2
    assert len(searcher.search("allopurinol gout", 10, "fused", diverse=0)) == 4


class Prefers:
    """Scores a pair by whether a word stands in its text."""

    def __init__(self, word: str) -> None:
        self.word = word

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.array([float(self.word in text) for _, text in pairs], dtype=np.float32)


def test_the_sentence_that_answers_is_marked(make: Any) -> None:
    (hit,) = make([article("a")]).search("What does allopurinol do to uric acid in gout?", 1)
    assert hit.sentence is not None
    marked = hit.passage.text[slice(*hit.sentence)]
    assert marked == "Allopurinol lowers uric acid and prevents attacks of gout."
    (hit,) = make([article("a")], reranker=Prefers("followed")).search("gout patients", 1)
    assert hit.passage.text[slice(*hit.sentence)] == "Patients were followed for a year."


def test_the_parts_of_a_comparing_question_count(make: Any) -> None:
    whole = "In adults with gout, febuxostat compared with allopurinol lowered uric acid."
    searcher = make([article("half", "Febuxostat febuxostat febuxostat."), article("whole", whole)])
    asked = "In adults with gout, does febuxostat compared with allopurinol lower uric acid?"
    found = searcher.explain(asked, 2, Wishes("full"))
    assert found.query.pico is not None
    terms = {hit.passage.document: dict(hit.parts)["question"] for hit in found.hits}
    assert terms["whole"] > terms["half"]
    assert any("comparing" in note for note in found.notes)


@pytest.mark.parametrize("mode", MODES)
def test_the_terms_sum_up_to_the_score(make: Any, mode: Any) -> None:
    searcher = make(
        [article("a", status="retracted", year=2001, evidence="trial"), article("b", year=2020)],
        [article("c", "Does colchicine prevent gout attacks?", evidence="guideline", year=2015)],
        reranker=Prefers("lowers"),
    )
    asked = "Does allopurinol versus colchicine prevent attacks of gout?"
    for prefer in ("", "recent", "evidence"):
        for hit in searcher.search(asked, 9, mode, prefer=prefer, diverse=0):
            parts = dict(hit.parts)
            assert parts.keys() <= {*ranking.TERMS, *ranking.JUDGES}
            total = sum(parts.get(name, 0.0) for name in ranking.TERMS)
            assert hit.score == pytest.approx(total, abs=1e-6)


def test_history_gives_the_subject(make: Any) -> None:
    searcher = make([article("a", "Colchicine doses in gout."), article("b", "Doses of warfarin.")])
    hits = searcher.search("and its doses?", 1, "fused", history=["What is colchicine for gout?"])
    assert ids(hits) == ["a"]


def test_signs_are_searched_by_their_words(make: Any) -> None:
    searcher = make([article("a", "哮喘患者应避免吸烟。"), article("b", "痛风患者应避免饮酒。")])
    for mode in ("full", "fused", "lexical"):
        assert ids(searcher.search("痛风能喝酒吗", 1, mode)) == ["b"]


@pytest.mark.parametrize(("mode", "prefer"), [("best", ""), ("full", "cheap")])
def test_an_unknown_wish_is_refused(make: Any, mode: Any, prefer: str) -> None:
    with pytest.raises(InputError, match=mode if mode == "best" else prefer):
        make([article("a")]).search("gout", 1, mode, prefer=prefer)


def test_only_what_is_shown_is_read(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = make([article(f"d{n}", f"Gout study {n} with text {n * n}.") for n in range(50)])
    read: list[int] = []
    passages = searcher.index.passages
    original = type(passages).__getitem__

    def counted(self: Any, row: Any) -> Any:
        read.append(row)
        return original(self, row)

    monkeypatch.setattr(type(passages), "__getitem__", counted)
    assert len(searcher.search("gout study", 5, "fused", diverse=0)) == 5
    assert len(read) == 5
