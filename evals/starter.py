"""The built-in questions over the starter library, and the library's documents.

The questions (`tasks/questions.jsonl`) are worded as clinicians word them. Each names the monographs
that answer it and words that a right answer holds; some have no answer in the library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evals import reading
from retrieval.types import Document

QUESTIONS = Path(__file__).parent / "tasks" / "questions.jsonl"


def documents() -> list[Document]:
    """Return the starter library in order of its ids."""
    from retrieval import library

    return list(library.documents())


def questions() -> list[dict[str, Any]]:
    """Return the built-in questions, as `answers` reads them."""
    return reading.json_lines(QUESTIONS, {"id": str, "question": str, "kind": str})
