"""Which aspects a question asks about."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import aspects
from retrieval.sources import monograph
from retrieval.types import ASPECTS


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is asthma?", ("definition",)),
        ("What are the symptoms of asthma?", ("symptoms",)),
        ("How is asthma treated?", ("treatment",)),
        ("What causes gout?", ("causes",)),
        ("Is chickenpox contagious?", ("causes",)),
        ("metformin dose", ("dose",)),
        ("How much ibuprofen can an adult take?", ("dose",)),
        ("side effects of metformin", ("side_effects",)),
        ("Can warfarin be taken with aspirin?", ("interactions",)),
        ("What is the prognosis of stroke?", ("prognosis",)),
        ("How can migraine be prevented?", ("prevention",)),
        ("red flags of headache", ("red_flags",)),
        ("When should I worry about a headache?", ("red_flags",)),
        ("complications of diabetes", ("complications",)),
        ("What does a high troponin mean?", ("results",)),
        ("How is a lumbar puncture done?", ("procedure",)),
        ("How does metformin work?", ("mechanism",)),
        ("What is metformin used for?", ("uses",)),
        ("Who should not take ibuprofen?", ("contraindications",)),
        ("How should lithium be monitored?", ("monitoring",)),
        ("Who is at risk of gout?", ("risk_factors",)),
        ("How is asthma diagnosed?", ("diagnosis",)),
        ("warfarin in the elderly", ("older_adults",)),
        ("哮喘怎么治疗", ("treatment",)),
        ("哮喘的症状是什么", ("symptoms",)),
        ("高血压是什么", ("definition",)),
        ("阿司匹林副作用", ("side_effects",)),
        ("asthma", ()),
        ("", ()),
        ("   ", ()),
    ],
)
def test_one_aspect(question: str, expected: tuple[str, ...]) -> None:
    assert aspects.asked(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How is asthma treated in children?", ("treatment", "children")),
        ("treatment and prevention of malaria", ("treatment", "prevention")),
        ("prevention and treatment of malaria", ("prevention", "treatment")),
        ("acetaminophen overdose antidote", ("overdose", "treatment")),
    ],
)
def test_several_aspects_come_as_they_stand(question: str, expected: tuple[str, ...]) -> None:
    assert aspects.asked(question) == expected


def test_case_does_not_matter() -> None:
    question = "How is asthma treated in children?"
    assert aspects.asked(question.upper()) == aspects.asked(question)


def test_safety_in_pregnancy_names_both() -> None:
    found = aspects.asked("Is metformin safe in pregnancy?")
    assert "pregnancy" in found
    assert "contraindications" in found


def test_a_definition_gives_way_to_what_is_asked_of_the_subject() -> None:
    assert "definition" not in aspects.asked("What is the treatment of gout?")


def test_the_words_of_an_aspect_are_not_those_of_the_subject() -> None:
    found = aspects.words_of_aspects("What are the side effects of metformin?")
    assert {"side", "effects"} <= found
    assert "metformin" not in found
    assert aspects.words_of_aspects("asthma") == set()


def test_every_aspect_that_a_section_answers_can_be_asked() -> None:
    known = {name for name, _ in aspects._PATTERNS}
    assert known == set(ASPECTS)
    assert set(monograph.HEADINGS.values()) <= known
    assert set(aspects.POPULATIONS) <= known


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_answered_with_known_aspects(text: str) -> None:
    found = aspects.asked(text)
    assert set(found) <= set(ASPECTS)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "word", ["take ", "when should ", "how does ", "what is a high ", "long-term "]
)
def test_a_long_question_takes_no_long_time(word: str) -> None:
    begun = time.process_time()
    aspects.asked(word * (8000 // len(word)))
    assert time.process_time() - begun < 2.0
