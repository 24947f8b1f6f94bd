"""Sentences are checked as they are written, in any pieces, with the same outcome as at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.events import ClaimChecked, Token
from assistant.tools import TurnContext
from assistant.types import Evidence
from assistant.writing import Writer

SOURCE = (
    "Metformin is the first drug for type 2 diabetes. It can cause diarrhoea. Doses rise slowly."
)
ANSWER = (
    "Metformin is the first drug for type 2 diabetes [S1]. Penguins like it. [S1]\n\n"
    "It can cause diarrhoea. [S1] Doses rise slowly [S1]."
)


@pytest.fixture(scope="module")
def context(assistant) -> TurnContext:
    made = TurnContext(assistant.resources, [], "")
    made.evidence["S1"] = Evidence("S1", "passage", SOURCE, "d", "Metformin", "Own", passage="d#1")
    return made


def written(context: TurnContext, pieces: Sequence[str], text: str) -> Writer:
    writer = Writer(context)
    for piece in pieces:
        list(writer.feed(piece))
    list(writer.finish(text))
    return writer


def test_a_sentence_leaves_when_the_next_one_begins(context) -> None:
    writer = Writer(context)
    assert list(writer.feed("It can cause diarrhoea.")) == []
    assert list(writer.feed(" [S")) == []
    events = list(writer.feed("1] Doses"))
    assert [type(e) for e in events] == [ClaimChecked, Token]
    assert writer.claims[0].text == "It can cause diarrhoea."
    list(writer.finish("It can cause diarrhoea. [S1] Doses rise slowly [S1]."))
    assert [c.text for c in writer.claims] == ["It can cause diarrhoea.", "Doses rise slowly."]


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, len(ANSWER)), max_size=12))
def test_any_pieces_give_what_the_whole_gives(context, cuts) -> None:
    whole = written(context, [], ANSWER)
    places = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[a:b] for a, b in itertools.pairwise(places)]
    parts = written(context, pieces, ANSWER)
    assert parts.claims == whole.claims
    assert parts.withheld == whole.withheld == ["Penguins like it."]


def test_an_abstention_is_never_shown_as_a_claim(context) -> None:
    writer = Writer(context)
    for piece in ("AB", "STAIN: Metformin is the first drug for type 2 diabetes [S1]. It", " can."):
        assert list(writer.feed(piece)) == []
    list(writer.finish("ABSTAIN: Metformin is the first drug for type 2 diabetes [S1]. It can."))
    assert writer.claims == []
    assert writer.reason.startswith("Metformin is")


def test_words_before_a_tool_call_are_dropped_and_nothing_is_checked_without_evidence(
    context,
) -> None:
    bare = Writer(TurnContext(context.resources, [], ""))
    assert list(bare.feed("It can cause diarrhoea [S1]. Doses rise slowly [S1]. And")) == []
    writer = Writer(context)
    list(writer.feed("Let me look that up."))
    writer.called()
    list(writer.finish("Doses rise slowly [S1]."))
    assert [c.text for c in writer.claims] == ["Doses rise slowly."]
    assert writer.withheld == []
