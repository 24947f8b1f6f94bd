"""What a query means: abbreviations by context, parts of a question, and what a follow-up takes over."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import queries


@pytest.mark.parametrize(
    ("query", "meanings"),
    [
        ("COPD exacerbation", ["chronic obstructive pulmonary disease"]),
        ("copd exacerbation", ["chronic obstructive pulmonary disease"]),
        ("signs of MI", ["myocardial infarction"]),
        ("MI for smoking cessation", ["motivational interviewing"]),
        ("GBS after campylobacter", ["Guillain Barre syndrome"]),
        ("GBS screening in pregnancy", ["group B streptococcus"]),
        ("levodopa in PD", ["Parkinson disease"]),
        ("PD peritonitis", ["peritoneal dialysis"]),
        ("PD", []),
        ("relapse of ALL in children", ["acute lymphoblastic leukemia"]),
        ("is ALL well", []),
        ("is all well", []),
        ("pe class at school", []),
        ("SSRIs and NSAIDs", ["selective serotonin reuptake inhibitors",
                              "nonsteroidal anti-inflammatory drugs"]),
        ("DOACs", ["direct oral anticoagulant"]),
        ("eGFR below 30", ["estimated glomerular filtration rate"]),
        ("EGFR mutation in lung cancer", ["epidermal growth factor receptor"]),
        ("deep vein thrombosis (DVT)", []),
        ("WHAT IS COPD", ["chronic obstructive pulmonary disease"]),
        ("WHAT CAN HE DO AT ALL", []),
        ("", []),
    ],
)  # fmt: skip
def test_abbreviations_are_written_out_by_context(query: str, meanings: list[str]) -> None:
    assert [e.meaning for e in queries.abbreviations(query)] == meanings


def test_an_abbreviation_counts_once() -> None:
    assert len(queries.abbreviations("COPD or COPD")) == 1


def test_the_table_is_sound() -> None:
    text = (files("retrieval") / "lexicon" / "abbreviations.tsv").read_text(encoding="utf-8")
    rows = [r for r in csv.reader(text.splitlines(), delimiter="\t") if not r[0].startswith("#")]
    assert all(len(row) == 3 and row[0].strip() and row[1].strip() for row in rows)
    assert len({row[0] for row in rows}) >= 300
    usual = [row[0] for row in rows if not row[2]]
    assert len(usual) == len(set(usual))  # at most one usual sense each
    assert len({(row[0], row[1]) for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "In children with asthma, does montelukast compared with fluticasone reduce exacerbations?",
            ("children with asthma", "montelukast", "fluticasone", "exacerbations"),
        ),
        (
            "Does aspirin reduce mortality compared with placebo in adults with sepsis?",
            ("adults with sepsis", "aspirin", "placebo", "mortality"),
        ),
        (
            "Is apixaban better than warfarin for stroke prevention in atrial fibrillation?",
            ("atrial fibrillation", "apixaban", "warfarin", "stroke prevention"),
        ),
        (
            "In adults with sepsis, does hydrocortisone reduce mortality?",
            ("adults with sepsis", "hydrocortisone", "", "mortality"),
        ),
        (
            "What is the effect of exercise versus usual care on pain in older adults?",
            ("older adults", "exercise", "usual care", "pain"),
        ),
    ],
)
def test_the_parts_of_a_comparing_question(question: str, parts: tuple[str, ...]) -> None:
    found = queries.pico(question)
    assert found is not None
    assert (found.population, found.intervention, found.comparison, found.outcome) == parts


@pytest.mark.parametrize(
    "question", ["What is asthma?", "dose of metformin", "", "How is gout treated in adults?"]
)
def test_other_questions_have_no_parts(question: str) -> None:
    assert queries.pico(question) is None


@pytest.mark.parametrize(
    ("history", "query", "means"),
    [
        (["How is asthma treated?"], "and in pregnancy?", "How is asthma treated in pregnancy?"),
        (["How is asthma treated?"], "What is gout?", "What is gout?"),
        (["How is asthma treated?"], "side effects?", "side effects (asthma)"),
        (["Metformin uses"], "what is its dose?", "what is its dose (Metformin)"),
        (["How is asthma treated?"], "what about pneumonia?", "pneumonia treated"),
        (
            ["How is asthma treated?", "what about pneumonia?"],
            "and in children?",
            "pneumonia treated in children?",
        ),
        (["哮喘怎么治疗？"], "副作用有哪些？", "副作用有哪些 (哮喘)"),
        (["哮喘怎么治疗？"], "肺炎有什么症状？", "肺炎有什么症状？"),
        ([], "and in pregnancy?", "and in pregnancy?"),
    ],
)
def test_a_follow_up_takes_over_what_it_lacks(history: list[str], query: str, means: str) -> None:
    assert queries.standalone(query, history) == means


def test_every_step_is_told() -> None:
    understood = queries.understand("latest COPD drugs", ["How is asthma treated?"])
    assert understood.prefer == "recent"
    assert understood.added == "chronic obstructive pulmonary disease"
    assert len(understood.notes) == 2
    plain = queries.understand("asthma drugs")
    assert (plain.expansions, plain.pico, plain.prefer, plain.notes) == ((), None, "", ())


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=2))
def test_any_text_is_understood(query: str, history: list[str]) -> None:
    understood = queries.understand(query, history)
    assert understood.asked == query
    if not history:
        assert understood.text == query.strip()
