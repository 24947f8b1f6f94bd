"""Text as the lexical index counts it: one spelling a word, pairs of signs, no function words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index import analysis
from retrieval.index.lexical import LexicalIndex
from retrieval.types import Passage


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("haemophilia", "hemophilia"),
        ("oesophageal tumours", "esophageal tumors"),
        ("ischaemic", "ischemic"),
        ("randomised", "randomized"),
        ("sulphonamide", "sulfonamide"),
        ("TNF-α", "tnf alpha"),
        ("β-blockers", "beta blockers"),
        ("IL6", "IL-6"),
        ("COVID-19", "covid19"),
        ("5 µg/mL", "5 ug ml"),
        ("Ménière", "Meniere"),
        ("ＣＴ", "CT"),
        ("ﬁbrosis", "fibrosis"),
        ("Sjögren", "Sjogren"),
    ],
)
def test_two_spellings_are_one(one: str, other: str) -> None:
    assert analysis.terms(one) == analysis.terms(other)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("disease", "disease"),
        ("raised", "raised"),
        ("aorta", "aorta"),
        ("does", "does"),
        ("が", "が"),
    ],
)
def test_a_word_that_only_looks_british_stays(text: str, kept: str) -> None:
    assert analysis.analyse(text).split() == kept.split()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("What is the dose of metformin?", "dose metformin"),
        ("Is hepatitis A worse than hepatitis B?", "hepatitis a worse hepatitis b"),
        ("type I collagen", "type i collagen"),
        ("What should I do for a burn?", "burn"),
        ("what is it", "what is it"),
        ("WHAT IS A COLD", "cold"),
        ("body:asthma AND (gout*)", "body asthma gout"),
        ("", ""),
        ("?!", ""),
    ],
)
def test_function_words_are_dropped_from_queries_alone(query: str, words: str) -> None:
    assert analysis.terms(query) == words


def test_signs_become_pairs_and_singles() -> None:
    assert analysis.terms("哮喘的CT检查") == "哮喘 喘的 哮 喘 的 ct 检查 检 查"
    assert analysis.terms("癌") == "癌"


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_a_text_is_found_by_its_own_terms(text: str) -> None:
    held = set(analysis.analyse(text).replace("_", " ").split())
    for word in analysis.terms(text).split():
        assert any(word in piece for piece in held)


def test_a_query_meets_the_index_across_spellings(tmp_path: Path) -> None:
    texts = ["Haemorrhage after anaesthesia", "慢性阻塞性肺疾病的治疗", "IL-6 and TNF-α in sepsis"]
    LexicalIndex.build(
        tmp_path,
        [
            Passage(id=f"d{n}#0", document=f"d{n}", title="", section="", aspect="", text=text)
            for n, text in enumerate(texts)
        ],
    )
    index = LexicalIndex(tmp_path)
    for query, row in [("hemorrhage", 0), ("肺疾病", 1), ("癌 or 肺", 1), ("tnf alpha il6", 2)]:
        assert index.search(query, 1)[0][0] == row
