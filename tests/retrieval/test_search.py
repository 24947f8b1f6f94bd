"""Search: four modes over one index, explainable scores, and any text is a query."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval import fusion, words
from retrieval.encoder import Encoder
from retrieval.index.store import Index
from retrieval.search import Mode, Searcher

MODES: tuple[Mode, ...] = ("dense", "lexical", "fused", "full")
ODD = (
    '"(', "a:b asthma", "*", "asthma*", "AND", "asthma AND OR NOT gout", "NOT asthma", "+asthma -gout",
    "body:asthma", "row:[0 TO 9]", "/asthma.*/", "\\", "asthma\x00gout", "?!…", "😷", "哮喘怎么治疗",
    "高血压是什么？", "İstanbul ﬁbrosis ² ½", "<script>alert(1)</script>", "a" * 5000,
    "what causes asthma attacks? " * 400, "\u202egout\u202c", "\r\n\tasthma\v",
)  # fmt: skip


class SharedWords:
    """Scores a pair by the share of the question's stems that the text has."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.array(
            [
                len(words.content(q) & words.content(t)) / max(1, len(words.content(q)))
                for q, t in pairs
            ],
            dtype=np.float32,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("What is the usual starting dose of metformin?", "metformin"),
        ("side effects of salbutamol inhalers", "albuterol"),
        ("How is high blood pressure treated?", "hypertension"),
        ("uric acid crystals in joints", "gout"),
        ("antidote for warfarin bleeding", "warfarin"),
        ("adrenaline injection for severe allergic reaction", "anaphylaxis"),
        ("dialysis access fistula", "hemodialysis"),
    ],
)
def test_the_right_subject_comes_first(
    searcher: Searcher, question: str, document: str, mode: Mode
) -> None:
    assert searcher.search(question, 3, mode)[0].passage.document == document


@pytest.mark.parametrize("mode", MODES)
def test_hits_are_ordered_different_and_at_most_k(searcher: Searcher, mode: Mode) -> None:
    for k in (1, 7, 10_000):
        hits = searcher.search("treatment of asthma attack", k, mode, diverse=0)
        scores = [hit.score for hit in hits]
        assert 0 < len(hits) <= min(k, len(searcher.index.passages))
        assert scores == sorted(scores, reverse=True)
        assert len({hit.passage.id for hit in hits}) == len(hits)


def test_fewer_hits_are_the_first_of_more(searcher: Searcher) -> None:
    for mode in MODES:
        more = searcher.search("causes of headache", 9, mode)
        fewer = searcher.search("causes of headache", 3, mode)
        assert [h.passage.id for h in fewer] == [h.passage.id for h in more[:3]]


@pytest.mark.parametrize(
    "question",
    ["albuterol HFA canister", "tight chest and wheezing at night", "troponin 99th percentile"],
)
def test_fused_holds_the_candidates_of_both(searcher: Searcher, question: str) -> None:
    everything = len(searcher.index.passages)
    fused = {
        hit.passage.id: dict(hit.parts)
        for hit in searcher.search(question, everything, "fused", diverse=0)
    }
    for mode in ("dense", "lexical"):
        for hit in searcher.search(question, 20, mode):
            assert hit.passage.id in fused
            assert fused[hit.passage.id][mode] == pytest.approx(hit.score, abs=1e-4)


def test_a_word_that_only_the_lexical_part_knows_reaches_the_top(
    searcher: Searcher, index: Index
) -> None:
    # The two halves disagree on a rare word alone; the union has to carry it.
    (lexical, *_) = searcher.search("zyxwv Ventolin qqqq", 1, "lexical")
    assert "Ventolin" in lexical.passage.synonyms
    top = [hit.passage.document for hit in searcher.search("Ventolin", 5, "fused")]
    assert "albuterol" in top


def test_every_score_is_explained_by_its_parts(searcher: Searcher, encoder: Encoder) -> None:
    question = "how is gout treated"
    vector = encoder.embed([question])[0]
    rows = {passage.id: row for row, passage in enumerate(searcher.index.passages)}
    lexical = dict(searcher.index.lexical.search(question, 1000))
    hits = searcher.search(question, 1000, "fused", diverse=0)
    dense = np.array([dict(hit.parts)["dense"] for hit in hits], dtype=np.float32)
    words_ = np.array([dict(hit.parts)["lexical"] for hit in hits], dtype=np.float32)
    fused = fusion.fuse(question, dense, words_)
    for hit, expected in zip(hits, fused.tolist(), strict=True):
        parts, row = dict(hit.parts), rows[hit.passage.id]
        assert parts.keys() == {"dense", "lexical", "fused"}
        assert parts["dense"] == pytest.approx(searcher.index.vectors[row] @ vector, abs=1e-3)
        assert parts["lexical"] == pytest.approx(lexical.get(row, 0.0), abs=1e-4)
        assert hit.score == parts["fused"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["dense", "lexical"])
