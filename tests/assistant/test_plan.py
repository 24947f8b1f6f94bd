"""Plans: which tools a message needs, and what a follow-up means in its conversation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from assistant.app import Assistant
from assistant.models import _plan
from retrieval.librarian import Librarian


@pytest.fixture(scope="module")
def librarian(assistant: Assistant) -> Librarian:
    """The librarian of the whole starter library."""
    return assistant.resources.librarian


@pytest.mark.parametrize(
    ("before", "message", "meant"),
    [
        # The first question stands alone.
        ([], "How is asthma treated?", "How is asthma treated?"),
        # A new subject with an aspect of its own stands alone.
        (["How is asthma treated?"], "What causes gout?", "What causes gout?"),
        (["What is migraine?"], "What is the capital of France?", "What is the capital of France?"),
        # A pronoun takes the subject.
        (["What is appendicitis?"], "how is it diagnosed?", "how is appendicitis diagnosed?"),
        (["How does sumatriptan work?"], "Who must not take it?", "Who must not take sumatriptan?"),
        (["What is amlodipine used for?"], "what about its side effects?",
         "amlodipine side effects?"),
        (["What is gout?"], "Which drugs make it worse?", "Which drugs make gout worse?"),
        (["What is psoriasis?"], "Is this disease contagious?", "Is psoriasis disease contagious?"),
        (["What is psoriasis?"], "Is the condition contagious?", "Is psoriasis contagious?"),
        (["What is warfarin?"], "What interacts with it?", "What interacts with warfarin?"),
        # A bare aspect takes the subject.
        (["What is polymyalgia rheumatica?"], "Which drug is first line?",
         "Which drug is first line of polymyalgia rheumatica?"),
        (["What is sepsis?"], "and the red flags?", "the red flags of sepsis?"),
        (["What is sepsis?"], "symptoms?", "symptoms of sepsis?"),
        (["What is sepsis?"], "ok, treatment", "treatment of sepsis?"),
        # A population keeps the aspect.
        (["How is asthma treated?"], "and in children?", "How is asthma treated in children?"),
        (["How is asthma treated in adults?"], "and in children?",
         "How is asthma treated in children?"),
        (["How is appendicitis diagnosed?"], "what about in pregnancy?",
         "How is appendicitis diagnosed in pregnancy?"),
        # A bare subject keeps the aspect.
        (["How is asthma treated?"], "and gout?", "How is gout treated?"),
        (["What are the symptoms of appendicitis?"], "what about migraine?",
         "What are the symptoms of migraine?"),
        # Chains.
        (["How is asthma treated?", "and in children?"], "what about its red flags?",
         "asthma red flags?"),
        (["How is asthma treated?", "and gout?"], "and its complications?",
         "gout complications?"),
        (["What is asthma?", "What is gout?"], "how is it diagnosed?", "how is gout diagnosed?"),
        # Courtesies and empty turns carry nothing.
        (["What is asthma?", ""], "how is it treated?", "how is asthma treated?"),
    ],
)  # fmt: skip
def test_a_follow_up_names_its_subject(
    librarian: Librarian, before: list[str], message: str, meant: str
) -> None:
    assert _squeezed(_plan.standalone(before, message, librarian)) == _squeezed(meant)


def _squeezed(text: str) -> str:
    """Compare questions by the words that retrieval reads."""
    small = {"of", "the", "what", "about"}
    words = re.sub(r"'s|[?,:()]", " ", text.lower()).split()
    return " ".join(word for word in words if word not in small)


IMAGE = {"id": "A1", "name": "film.png", "kind": "image"}
SECOND = {"id": "A3", "name": "other.png", "kind": "image"}
RECORD = {"id": "A2", "name": "note.txt", "kind": "record"}


def human(
    message: str, attached: list[Any] | None = None, known: list[Any] | None = None
) -> HumanMessage:
    attached = attached or []
    return HumanMessage(
        message,
        additional_kwargs={"attachments": attached, "known_attachments": known or attached},
    )


@pytest.mark.parametrize(
    ("message", "tools"),
    [
        (human("How is gout treated?"), ["literature"]),
        (human("", [IMAGE]), ["image"]),
        (human("", [IMAGE, RECORD]), ["image", "record"]),
        (human("", [IMAGE, SECOND]), ["image"]),
        (human("What does this X-ray show?", [IMAGE]), ["image"]),
        (human("What does the film show?", [], [IMAGE]), ["image"]),
        (human("What is she allergic to?", [RECORD]), ["record"]),
        (human("Which medications is he taking?", [], [RECORD]), ["record"]),
        (human("How is gout treated?", [], [IMAGE, RECORD]), ["literature"]),
        (human("When is a chest X-ray needed in asthma?", [], [IMAGE]), ["literature"]),
        (human("What is she allergic to?"), ["literature"]),
    ],
    ids=lambda value: getattr(value, "content", None),
)
def test_a_message_calls_the_tools_it_needs(
    assistant: Assistant, message: HumanMessage, tools: list[str]
) -> None:
    plan = _plan.make([message], assistant.resources)
    assert [call.tool for call in plan.calls] == tools


def test_a_later_question_means_the_latest_film(assistant: Assistant) -> None:
    message = human("What does the film show?", [], [IMAGE, SECOND])
    plan = _plan.make([message], assistant.resources)
    assert plan.calls == (_plan.Call("image", (("attachment", "A3"),)),)


def test_a_plan_reads_the_conversation_and_not_the_answers(assistant: Assistant) -> None:
    messages: list[BaseMessage] = [
        human("How is asthma treated?"),
        AIMessage("Gout is a disease of joints."),
        human("and in children?"),
    ]
    plan = _plan.make(messages, assistant.resources)
    assert plan.question == "How is asthma treated in children?"
    assert plan.calls == (_plan.Call("literature", (("query", plan.question),)),)


THIRD = {"id": "A4", "name": "third.png", "kind": "image"}
OLD = [IMAGE, SECOND]


@pytest.mark.parametrize(
    ("message", "attached", "known", "arguments"),
    [
        ("", OLD, None, {"attachment": "A1, A3"}),
        ("What do the films show?", [], OLD, {"attachment": "A1, A3"}),
        ("What does other.png show?", [], [*OLD, THIRD], {"attachment": "A3"}),
        ("And what is on A1?", [], OLD, {"attachment": "A1"}),
        ("Compare the two films.", [], OLD, {"attachment": "A1, A3", "compare": "true"}),
        ("Has it got worse?", [THIRD], [*OLD, THIRD], {"attachment": "A3, A4", "compare": "true"}),
        ("Compare all films.", [], [*OLD, THIRD], {"attachment": "A1, A3, A4", "compare": "true"}),
        ("Compare A1 with A4", [], [*OLD, THIRD], {"attachment": "A1, A4", "compare": "true"}),
        (
            "Compare the films; the second is the older one.", OLD, None,
            {"attachment": "A1, A3", "compare": "true", "older": "A3"},
        ),
        (
            "Compare this film with the earlier film A1.", [], OLD,
            {"attachment": "A3, A1", "compare": "true", "older": "A1"},
        ),
        ("Does the film agree with the record?", [], [IMAGE, RECORD], {"attachment": "A1"}),
        ("", [RECORD], [IMAGE, RECORD], {"attachment": "A1"}),
    ],
)  # fmt: skip
def test_which_images_are_meant_and_whether_to_compare(
    assistant: Assistant,
    message: str,
    attached: list[dict[str, str]],
    known: list[dict[str, str]] | None,
    arguments: dict[str, str],
) -> None:
    plan = _plan.make([human(message, attached, known)], assistant.resources)
    (call,) = [call for call in plan.calls if call.tool == "image"]
    got = dict(call.arguments)
    assert sorted(got.pop("attachment").split(", ")) == sorted(arguments["attachment"].split(", "))
    assert got == {name: value for name, value in arguments.items() if name != "attachment"}


def test_a_question_of_medicine_beside_old_films_calls_no_image_tool(assistant: Assistant) -> None:
    for message in ("How is asthma treated?", "Is it better to treat gout early?"):
        plan = _plan.make([human(message, [], OLD)], assistant.resources)
        assert [call.tool for call in plan.calls] == ["literature"]
