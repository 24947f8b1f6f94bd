"""Questions over the starter library, made of its titles and headings.

For a check on a bare machine: the wording is ours and plain, so the figures say that the parts work
together, not how well they serve a clinician.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from retrieval.types import Document

QUESTIONS = {
    "definition": "What is {x}?",
    "causes": "What causes {x}?",
    "risk_factors": "Who is at risk of {x}?",
    "symptoms": "What are the symptoms of {x}?",
    "red_flags": "When is {x} an emergency?",
    "diagnosis": "How is {x} diagnosed?",
    "treatment": "How is {x} treated?",
    "complications": "What are the complications of {x}?",
    "prognosis": "What is the outlook for {x}?",
    "prevention": "How can {x} be prevented?",
    "uses": "What is {x} used for?",
    "dose": "What is the dose of {x}?",
    "mechanism": "How does {x} work?",
    "side_effects": "What are the side effects of {x}?",
    "contraindications": "When should {x} not be used?",
    "interactions": "What does {x} interact with?",
    "monitoring": "How is {x} monitored?",
}
SHARE = 8  # one question in so many is kept


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the section that answers it."""

    id: str
    question: str
    document: str
    aspect: str
    answer: str


def documents() -> list[Document]:
    """Return the starter library in order of its ids."""
    from retrieval import library
    from retrieval.sources import monograph

    root = Path(library.__file__).parent
    paths = sorted(root.rglob("*.md"), key=lambda path: path.stem)
    return [document for path in paths for document in monograph.build().read(path)]


def questions() -> list[Question]:
    """Return a fixed sample of the questions that titles and headings make."""
    out = []
    for document in documents():
        for section in document.sections:
            wording = QUESTIONS.get(section.aspect)
            identity = f"{document.id}/{section.aspect}"
            if wording is None or int(hashlib.sha256(identity.encode()).hexdigest(), 16) % SHARE:
                continue
            asked = wording.format(x=_plain(document.title))
            out.append(Question(identity, asked, document.id, section.aspect, section.text))
    return out


def _plain(title: str) -> str:
    """Return a title as one writes it inside a sentence."""
    first, _, rest = title.partition(" ")
    return title if first[1:] != first[1:].lower() else f"{first.lower()} {rest}".strip()
