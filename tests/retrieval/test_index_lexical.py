"""The lexical index: BM25 over stems, and any text is a query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index.lexical import LexicalIndex
from retrieval.index.writer import Writer
from retrieval.types import Document, Passage, Section

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


def test_further_words_count_by_their_weight(small: LexicalIndex) -> None:
    alone = dict(small.search("gout", 5))
    assert set(alone) == {1}
    light, heavy = (
        dict(small.search("gout", 5, extra=[("migraine", weight)])) for weight in (0.1, 3.0)
    )
    assert light[1] == heavy[1] == alone[1]
    assert light[2] == pytest.approx(heavy[2] / 30, rel=1e-4)
    assert max(heavy, key=lambda row: heavy[row]) == 2


def test_only_allowed_rows_are_found_however_deep_they_lie(small: LexicalIndex) -> None:
    query = "fever gout migraine asthma"
    everything = small.search(query, 10)
    for row, score in everything:
        mask = np.zeros(len(TEXTS), dtype=np.bool_)
        mask[row] = True
        assert small.search(query, 2, mask) == [(row, score)]
    assert small.search(query, 2, np.zeros(len(TEXTS), dtype=np.bool_)) == []
    assert small.search(query, 10, np.ones(len(TEXTS), dtype=np.bool_)) == everything


def test_how_many_rows_hold_a_word(small: LexicalIndex) -> None:
    assert small.frequency("fevers") == 1
    assert small.frequency("causes") == 3
    assert small.frequency("podagra") == 1
    assert small.frequency("zyxwv") == small.frequency("") == 0
    assert small.knows("headaches")
    assert not small.knows("zyxwv")


def test_few_allowed_rows_among_many_are_found(tmp_path: Path, light: Any) -> None:
    documents = [
        Document(f"d{n}", "Same", (Section("", "", f"Common words {'rare' * (n % 9 == 0)}."),))
        for n in range(2500)
    ]
    with Writer(tmp_path, light) as writer:
        writer.commit(documents, vectors=np.full((2500, light.width), 0.2, dtype=np.float32))
        index = writer.index
    assert index is not None
    mask = np.zeros(2500, dtype=np.bool_)
    mask[[5, 2000, 2499]] = True
    assert {row for row, _ in index.lexical.search("common", 50, mask)} == {5, 2000, 2499}
    mask[:2200] = True
    found = index.lexical.search("common rare", 300, mask)
    assert len(found) == 300
    assert all(mask[row] for row, _ in found)
    assert all(row % 9 == 0 for row, _ in found[:200])
