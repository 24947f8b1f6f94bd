"""Claims, questions and sentences written for this project, for a check on a bare machine."""

from __future__ import annotations

from typing import Any

_TRIALS = (
    (
        "Daily walking lowers resting blood pressure in adults with hypertension.",
        "Adults with hypertension walked for thirty minutes a day or kept their habits. Resting "
        "blood pressure fell by 6 mmHg in the walking group and was unchanged in the other "
        "(p = 0.01).",
        "support",
    ),
    (
        "Daily walking raises resting blood pressure in adults with hypertension.",
        "Adults with hypertension walked for thirty minutes a day or kept their habits. Resting "
        "blood pressure fell by 6 mmHg in the walking group and was unchanged in the other "
        "(p = 0.01).",
        "contradict",
    ),
    (
        "Daily walking lowers resting blood pressure in adults with hypertension.",
        "The clinic opened in spring and serves three villages. Most visitors came for vaccines.",
        "neither",
    ),
    (
        "Vitamin C does not shorten the common cold.",
        "There was no significant difference in the duration of colds between vitamin C and "
        "placebo (4.1 and 4.2 days, p = 0.7).",
        "support",
    ),
    (
        "Vitamin C shortens the common cold.",
        "There was no significant difference in the duration of colds between vitamin C and "
        "placebo (4.1 and 4.2 days, p = 0.7).",
        "contradict",
    ),
    (
        "Vitamin C shortens the common cold.",
        "Handwashing with soap reduced the number of new infections in schools.",
        "neither",
    ),
    (
        "Smoking is associated with slower wound healing.",
        "Wounds of smokers closed significantly later than those of people who never smoked.",
        "support",
    ),
    (
        "Smoking is not associated with slower wound healing.",
        "Wounds of smokers closed significantly later than those of people who never smoked.",
        "contradict",
    ),
    (
        "Smoking is associated with slower wound healing.",
        "The questionnaire had forty items and was returned by post.",
        "neither",
    ),
)
_VERDICTS = (
    (
        "Does a reminder by phone increase attendance at the eye clinic?",
        "Patients were called the day before their visit or not.",
        "Attendance was significantly higher in those who were called (88% and 71%, p < 0.001).",
        "yes",
    ),
    (
        "Is the new dressing better than gauze for small burns?",
        "Small burns were covered with the new dressing or with gauze.",
        "Healing time did not differ between the groups, and pain scores were similar (p = 0.6).",
        "no",
    ),
    (
        "Does coffee in the evening affect sleep in shift workers?",
        "Workers kept a diary for four weeks.",
        "Sleep was shorter after coffee in the younger workers, but there was no difference in "
        "the older ones.",
        "maybe",
    ),
    (
        "Is obesity associated with knee pain?",
        "A survey of adults over fifty recorded weight and pain.",
        "Knee pain was more frequent with obesity (odds ratio 2.1, 95% confidence interval 1.6 to "
        "2.8).",
        "yes",
    ),
    (
        "Do antibiotics shorten acute bronchitis in healthy adults?",
        "Adults with acute bronchitis took an antibiotic or placebo.",
        "There was no significant difference in the days of cough between the groups (p = 0.4).",
        "no",
    ),
)
_SENTENCES = (
    "The ward has twenty beds on two floors.",
    "Iron deficiency is treated with oral iron for three months.",
    "Tiredness and pale skin are common symptoms of iron deficiency.",
    "A low ferritin in the blood confirms iron deficiency.",
    "Heavy periods are a frequent cause of iron deficiency.",
)
_ASKED = (
    ("How is iron deficiency treated?", 1),
    ("What are the symptoms of iron deficiency?", 2),
    ("Which test shows iron deficiency?", 3),
    ("What causes iron deficiency?", 4),
)


def claims() -> list[dict[str, Any]]:
    """Return claims with texts and labels, in the plain form of the task's data."""
    return [
        {"claim": claim, "text": text, "label": label, "document": text, "_line": number}
        for number, (claim, text, label) in enumerate(_TRIALS, 1)
    ]


def verdicts() -> list[dict[str, Any]]:
    """Return questions with sections and decisions, in the form of the task's data."""
    return [
        {
            "question": question,
            "contexts": [["METHODS", methods], ["RESULTS", results]],
            "final_decision": decision,
            "_line": number,
        }
        for number, (question, methods, results, decision) in enumerate(_VERDICTS, 1)
    ]


def evidence() -> list[dict[str, Any]]:
    """Return questions with candidate sentences, as the task's samples."""
    return [
        {
            "id": str(number),
            "unit": str(number),
            "question": question,
            "sentences": list(_SENTENCES),
            "gold": [gold],
        }
        for number, (question, gold) in enumerate(_ASKED, 1)
    ]
