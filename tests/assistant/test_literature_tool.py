"""How a hit of the search becomes evidence that a clinician may read."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.tools import literature
from retrieval.types import Hit, Passage


def passage(title: str = "Drug X in gout", **facts: Any) -> Passage:
    return Passage(
        id="pmid:1#0", document="pmid:1", title=title, section="Results", aspect="", text="It works.",
        **facts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "title", "shown"),
    [
        ("", "Drug X in gout", "Drug X in gout"),
        ("corrected", "Drug X in gout", "Drug X in gout"),
        ("retracted", "Drug X in gout", "RETRACTED: Drug X in gout"),
        ("retracted", "RETRACTED: Drug X in gout", "RETRACTED: Drug X in gout"),
        ("retracted", "Retracted article: Drug X", "Retracted article: Drug X"),
        ("concern", "Drug X in gout", "EXPRESSION OF CONCERN: Drug X in gout"),
    ],
)
def test_a_title_says_what_became_of_its_document(status: str, title: str, shown: str) -> None:
    evidence = literature.as_evidence(Hit(passage(title, status=status), 1.0))
    assert evidence.title == shown


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"source": "Auscult starter library"}, "Auscult starter library"),
        (
            {
                "source": "PubMed",
                "journal": "Lancet",
                "year": 2019,
                "evidence": "systematic_review",
            },
            "PubMed, Lancet 2019, systematic review",
        ),
        ({"source": "PubMed", "year": 2019}, "PubMed, 2019"),
        ({"journal": "Lancet"}, "Lancet"),
        ({}, ""),
    ],
)
def test_the_source_names_journal_year_and_evidence(facts: dict[str, Any], shown: str) -> None:
    assert literature.as_evidence(Hit(passage(**facts), 1.0)).source == shown


def test_the_place_of_a_hit_is_kept() -> None:
    evidence = literature.as_evidence(Hit(passage(start=7, url="https://example.org/1"), 1.0))
    assert (evidence.document, evidence.passage, evidence.start) == ("pmid:1", "pmid:1#0", 7)
    assert (evidence.section, evidence.url, evidence.text) == (
        "Results", "https://example.org/1", "It works.",
    )  # fmt: skip
