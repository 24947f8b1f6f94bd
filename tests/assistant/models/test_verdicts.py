"""How quoted studies read: by the shipped adapter, hedged, and only where the question is yes-no."""

from __future__ import annotations

import pytest

from assistant.models import _verdicts
from assistant.settings import Settings
from assistant.types import Evidence
from retrieval.librarian import Found
from retrieval.types import Hit, Passage

QUESTION = "Does zinc shorten the common cold?"
STUDIES = (
    ("a", "article", "Adults with colds took zinc or placebo. Zinc shortened colds by two days."),
    ("b", "article", "Children took zinc. The duration of colds did not differ from placebo."),
    ("c", "monograph", "A cold is an infection of the nose."),
)


def found(question: str) -> tuple[Found, list[Evidence]]:
    hits, evidence = [], []
    for number, (document, kind, text) in enumerate(STUDIES, 1):
        passage = Passage(f"{document}#0", document, document, "Results", "", text, kind=kind)
        hits.append(Hit(passage, 1.0))
        evidence.append(Evidence(f"S{number}", "passage", text, document, document, "Own"))
    return Found(question, (), (), tuple(hits)), evidence


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    from assistant.resources import Resources

    return Resources(Settings(state_dir=tmp_path_factory.mktemp("state")))


def test_quoted_studies_are_read_and_the_accuracy_is_said(resources) -> None:
    given, evidence = found(QUESTION)
    both = _verdicts.notice(given, evidence, ["S1", "S2", "S3"], resources)
    assert both.startswith(("The 2 studies quoted differ: ", "All 2 studies quoted read as "))
    accuracy = resources.verdict.card["results"]["accuracy"]
    assert f"right on {accuracy:.0%} of questions: read them yourself" in both
    one = _verdicts.notice(given, evidence, ["S2"], resources)
    assert one.startswith("The study quoted reads as “")


def test_nothing_is_said_of_other_questions_or_of_other_kinds_of_text(resources) -> None:
    given, evidence = found("How long does a cold last?")
    assert _verdicts.notice(given, evidence, ["S1"], resources) == ""
    given, evidence = found(QUESTION)
    assert _verdicts.notice(given, evidence, ["S3"], resources) == ""
    assert _verdicts.notice(given, evidence, [], resources) == ""


def test_readings_that_differ_are_counted() -> None:
    said = _verdicts._said(["yes", "no", "yes"], {"results": {"accuracy": 0.67}})
    assert said.startswith("The 3 studies quoted differ: 2 as “yes”, 1 as “no”, by a classifier")
    assert "67%" in said
    assert _verdicts._said(["maybe"], {}).startswith("The study quoted reads as “undecided”, by a")