def test_one_part_alone_names_itself(searcher: Searcher, mode: Mode) -> None:
    for hit in searcher.search("asthma", 5, mode):
        assert hit.parts == ((mode, hit.score), ("fused", hit.score))


def test_full_without_a_reranker_is_the_fused_order(searcher: Searcher) -> None:
    question = "can metformin be taken in pregnancy"
    assert searcher.search(question, 10, "full") == searcher.search(question, 10, "fused")
    assert searcher.search(question) == searcher.search(question, 10, "full")


def test_a_reranker_reorders_the_head_and_leaves_the_rest(
    searcher: Searcher, index: Index, encoder: Encoder
) -> None:
    question = "What should be monitored while warfarin is taken?"
    reranked = Searcher(index, encoder, SharedWords()).search(question, 200, diverse=0)
    fused = searcher.search(question, 200, "fused", diverse=0)
    depth = fusion.RERANK_DEPTH
    assert len(fused) > depth
    assert {h.passage.id for h in reranked[:depth]} == {h.passage.id for h in fused[:depth]}
    assert [h.passage.id for h in reranked[:depth]] != [h.passage.id for h in fused[:depth]]
    assert reranked[depth:] == fused[depth:]
    scores = [hit.score for hit in reranked]
    assert scores == sorted(scores, reverse=True)
    for hit in reranked[:depth]:
        parts = dict(hit.parts)
        assert 0 <= parts["rerank"] <= 1
        assert hit.score == pytest.approx(parts["fused"] + parts["reranked"])


def test_other_modes_do_not_ask_the_reranker(index: Index, encoder: Encoder) -> None:
    with_reranker = Searcher(index, encoder, SharedWords())
    for mode in ("dense", "lexical", "fused"):
        for hit in with_reranker.search("gout", 5, mode):
            assert "rerank" not in dict(hit.parts)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", ["", " ", "\n\t ", "\u3000"])
def test_an_empty_query_finds_nothing(searcher: Searcher, query: str, mode: Mode) -> None:
    assert searcher.search(query, 5, mode) == []


@pytest.mark.parametrize("mode", MODES)
def test_asking_for_nothing_gives_nothing(searcher: Searcher, mode: Mode) -> None:
    assert searcher.search("asthma", 0, mode) == []


@pytest.mark.parametrize("query", ODD, ids=[ascii(q)[1:16] for q in ODD])
def test_any_text_is_a_query(searcher: Searcher, query: str) -> None:
    for mode in ("dense", "lexical", "fused"):
        hits = searcher.search(query, 5, mode)
        assert len(hits) == 5 if mode == "dense" else len(hits) <= 5
        assert all(np.isfinite(hit.score) for hit in hits)


@pytest.mark.parametrize("mode", MODES)
def test_a_lone_surrogate_is_no_traceback(searcher: Searcher, mode: Mode) -> None:
    assert searcher.search("asthma \ud800 attack", 5, mode)[0].passage.document == "asthma"


def test_syntax_around_a_question_does_not_change_its_subject(searcher: Searcher) -> None:
    for query in ('"gout" (', "gout:*", "+gout", "NOT gout", "gout OR", "gout\\"):
        for mode in ("lexical", "fused"):
            assert searcher.search(query, 1, mode)[0].passage.document == "gout"


def test_the_same_query_gives_the_same_hits(
    searcher: Searcher, index: Index, encoder: Encoder
) -> None:
    question = "When should a chest pain be taken for an emergency?"
    first = searcher.search(question, 20, "fused")
    assert searcher.search(question, 20, "fused") == first
    assert Searcher(index, encoder).search(question, 20, "fused") == first


def test_threads_share_one_searcher(searcher: Searcher) -> None:
    questions = ["gout", "warfarin dose", "asthma in children", "chest pain red flags"]
    alone = [[h.passage.id for h in searcher.search(q, 5)] for q in questions]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda q: [h.passage.id for h in searcher.search(q, 5)], questions * 4)
        )
    assert found == alone * 4
