"""Wordings for the reranker's training groups: ways to ask, headings, and echoes that say nothing.

MedQuAD asks each kind of question in one wording; clinicians don't. An echo repeats the question's
words as a statement without an answer, which is what an extractive answerer must not prefer.
"""

from __future__ import annotations

import numpy as np

# MedQuAD's question types with the headings of a monograph's sections.
ASPECTS = {
    "information": ("What it is", "Definition", "Overview"),
    "symptoms": ("Symptoms", "Signs and symptoms"),
    "treatment": ("Treatment", "Management"),
    "causes": ("Causes", "Etiology"),
    "exams and tests": ("Diagnosis", "Tests"),
    "outlook": ("Prognosis", "Outlook"),
    "susceptibility": ("Risk factors", "Who is at risk"),
    "prevention": ("Prevention",),
    "complications": ("Complications",),
    "inheritance": ("Inheritance",),
    "frequency": ("Frequency", "Epidemiology"),
    "genetic changes": ("Genetic changes", "Causes"),
    "stages": ("Stages",),
    "considerations": ("Considerations",),
}

_QUESTIONS = {
    "information": ("What is {x}?", "define {x}", "What does {x} mean?", "Explain {x}"),
    "symptoms": (
        "What are the symptoms of {x}?", "How does {x} present?", "signs of {x}",
        "What does {x} feel like?", "What would I see in a patient with {x}?",
    ),
    "treatment": (
        "How is {x} treated?", "What is the treatment for {x}?", "first-line therapy of {x}",
        "How do you manage {x}?", "What should I give for {x}?", "{x} management",
    ),
    "causes": ("What causes {x}?", "Why does {x} happen?", "etiology of {x}", "{x} causes"),
    "exams and tests": (
        "How is {x} diagnosed?", "What tests confirm {x}?", "diagnostic criteria for {x}",
        "How do I diagnose {x}?", "workup of {x}", "How can {x} be detected?",
    ),
    "outlook": ("What is the prognosis of {x}?", "What is the outlook for {x}?", "Can {x} be cured?"),
    "susceptibility": (
        "Who is at risk of {x}?", "What are the risk factors for {x}?", "Who gets {x}?",
    ),
    "prevention": ("How can {x} be prevented?", "prevention of {x}", "How do I avoid {x}?"),
    "complications": ("What are the complications of {x}?", "What can {x} lead to?"),
    "inheritance": ("Is {x} inherited?", "How is {x} inherited?"),
    "frequency": ("How common is {x}?", "How many people have {x}?"),
    "genetic changes": ("Which genes are involved in {x}?", "What gene causes {x}?"),
    "stages": ("What are the stages of {x}?", "How is {x} staged?"),
}  # fmt: skip

_ECHOES = {
    "information": ("{x} is a disease.", "{x} is a medical condition.", "This page is about {x}."),
    "symptoms": (
        "The symptoms of {x} vary from person to person.", "{x} may cause symptoms.",
        "{x} has several symptoms and signs.", "The symptoms of {x} should be recognized early.",
    ),
    "treatment": (
        "{x} is treated by a doctor.", "There are treatments for {x}.", "{x} can be treated.",
        "The treatment of {x} is important.", "The management of {x} depends on the patient.",
    ),
    "causes": (
        "{x} has several causes.", "The cause of {x} is important.", "{x} can have many causes.",
    ),
    "exams and tests": (
        "{x} is diagnosed by a doctor.", "{x} is diagnosed.", "Tests are used to diagnose {x}.",
        "The diagnosis of {x} is important.", "{x} can be diagnosed with tests.",
        "Your doctor will diagnose {x} based on tests.",
    ),
    "outlook": ("The prognosis of {x} varies.", "The outlook for {x} depends on many factors."),
    "susceptibility": ("Some people are at risk of {x}.", "{x} has risk factors.",),
    "prevention": ("{x} can be prevented.", "Preventing {x} is important."),
    "complications": ("{x} can have complications.", "Complications of {x} may occur."),
}  # fmt: skip
_ANY = (
    "This section is about {x}.", "Ask your doctor about {x}.", "Learn more about {x}.",
    "Researchers continue to study {x}.", "More information about {x} is available.",
)  # fmt: skip


def question(focus: str, kind: str, original: str, rng: np.random.Generator) -> str:
    """Return the original question, or more often another wording of it."""
    choices = _QUESTIONS.get(kind, ())
    name = plain(focus)
    if not choices or rng.random() < 0.3:
        return original.replace(" ?", "?")
    return choices[int(rng.integers(len(choices)))].format(x=name)


def echo(focus: str, kind: str, asked: str, rng: np.random.Generator) -> str:
    """Return a statement, or a heading, that repeats the question and answers nothing."""
    if rng.random() < 0.2:
        return asked
    choices = _ECHOES.get(kind, _ANY) if rng.random() < 0.85 else _ANY
    text = choices[int(rng.integers(len(choices)))].format(x=plain(focus))
    return text[0].upper() + text[1:]


def dress(style: int, focus: str, kind: str, sentence: str) -> str:
    """Return a sentence bare (styles 0 and 1), or under its title, or under title and heading."""
    if style < 2:
        return sentence
    head = plain(focus, lower=False)
    if style == 3:
        head = f"{head}: {ASPECTS.get(kind, (kind.capitalize(),))[0]}"
    return f"{head}. {sentence}"


def plain(focus: str, *, lower: bool = True) -> str:
    """Return a disease's name as one writes it in a sentence."""
    name = focus.split(" (")[0].strip()
    if lower and name[:1].isupper() and name[1:2].islower():
        name = name[0].lower() + name[1:]
    return name
