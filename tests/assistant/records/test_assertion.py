"""Assertion: negation, doubt, history and relatives, one sentence at a time."""

from __future__ import annotations

import pytest

from assistant.records.reader import read_record

CASES = [
    ("She denies chest pain.", "chest pain", "negated"),
    ("Denies fever, chills, or cough.", "cough", "negated"),
    ("No evidence of deep vein thrombosis.", "deep vein thrombosis", "negated"),
    ("Patient has cough but no fever.", "cough", "present"),
    ("Patient has cough but no fever.", "fever", "negated"),
    ("No fever, but complains of headache.", "headache", "present"),
    ("Pneumonia was ruled out.", "pneumonia", "negated"),
    ("Pulmonary embolism is unlikely.", "pulmonary embolism", "negated"),
    ("Negative for nausea and vomiting.", "vomiting", "negated"),
    ("Negative rash, negative jaundice.", "jaundice", "negated"),
    ("Troponin negative, chest pain persists.", "chest pain", "present"),
    ("Fever: none.", "fever", "negated"),
    ("Never had a stroke.", "stroke", "negated"),
    ("CT head without hemorrhage.", "bleeding", "negated"),
    ("No increase in edema.", "edema", "present"),
    ("Not only asthma but also eczema.", "asthma", "present"),
    ("No change in chest pain.", "chest pain", "present"),
    ("Hypertension is not well controlled.", "hypertension", "present"),
    ("Cannot exclude pneumonia.", "pneumonia", "possible"),
    ("Pneumonia cannot be excluded.", "pneumonia", "possible"),
    ("?pneumonia", "pneumonia", "possible"),
    ("r/o myocardial infarction", "myocardial infarction", "possible"),
    ("Probable urinary tract infection.", "urinary tract infection", "possible"),
    ("Findings are suspicious for lung cancer.", "lung cancer", "possible"),
    ("Appendicitis vs gastroenteritis.", "appendicitis", "possible"),
    ("Return if fever develops.", "fever", "possible"),
    ("History of seizures.", "seizure", "historical"),
    ("Remote history of pancreatitis.", "pancreatitis", "historical"),
    ("S/p hip fracture in 2010.", "hip fracture", "historical"),
    ("The rash has resolved.", "rash", "historical"),
    ("Pneumonia two years ago.", "pneumonia", "historical"),
    ("The cough started two months ago.", "cough", "present"),
    ("5-year history of hypertension.", "hypertension", "present"),
    ("No history of diabetes.", "diabetes mellitus", "negated"),
    ("Father had MI at age 50.", "myocardial infarction", "family"),
    ("Mother with breast cancer; patient has asthma.", "breast cancer", "family"),
    ("Mother with breast cancer; patient has asthma.", "asthma", "present"),
    ("Mother reports fever since yesterday.", "fever", "present"),
    ("Mother states that her daughter has a rash.", "rash", "present"),
    ("No family history of colon cancer.", "colorectal cancer", "negated"),
    ("Family History: hypertension, stroke.", "stroke", "family"),
    ("PMH: hypertension, COPD", "hypertension", "present"),
    ("PMH: appendicitis, COPD", "appendicitis", "historical"),
    ("HTN, T2DM, s/p CABG (2012)", "type 2 diabetes mellitus", "present"),
    ("Never smoker.", "tobacco use", "negated"),
    ("She quit smoking in 2010.", "tobacco use", "historical"),
    ("Smokes one pack a day.", "tobacco use", "present"),
    ("3 year old boy with wheezing.", "wheezing", "present"),
    ("In the past week she has had diarrhea.", "diarrhea", "present"),
    ("AF (not on anticoagulation), gout.", "gout", "present"),
]


@pytest.mark.parametrize(("text", "name", "expected"), CASES)
def test_the_assertion_of_a_problem(text: str, name: str, expected: str) -> None:
    found = {fact.name: fact.assertion for fact in read_record(text, "note").of("problem")}
    assert found.get(name) == expected, found


def test_a_denied_family_history_says_whose_it_is() -> None:
    (fact,) = read_record("No family history of colon cancer.", "note").of("problem")
    assert dict(fact.attributes)["experiencer"] == "family"
