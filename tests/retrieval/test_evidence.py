"""Levels of evidence: the index before the journal before the title; notices are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evidence import level
from retrieval.types import EVIDENCE


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (["Journal Article", "Practice Guideline"], "guideline"),
        (["Systematic Review", "Journal Article"], "systematic_review"),
        (["Meta-Analysis", "Randomized Controlled Trial"], "systematic_review"),
        (["Clinical Trial, Phase III", "Multicenter Study"], "trial"),
        (["Randomized Controlled Trial", "Review"], "trial"),
        (["Review"], "review"),
        (["Observational Study", "Journal Article"], "cohort"),
        (["Comparative Study"], "cohort"),
        (["Case Reports", "Journal Article"], "case_report"),
        (["Case Reports", "Review"], "case_report"),
        (["Journal Article"], ""),
        (["Journal Article", "Comment"], ""),
        (["Letter", "Randomized Controlled Trial"], ""),
        (["Clinical Trial Protocol"], ""),
        (["Retraction of Publication"], ""),
        (["Randomized Controlled Trial, Veterinary"], ""),
    ],
)
def test_publication_types_decide(types: list[str], found: str) -> None:
    assert level(types) == found


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Clinical practice guideline: tonsillectomy in children", "guideline"),
        ("2021 guideline for the evaluation and diagnosis of chest pain", "guideline"),
        ("Adherence to clinical practice guidelines in asthma", ""),
        ("Guideline-directed therapy in heart failure", ""),
        ("Salt: a systematic review and meta-analysis", "systematic_review"),
        ("A randomised, placebo-controlled trial of salt", "trial"),
        ("A phase II study of salt", "trial"),
        ("Salt in gout: study protocol for a randomised controlled trial", ""),
        ("Salt in gout: rationale and design of a randomised trial", ""),
        ("Salt and sleep: a placebo-controlled investigation", "trial"),
        ("Salt and stroke in a prospective cohort", "cohort"),
        ("Gout of the ear: a case report", "case_report"),
        ("Gout: a review", "review"),
        ("Gout", ""),
        ("阿司匹林预防卒中:随机对照试验", "trial"),
        ("高血压的系统评价", "systematic_review"),
    ],
)
def test_the_title_decides_where_no_type_does(title: str, found: str) -> None:
    assert level(["Journal Article"], title=title) == found


def test_the_index_goes_before_the_title_and_the_title_before_vague_types() -> None:
    assert level(["Review"], title="A randomised trial of salt") == "review"
    assert level(["Comparative Study"], title="A randomised trial of salt") == "trial"


def test_the_journal_s_type_counts_too() -> None:
    assert level([], article_type="case-report") == "case_report"
    assert level([], article_type="research-article", title="Salt: a cohort study") == "cohort"
    assert level(["Systematic Review"], article_type="retraction") == ""


def test_work_on_animals_is_not_evidence_for_patients() -> None:
    assert level(["Comparative Study"], mesh=["Animals", "Rats"]) == ""
    assert level(["Comparative Study"], mesh=["Animals", "Humans"]) == "cohort"
    assert level(["Systematic Review"], mesh=["Animals"]) == "systematic_review"


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4), st.text(max_size=80))
def test_every_answer_is_a_known_level(types: list[str], title: str) -> None:
    assert level(types, title=title) in ("", *EVIDENCE)
