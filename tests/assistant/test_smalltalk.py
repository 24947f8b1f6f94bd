"""Small talk is recognised as a whole message only; a medical question never is."""

from __future__ import annotations

from importlib import resources

import pytest

from assistant import smalltalk


def prompt(name: str) -> str:
    return resources.files("assistant.prompts").joinpath(f"{name}.md").read_text("utf-8").strip()


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("hi", "greeting"),
        ("Hello!", "greeting"),
        ("  good morning, doctor ", "greeting"),
        ("Hey there", "greeting"),
        ("How are you?", "greeting"),
        ("你好", "greeting"),
        ("thanks", "thanks"),
        ("Thank you very much!", "thanks"),
        ("ok, thanks a lot", "thanks"),
        ("谢谢", "thanks"),
        ("谢谢你", "thanks"),
        ("bye", "thanks"),
        ("Who are you?", "about"),
        ("what can you do", "about"),
        ("How do you work?", "about"),
        ("Are you a doctor or a robot?", "about"),
        ("help", "about"),
        ("Can you be trusted?", "about"),
        ("Can I trust you?", "about"),
        ("你是谁？", "about"),
    ],
)
def test_small_talk_gets_its_fixed_reply(message: str, name: str) -> None:
    assert smalltalk.reply(message) == prompt(name)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "How is asthma treated?",
        "hi, how is asthma treated?",
        "Thanks. And in children?",
        "Hello doctor, I have a headache",
        "What can you do for gout?",
        "What do you do when the potassium is 6.5?",
        "help me treat gout",
        "How do you work up a patient with anaemia?",
        "How do you work out the anion gap?",
        "How are you supposed to treat asthma?",
        "Can I trust a normal troponin?",
        "Can I trust a normal ECG?",
        "谢谢，哮喘怎么治疗？",
        "你好，什么是痛风？",
        "what is hello syndrome?",
    ],
)
def test_a_question_is_never_taken_for_small_talk(message: str) -> None:
    assert smalltalk.reply(message) is None


def test_what_it_says_of_itself_names_its_limits() -> None:
    about = prompt("about")
    assert "research use" in about
    assert "don't replace" in about
