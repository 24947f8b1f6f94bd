"""Which documents a question names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index.views import Named
from retrieval.subjects import Subjects
from retrieval.types import Document


@pytest.fixture(scope="module")
def subjects(whole_library: tuple[Document, ...]) -> Subjects:
    return Subjects(whole_library)


def named(title: str, *synonyms: str, kind: str = "condition") -> Named:
    return Named(title.lower(), title, synonyms, kind, range(1))


@pytest.mark.parametrize(
    ("question", "documents"),
    [
        ("What is asthma?", ["asthma"]),
        ("how is HIGH blood PRESSURE treated", ["hypertension"]),
        ("type 2 diabetes and gout", ["type-2-diabetes", "gout"]),
        ("What are ACE inhibitors?", ["lisinopril-and-ace-inhibitors"]),
        ("Crohn's disease", ["crohn-disease"]),
        ("crohns disease", ["crohn-disease"]),
        ("is haemodialysis painful", ["hemodialysis"]),
        ("obstructive sleep apnoea", ["obstructive-sleep-apnea"]),
        ("sudden heart attack at night", ["myocardial-infarction"]),
        ("dvt", ["deep-vein-thrombosis"]),
        ("What is the plan for cooking pasta?", []),
        ("", []),
        ("???", []),
    ],
)
def test_names_and_synonyms_are_found(
    subjects: Subjects, question: str, documents: list[str]
) -> None:
    found = subjects.find(question)
    assert [d for mention in found for d in mention.documents] == documents
    assert all(mention.exact for mention in found)


def test_a_name_of_two_documents_names_both(subjects: Subjects) -> None:
    (mention,) = subjects.find("stroke")
    assert set(mention.documents) == {"ischemic-stroke", "acute-stroke"}


def test_the_longer_name_wins(subjects: Subjects) -> None:
    question = "How is type 2 diabetes treated?"
    (mention,) = subjects.find(question)
    assert mention.documents == ("type-2-diabetes",)
    assert question[mention.start : mention.end] == "type 2 diabetes"


@pytest.mark.parametrize(
    ("question", "documents"),
    [
        ("What is PE?", ["pulmonary-embolism"]),
        ("the pe class at school", []),
        ("Is he at risk?", []),
        ("MS", ["multiple-sclerosis"]),
        ("a ms later", []),
        ("the nurse aids the doctor", []),
        ("Is AIDS curable?", ["hiv-infection"]),
    ],
)
def test_case_tells_abbreviations_from_words(
    subjects: Subjects, question: str, documents: list[str]
) -> None:
    assert [d for mention in subjects.find(question) for d in mention.documents] == documents


@pytest.mark.parametrize(
    ("word", "document"),
    [
        ("pnuemonia", "community-acquired-pneumonia"),
        ("metfromin", "metformin"),
        ("migrane", "migraine"),
        ("diabetis", "type-2-diabetes"),
    ],
)
def test_a_misspelt_name_is_found_and_marked(subjects: Subjects, word: str, document: str) -> None:
    (mention,) = subjects.find(f"treatment of {word}")
    assert mention.documents == (document,)
    assert not mention.exact


@pytest.mark.parametrize(
    "word",
    ["hyperglycemia", "hypokalemia", "hypernatremia", "hyperthermia", "hypercalcemia", "hypotension",
     "hypocalcemia", "hypokalaemia", "hyperglycaemia", "bupropion", "hydroxyzine", "clomipramine"],
)  # fmt: skip
def test_another_medical_word_is_no_misspelling(subjects: Subjects, word: str) -> None:
    # Hypokalemia read as hyperkalemia would answer with the treatment of the opposite.
    guessed = [m for m in subjects.find(f"treatment of {word}") if not m.exact]
    assert guessed == []


def test_everyday_words_are_no_misspellings(subjects: Subjects) -> None:
    question = (
        "Which common symptoms and features should doctors in the hospital review before patients "
        "manage the condition with testing, and what levels are typical for fathers and mothers?"
    )
    assert subjects.find(question) == []


def test_articles_name_nothing() -> None:
    found = Subjects([named("Asthma", kind="article"), named("Gout", kind="")])
    assert found.find("asthma and gout") == []
    assert found.names_of == {}


def test_the_order_of_documents_is_that_of_the_index() -> None:
    found = Subjects([named("B", "joint name"), named("A", "joint name")])
    (mention,) = found.find("joint names")
    assert mention.documents == ("b", "a")
    assert mention.name == "joint name"


def test_a_bracket_in_a_name_may_be_left_out() -> None:
    found = Subjects([named("Albuterol (salbutamol)")])
    assert [m.documents for m in found.find("albuterol dose")] == [("albuterol (salbutamol)",)]


def test_every_document_is_found_by_its_own_title(
    subjects: Subjects, whole_library: tuple[Document, ...]
) -> None:
    missed = [
        document.id
        for document in whole_library
        if document.id not in {d for m in subjects.find(document.title) for d in m.documents}
    ]
    assert missed == []


FRAGMENTS = ("asthma", "PE", "the", "type", "2", "diabetes", "gout", "metfromin", ",", "?", "哮喘")


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=8))
def test_mentions_are_ordered_and_do_not_overlap(parts: list[str]) -> None:
    question = " ".join(parts)
    at = 0
    for mention in SMALL.find(question):
        assert at <= mention.start < mention.end <= len(question)
        at = mention.end


SMALL = Subjects(
    [named("Asthma"), named("Type 2 diabetes", "diabetes"), named("Gout"), named("Metformin"),
     named("Pulmonary embolism", "PE")]
)  # fmt: skip
