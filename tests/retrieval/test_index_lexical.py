"""The lexical index: BM25 over stems, and any text is a query."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index.lexical import LexicalIndex
from retrieval.types import Passage

TEXTS = (
    ("Asthma", "Asthma narrows the airways and causes wheezing."),
    ("Gout", "Gout is an arthritis caused by urate crystals in joints."),
    ("Migraine", "Migraine causes one-sided headache with nausea."),
    ("Fever", "Fever and fever and fever: a raised temperature, in children and adults."),
)
SYNTAX = (
    '"(', 'a:b', "*", "a*", "AND", "OR OR", "NOT gout", "gout AND NOT gout", "+gout -gout", "gout^2",
    "body:gout", "row:[0 TO 9]", "names:*", "{gout TO asthma}", "IN [gout]", "gout~1", '"gout urate"~2',
    "\\", "/gout.*/", "((((", ")", '"', "'", ":", "^", "gout\x00urate", "\n\t", "…", "😷", "²", "ﬁ",
    "哮喘怎么治疗", "ГИПЕРТОНИЯ", "مرض", "İstanbul", "x" * 5000, "__", "a_b", "<b>gout</b>", "-1.5e3",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    folder = tmp_path_factory.mktemp("lexical")
    LexicalIndex.build(
        folder,
        [
            Passage(
                id=f"{n}#0", document=str(n), title=title, section="What it is", aspect="",
                text=text, synonyms=("podagra",) if title == "Gout" else (),
            )
            for n, (title, text) in enumerate(TEXTS)
        ],
    )  # fmt: skip
    return LexicalIndex(folder)


@pytest.mark.parametrize(
    ("query", "row"),
    [("wheezing", 0), ("wheeze", 0), ("crystal", 1), ("headaches", 2), ("GOUT", 1), ("podagra", 1)],
)
def test_words_are_found_in_any_form(small: LexicalIndex, query: str, row: int) -> None:
    assert small.search(query, 10)[0][0] == row


def test_hits_are_ordered_with_positive_scores(small: LexicalIndex) -> None:
    hits = small.search("what causes fever, gout and headache?", 10)
    scores = [score for _, score in hits]
    assert {row for row, _ in hits} >= {1, 2, 3}
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


def test_no_more_than_asked_for(small: LexicalIndex) -> None:
    everything = small.search("fever gout migraine asthma", 10)
    assert len(everything) == 4
    assert small.search("fever gout migraine asthma", 2) == everything[:2]
    assert len(small.search("fever gout migraine asthma", 1000)) == 4


@pytest.mark.parametrize("query", ["", "   ", "?!", "zyxwv", "哮喘"])
def test_where_no_word_is_known_nothing_is_found(small: LexicalIndex, query: str) -> None:
    assert small.search(query, 10) == []


@pytest.mark.parametrize("query", SYNTAX, ids=[ascii(q)[1:16] for q in SYNTAX])
def test_the_query_languages_syntax_is_only_text(small: LexicalIndex, query: str) -> None:
    hits = small.search(query, 10)
    assert all(0 <= row < len(TEXTS) and score > 0 for row, score in hits)


def test_operators_are_words_and_not_operators(small: LexicalIndex) -> None:
    assert small.search("NOT gout", 1)[0][0] == 1
    assert small.search("gout -gout", 1)[0][0] == 1
    assert small.search("body:gout", 1)[0][0] == 1
    assert {row for row, _ in small.search("gout AND asthma", 10)} >= {0, 1}


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_query(query: str) -> None:
    hits = OPENED[0].search(query, 3)
    assert len(hits) <= 3
    assert all(0 <= row < len(TEXTS) and score > 0 for row, score in hits)


@pytest.fixture(scope="module", autouse=True)
def _opened(small: LexicalIndex) -> None:
    OPENED.append(small)


# Hypothesis runs a test many times, so that the index comes to it from outside.
OPENED: list[LexicalIndex] = []


def test_asking_for_nothing_gives_nothing(small: LexicalIndex) -> None:
    assert small.search("gout", 0) == []


def test_a_folder_without_an_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?i)not|exist|open"):
        LexicalIndex(tmp_path / "absent")
