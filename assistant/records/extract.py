"""All facts of a prepared note: runs the readers in the order in which they may claim words.

A measurement claims its words first, then an allergy, then a medication; problems and procedures
get what is left, those of the word lists first, then what a learned tagger marks. Knows nothing of
files.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.records import allergies, findings, measures, medications
from assistant.records.page import Page
from assistant.types import Fact
from retrieval.adapters import Entity


def facts(page: Page, marks: Sequence[Entity] = ()) -> tuple[Fact, ...]:
    """Return all facts of a prepared note, in order of appearance.

    Args:
        page: the note.
        marks: what a tagger marks in the note's text; conditions and drugs that no list knows.
    """
    measured = measures.find(page)
    allergic = allergies.find(page)
    owned = [(fact.start, fact.end) for fact in (*measured, *allergic)]
    drugs = medications.find(page, owned)
    owned += [(fact.start, fact.end) for fact in drugs]
    others = findings.find(page, owned, marks)
    dates = [
        Fact("date", page.text[date.start : date.end], date.start, date.end, "present", date.iso,
             page.at(date.start).name)
        for date in page.dates
    ]  # fmt: skip
    return tuple(
        sorted((*measured, *allergic, *drugs, *others, *dates), key=lambda f: (f.start, f.end))
    )
