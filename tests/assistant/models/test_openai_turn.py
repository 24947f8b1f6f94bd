"""Whole turns with a chat server: tools, grounding and safety hold for it, and faults lose nothing."""

from __future__ import annotations

import copy
import importlib.util
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from assistant.app import Assistant
from assistant.errors import ModelError
from assistant.events import Answered, ClaimChecked, EmergencyRaised, Event, ToolCalled
from assistant.models import _openai_call, _prompting, openai
from assistant.session import Session
from assistant.types import Answer
from retrieval import sentences

QUESTION = "How is gout treated?"
INVENTED = "Gout is cured for ever by three apples a day [S1]."


def load(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fake = load("openai_server")
SEARCH = fake.call(("literature", {"query": QUESTION}))


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with fake.running() as made:
        yield made


@pytest.fixture
def talking(
    server: Any, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Assistant]:
    """Make an assistant over the same library whose chat model is the server's."""
    monkeypatch.setattr(openai, "_learned", {})
    monkeypatch.setattr(_openai_call, "TRIES", 1)

    def make(**changes: Any) -> Assistant:
        changes = {"chat_model": server.spec, "chat_timeout_s": 60, **changes}
        settings = assistant.settings.model_copy(update=changes)
        resources = copy.copy(assistant.resources)
        resources.settings = settings
        return Assistant(settings, resources)

    return make


def quote(body: dict[str, Any]) -> Any:
    """Quote a sentence of the first passage that a request holds, then invent one."""
    content = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "tool")
    start, end = _prompting.blocks(content)[0]
    text = content[start:end].split("\n", 2)[2].rpartition("\n")[0]
    said = next(s.text for s in sentences.split(text) if 40 < len(s.text) < 300)
    return fake.say(f"{said[:-1]} [S1]. {INVENTED} Nobody knows why.")


def run(assistant: Assistant, session: Session, message: str = QUESTION) -> list[Event]:
    return list(assistant.reply(session, message))


def answer_of(found: list[Event]) -> Answer:
    assert isinstance(found[-1], Answered)
    return found[-1].answer


def last_result(body: dict[str, Any]) -> str:
    message = body["messages"][-1]
    assert message["role"] == "tool"
    return str(message["content"])


def test_what_it_finds_is_cited_and_what_it_invents_is_withheld(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    server.script(SEARCH, fake.depends(quote))
    found = run(talking(), Session.new())
    answer = answer_of(found)
    assert [e.tool for e in found if isinstance(e, ToolCalled)] == ["literature"]
    assert answer.model == server.spec
    assert len(answer.claims) == 1
    (citation,) = answer.claims[0].citations
    assert citation.key == "S1"
    assert citation.quote
    assert "apples" not in answer.answer
    assert any("apples" in text for text in answer.withheld)
    assert any("Nobody knows" in text for text in answer.withheld)
    assert [e.shown for e in found if isinstance(e, ClaimChecked)] == [True, False, False]
    first, second = server.bodies
    assert [tool["function"]["name"] for tool in first["tools"]] == [
        "image",
        "literature",
        "record",
    ]
    assert second["messages"][-2]["tool_calls"][0]["id"] == second["messages"][-1]["tool_call_id"]
    assert first["messages"][0]["content"].startswith("You are Auscult")


def test_only_inventions_end_in_an_abstention(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    server.script(SEARCH, fake.say(INVENTED))
    answer = answer_of(run(talking(), Session.new()))
    assert answer.abstained
    assert "supported" in answer.reason
    assert answer.nearest


def test_an_emergency_is_raised_whatever_the_server_says(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    server.script(fake.refuse(500))
    found = []
    with pytest.raises(ModelError):
        found.extend(talking().reply(Session.new(), "I have crushing chest pain and can't breathe"))
    server.script(fake.say("ABSTAIN: nothing."))
    found = run(talking(), Session.new(), "I have crushing chest pain and can't breathe")
    assert any(isinstance(event, EmergencyRaised) for event in found)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (fake.call(("literature", '{"query": "gou')), "unreadable_arguments"),
        (fake.call(("search_web", {"query": "gout"})), "literature"),
        (fake.say('<tool_call>{"name": "literature", "arguments": {"query": "gou</tool_call>'),
         "unreadable_arguments"),
        (fake.say("<tool_call>search for gout</tool_call>"), "literature"),
    ],
)  # fmt: skip
def test_a_call_that_can_not_be_made_is_told_to_the_model_which_mends_it(
    server: Any, talking: Callable[..., Assistant], first: Any, told: str
) -> None:
    server.script(first, SEARCH, fake.depends(quote))
    answer = answer_of(run(talking(), Session.new()))
    assert told in last_result(server.bodies[1])
    assert "rror" in last_result(server.bodies[1])
    assert len(answer.claims) == 1


def test_a_call_in_the_text_is_made_where_the_server_parses_none(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    text = '<tool_call>\n{"name": "literature", "arguments": {"query": "How is gout treated?"}}\n</tool_call>'
    server.script(fake.say(text), fake.depends(quote))
    assert len(answer_of(run(talking(), Session.new())).claims) == 1


@pytest.mark.parametrize(
    "fault",
    [fake.refuse(500), fake.hang_up, fake.raw(fake.event({"content": "Gout is "})),
     fake.raw(b"<html>")],
)  # fmt: skip
def test_a_fault_in_the_middle_loses_nothing_of_the_conversation(
    server: Any, talking: Callable[..., Assistant], fault: Any
) -> None:
    made = talking()
    session = Session.new()
    server.script(SEARCH, fake.depends(quote), SEARCH, fault, SEARCH, fake.depends(quote))
    before = answer_of(run(made, session))
    with pytest.raises(ModelError) as caught:
        run(made, session, "What prevents gout?")
    assert re.fullmatch(r"The chat server 127\.0\.0\.1:\d+ .*\.", str(caught.value))
    assert [turn.message for turn in session.turns] == [QUESTION]
    answer = answer_of(run(made, session, "What prevents gout?"))
    assert answer.claims
    assert [turn.message for turn in session.turns] == [QUESTION, "What prevents gout?"]
    history = server.bodies[-1]["messages"]
    assert history[1]["content"] == QUESTION
    assert history[2]["content"] == before.answer


def test_what_is_left_out_for_length_is_told(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    server.script(SEARCH, fake.depends(quote))
    answer = answer_of(run(talking(chat_context_tokens=2500), Session.new()))
    assert answer.claims
    assert any("passages were left out" in notice for notice in answer.notices)
    assert "left out for want of room" in last_result(server.bodies[1])


def test_a_turn_that_is_stopped_leaves_the_conversation_as_it_was(
    server: Any, talking: Callable[..., Assistant]
) -> None:
    session = Session.new()
    stop = threading.Event()
    server.script(SEARCH, fake.silent(30, [fake.event({"content": "Gout is treated "})]))
    found: list[Event] = []
    for event in talking().reply(session, QUESTION, stop=stop):
        found.append(event)
        if isinstance(event, ToolCalled):
            threading.Timer(0.5, stop.set).start()
    assert not any(isinstance(event, Answered) for event in found)
    assert not session.turns
    assert server.left.wait(5)


def test_the_key_is_in_no_part_of_an_answer(server: Any, talking: Callable[..., Assistant]) -> None:
    from pydantic import SecretStr

    server.script(SEARCH, fake.depends(quote))
    made = talking(openai_api_key=SecretStr("sk-very-secret"))
    found = run(made, Session.new())
    assert server.asked[0][2]["Authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in repr(found) + repr(made.settings)
    assert "sk-very-secret" not in repr(made._model())
