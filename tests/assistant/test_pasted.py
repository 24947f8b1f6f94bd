"""A record pasted into a message is told apart from the question around it."""

from __future__ import annotations

import pytest

from assistant import pasted

NOTE = "Allergies: penicillin\nMedications: metformin 500 mg\nLabs: K 5.9"
QUESTION = "What is she allergic to?"


@pytest.mark.parametrize(
    ("message", "question", "record"),
    [
        (NOTE, "", NOTE),
        (f"{QUESTION}\n\n{NOTE}", QUESTION, NOTE),
        (f"{QUESTION}\n{NOTE}", QUESTION, NOTE),
        (f"{NOTE}\n\n{QUESTION}", QUESTION, NOTE),
        (f"{NOTE}\n{QUESTION}", QUESTION, NOTE),
        (f"Summarise this note\n{NOTE}", "Summarise this note", NOTE),
        (f"{NOTE}\n她对什么过敏？", "她对什么过敏？", NOTE),
        (f"{QUESTION}\r\n\r\n{NOTE}".replace("\n", "\r\n"), QUESTION, None),
        ("PMH: gout\nMEDS - colchicine\nA/P: rest", "", "PMH: gout\nMEDS - colchicine\nA/P: rest"),
        ("**Medications:** metformin\n- Allergies: none\nfollow up", "", None),
    ],
)
def test_a_pasted_record_and_its_question(message: str, question: str, record: str | None) -> None:
    found = pasted.separate(message)
    assert found[0] == question
    assert found[1]
    if record is not None:
        assert found[1] == record


@pytest.mark.parametrize(
    "message",
    [
        "",
        "How is asthma treated?",
        "How is asthma treated?\nAnd in children?\nAnd in pregnancy?",
        "Allergies: penicillin\nMedications: metformin",
        "Allergies: what causes them?",
        "Two questions:\n1. What is gout?\n2. What is asthma?",
        "I read that medications: are a cause.\nIs that so?\nThank you.",
    ],
)
def test_a_message_without_a_record_is_left_alone(message: str) -> None:
    assert pasted.separate(message) == (message, "")


def test_a_long_paragraph_before_the_headings_belongs_to_the_record() -> None:
    story = (
        "A 67-year-old woman was brought in by her son after two days of fever and cough at home."
    )
    question, record = pasted.separate(f"{story}\n{NOTE}")
    assert question == ""
    assert record == f"{story}\n{NOTE}"


def test_a_heading_that_asks_is_no_question() -> None:
    message = f"{NOTE}\nPlan: discharge today?"
    assert pasted.separate(message) == ("", message)


def test_no_word_of_the_message_is_lost() -> None:
    for message in (f"{QUESTION}\n{NOTE}", f"{NOTE}\n{QUESTION}", NOTE):
        question, record = pasted.separate(message)
        assert sorted(f"{question} {record}".split()) == sorted(message.split())
