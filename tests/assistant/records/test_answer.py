"""Questions about a record: the facts, the verbatim lines, and silence where nothing answers."""

from __future__ import annotations

import pytest

from assistant.records.answer import is_about_record, relevant, sentences, statement, summary
from assistant.records.reader import read_record

NOTE = """CHIEF COMPLAINT: Shortness of breath

HPI: Mrs. A is a 67-year-old woman who presents with three days of worsening dyspnea. She denies \
chest pain. She quit smoking in 2010. Lives with her husband.

PMH: hypertension, type 2 diabetes, CKD stage 3b, atrial fibrillation
PSH: cholecystectomy (1998)
Meds:
- metformin 500 mg PO BID
- apixaban 5 mg BID
- amlodipine 10 mg daily
- aspirin 81 mg daily (stopped)
ALLERGIES: penicillin (rash)
Family History: father died of MI, mother with breast cancer.
Vitals: BP 142/88 HR 92
Labs 01/02/2024: K 4.4, creatinine 1.7 mg/dL
Labs 02/02/2024: K 5.9 (H), creatinine 1.8 mg/dL
Plan: start furosemide 40 mg daily. Repeat potassium in one week.
"""
RECORD = read_record(NOTE, "note.txt")

ANSWERS = [
    ("What is she allergic to?", ["Allergy: penicillin (rash)."]),
    ("Is she allergic to penicillin?", ["Allergy: penicillin (rash)."]),
    ("Is she on a blood thinner?", ["Medication: apixaban, 5 mg, BID.",
                                    "Medication no longer taken (stopped): aspirin, 81 mg, daily."]),
    ("What was the last potassium?", ["Potassium: 5.9 (high), 2024-02-02."]),
    ("Does she smoke?", ["History of tobacco use (2010)."]),
    ("Any history of diabetes?", ["Problem: type 2 diabetes mellitus."]),
    ("Does she have kidney disease?", ["Problem: chronic kidney disease, stage 3b."]),
    ("Does she have chest pain?", ["Denied or absent: chest pain."]),
    ("What dose of metformin does she take?", ["Medication: metformin, 500 mg, PO, BID."]),
    ("Did her father have heart disease?", ["Family history: myocardial infarction."]),
    ("Which drugs were stopped?", ["Medication no longer taken (stopped): aspirin, 81 mg, daily."]),
    ("Any surgeries?", ["Past procedure: cholecystectomy (1998)."]),
    ("What is her blood pressure?", ["Blood pressure: 142/88 mmHg (high)."]),
    ("Is she on a statin?", []),
    ("What is her favourite colour?", []),
    ("Has she ever had gout?", []),
]  # fmt: skip
LINES = [
    ("How old is the patient?", "67-year-old"),
    ("Why was she admitted?", "Shortness of breath"),
    ("What is the plan?", "Repeat potassium in one week."),
    ("current medications?", "metformin 500 mg PO BID"),
    ("Who does she live with?", "Lives with her husband."),
    ("What is she allergic to?", "ALLERGIES: penicillin (rash)"),
]


@pytest.mark.parametrize(("question", "expected"), ANSWERS)
def test_facts_that_answer(question: str, expected: list[str]) -> None:
    found = [statement(fact) for fact in relevant(RECORD, question)]
    assert [line for line in found if "hypertension" not in line] == expected


@pytest.mark.parametrize(("question", "words"), LINES)
def test_lines_that_answer(question: str, words: str) -> None:
    lines = sentences(RECORD, question)
    assert any(words in text for text, _, _ in lines), lines


@pytest.mark.parametrize("question", [q for q, _ in ANSWERS] + [q for q, _ in LINES])
def test_lines_are_verbatim(question: str) -> None:
    for text, start, end in sentences(RECORD, question):
        assert RECORD.text[start:end] == text
        assert text.strip() == text


@pytest.mark.parametrize(
    "question", ["Is she on a statin?", "What is her favourite colour?", "Has she ever had gout?"]
)
def test_silence_where_the_record_says_nothing(question: str) -> None:
    assert sentences(RECORD, question) == []


def test_the_summary_has_every_kind() -> None:
    parts = summary(RECORD)
    assert [part.title for part in parts] == [
        "Presentation", "Problems", "Allergies", "Medications", "Labs", "Vital signs", "Procedures", "Plan",
    ]  # fmt: skip
    for part in parts:
        assert part.lines
        for line in part.lines:
            assert RECORD.text[line.start : line.end] == line.text
    told = dict.fromkeys(tuple(line) for part in parts for line in part.lines)
    assert list(told) == sentences(RECORD, "Summarise this record")


@pytest.mark.parametrize(
    "question",
    ["What is she allergic to?", "current medications?", "Is he on a blood thinner?", "how old is the patient?",
     "Summarise this record", "List the medications", "What does the note say about smoking?", "Any history of stroke?",
     "why was she admitted?", "what was the last potassium?", "Does the patient have diabetes?", "allergies?"],
)  # fmt: skip
def test_questions_about_the_record(question: str) -> None:
    assert is_about_record(question)


@pytest.mark.parametrize(
    "question",
    ["What are the signs of stroke?", "How is asthma treated in children?", "Can a patient with CKD take metformin?",
     "What is the mechanism of warfarin?", "Is metformin safe in pregnancy?", "Anatomy of the bundle of His",
     "treatment of pneumonia in patients with penicillin allergy", "List the side effects of lisinopril"],
)  # fmt: skip
def test_questions_about_medicine(question: str) -> None:
    assert not is_about_record(question)
