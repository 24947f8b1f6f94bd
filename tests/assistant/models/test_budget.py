"""What is left out when a conversation is longer than a chat model can read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from assistant.errors import ModelError
from assistant.models import _budget, _prompting
from assistant.types import Evidence


def words(messages: list[BaseMessage]) -> int:
    return sum(len(str(message.content).split()) for message in messages)


def passages(first: int, number: int, length: int) -> str:
    return _prompting.passages_text(
        [
            Evidence(
                key=f"S{n}", kind="passage", text="word " * length, document="d", title="Title",
                source="library", url="", start=0, section="", passage=f"p{n}",
            )
            for n in range(first, first + number)
        ]
    )  # fmt: skip


def conversation(turns: int, searches: list[int], length: int = 30) -> list[BaseMessage]:
    out: list[BaseMessage] = [SystemMessage("You are a medical assistant.")]
    for turn in range(turns):
        out += [HumanMessage(f"old question {turn}"), AIMessage("old answer " * 10)]
    out.append(HumanMessage("the last question"))
    first = 1
    for n, number in enumerate(searches):
        call = {"name": "literature", "args": {"query": "q"}, "id": f"c{n}"}
        out.append(AIMessage("", tool_calls=[call]))
        out.append(ToolMessage(passages(first, number, length), tool_call_id=f"c{n}"))
        first += number
    return out


def test_what_fits_is_left_as_it_is() -> None:
    given_ = conversation(2, [3])
    fitted = _budget.fit(given_, words, 10_000, 100)
    assert fitted == _budget.Fitted(given_)
    assert fitted.notice == ""


def test_the_lowest_ranked_passages_go_first_and_it_is_said() -> None:
    given_ = conversation(2, [5])
    fitted = _budget.fit(given_, words, words(given_) - 40, 0)
    content = str(fitted.messages[-1].content)
    assert fitted.dropped_passages == 2
    assert fitted.dropped_turns == 0
    assert [f'key="S{n}"' in content for n in range(1, 6)] == [True, True, True, False, False]
    assert "2 further passages left out" in content
    assert fitted.notice == (
        "To fit the chat model's context window, 2 of 5 passages were left out."
    )
    assert words(fitted.messages) <= words(given_) - 40


def test_every_search_keeps_its_best_before_history_goes() -> None:
    given_ = conversation(3, [4, 2])
    fitted = _budget.fit(given_, words, 160, 0)
    assert fitted.dropped_passages == 4
    assert fitted.dropped_turns == 2
    kept = " ".join(str(m.content) for m in fitted.messages)
    assert 'key="S1"' in kept
    assert 'key="S5"' in kept
    assert "old question 2" in kept
    assert "old question 1" not in kept
    assert "4 of 6 passages and the oldest 2 turns were left out" in fitted.notice


def test_the_question_and_the_system_prompt_always_stay() -> None:
    fitted = _budget.fit(conversation(3, [4, 2]), words, 100, 0)
    assert isinstance(fitted.messages[0], SystemMessage)
    assert [m.content for m in fitted.messages if isinstance(m, HumanMessage)] == [
        "the last question"
    ]
    kept = " ".join(str(m.content) for m in fitted.messages)
    assert 'key="S5"' in kept  # the best of the last search
    assert 'key="S1"' not in kept


def test_a_question_that_does_not_fit_is_refused_in_one_sentence() -> None:
    with pytest.raises(ModelError, match=r"window of 40 leaves 30: ask a shorter one"):
        _budget.fit([*conversation(0, []), HumanMessage("word " * 99)], words, 40, 10)
    with pytest.raises(ModelError, match="context"):
        _budget.fit(conversation(0, [1], length=99), words, 60, 0)


def test_the_given_messages_are_not_changed() -> None:
    given_ = conversation(1, [5])
    before = [message.model_copy(deep=True) for message in given_]
    _budget.fit(given_, words, 120, 0)
    assert given_ == before


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(st.integers(0, 6), max_size=3),
    st.integers(30, 900),
    st.integers(0, 40),
)
def test_it_fits_with_nothing_left_out_needlessly(
    turns: int, searches: list[int], limit: int, reserve: int
) -> None:
    given_ = conversation(turns, searches)
    counted = 0

    def count(messages: list[BaseMessage]) -> int:
        nonlocal counted
        counted += 1
        return words(messages)

    try:
        fitted = _budget.fit(given_, count, limit, reserve)
    except ModelError:
        assert words(given_) > limit - reserve
        return
    assert words(fitted.messages) <= limit - reserve
    assert counted <= 9
    assert bool(fitted.notice) == (fitted.messages != given_)
    if fitted.notice:
        plans = _budget._plans(given_)
        chosen = next(p for p in plans if _budget._without(given_, p) == fitted.messages)
        for plan in plans[: plans.index(chosen)]:
            assert words(_budget._without(given_, plan)) > limit - reserve
    # Every result still belongs to its call.
    ids = {call["id"] for m in fitted.messages if isinstance(m, AIMessage) for call in m.tool_calls}
    assert {m.tool_call_id for m in fitted.messages if isinstance(m, ToolMessage)} == ids
