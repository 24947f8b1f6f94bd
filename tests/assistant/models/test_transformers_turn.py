"""Whole turns with a chat model of one's own: tools, grounding, abstention and stop hold for it.

One small model is trained here until it calls the literature tool and quotes what it found.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from assistant.app import Assistant
from assistant.events import Answered, ToolCalled
from assistant.models import _hf_generate, _prompting
from assistant.resources import Resources
from assistant.session import Session
from assistant.settings import Settings
from assistant.tools import TurnContext
from retrieval import library, plugins, sentences
from retrieval.index.store import Index

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from retrieval.librarian import Librarian

QUESTION = "How is asthma treated?"
CALL = (
    '<tool_call>\n{"name": "literature", "arguments": {"query": "How is asthma treated?"}}\n'
    "</tool_call><|im_end|>"
)
LIMITS = {"chat_context_tokens": 1700, "chat_max_new_tokens": 90, "chat_bits": 32}


@dataclass(frozen=True)
class Trained:
    """A model that has learnt one conversation, and the sentence that it quotes."""

    folder: Path
    sentence: str


class Shelf(Resources):
    """Resources with a library of three documents, so that its index takes a moment."""

    def shelve(self, folder: Path) -> Shelf:
        """Build the index."""
        documents = [d for d in library.documents() if d.id in {"asthma", "gout", "migraine"}]
        self.small = self._load_librarian([Index.build(folder, documents, self.encoder)])
        return self

    def librarian_for(self, user: str) -> Librarian:
        """Return the small library, whoever asks."""
        return self.small


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    settings = Settings(state_dir=tmp_path_factory.mktemp("turn_state"))
    return Shelf(settings).shelve(tmp_path_factory.mktemp("turn_index"))


def with_model(shelf: Shelf, folder: Path, **changes: Any) -> Assistant:
    """Return an assistant with this library and a chat model."""
    spec = {"chat_model": f"transformers:{folder}", **LIMITS, **changes}
    resources = copy.copy(shelf)  # the same parts, loaded once
    resources.settings = shelf.settings.model_copy(update=spec)
    return Assistant(resources.settings, resources)


@pytest.fixture(scope="module")
def trained(shelf: Shelf, tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    import torch

    folder = tiny_models.make("qwen", tmp_path_factory.mktemp("trained"), vocab=900)
    made = with_model(shelf, folder)
    model = made._model(made.resources.view(""))
    context = TurnContext(made.resources.view(""), [], QUESTION)
    names = plugins.names("assistant.tools")
    tools = [plugins.load("assistant.tools", name).build(context) for name in names]
    call = {
        "name": "literature",
        "args": {"query": QUESTION},
        "id": "abcdef123",
        "type": "tool_call",
    }
    asked: list[BaseMessage] = [SystemMessage(_prompting.system_prompt()), HumanMessage(QUESTION)]
    found = tools[names.index("literature")].invoke(call)
    first = context.evidence["S1"].text
    sentence = next(s.text for s in sentences.split(first) if 30 < len(s.text) < 160)
    answered = [*asked, AIMessage("", tool_calls=[call]), found]  # type: ignore[list-item]
    schemas = model.bind_tools(tools).kwargs["tools"]  # type: ignore[attr-defined]
    lessons = []
    for messages, target in ((asked, CALL), (answered, f"{sentence} [S1]<|im_end|>")):
        _, text = model._prompt(messages, schemas, [])  # type: ignore[attr-defined]
        read = model.base.tokenizer  # type: ignore[attr-defined]
        prompt = read(text, add_special_tokens=False)["input_ids"]
        lessons.append((prompt, read(target, add_special_tokens=False)["input_ids"]))
    student = model.base.model.requires_grad_(True)  # type: ignore[attr-defined]
    learn(student, lessons, torch)
    student.requires_grad_(False).save_pretrained(folder)
    return Trained(folder, sentence)


def learn(student: Any, lessons: list[tuple[list[int], list[int]]], torch: Any) -> None:
    """Train until every token of each answer is the likeliest, with room to spare."""
    torch.manual_seed(3)
    optimiser = torch.optim.AdamW(student.parameters(), lr=5e-3, weight_decay=0.0)
    loss = torch.tensor(9.0)
    for _ in range(200):
        loss = torch.zeros(())
        surest = 1.0
        for prompt, target in lessons:
            ids = torch.tensor([prompt + target[:-1]])
            logits = student(input_ids=ids, logits_to_keep=len(target)).logits[0]
            shares = logits.softmax(-1)[range(len(target)), target]
            surest = min(surest, float(shares.detach().min()))
            loss = loss - shares.clamp_min(1e-9).log().mean()
        if surest > 0.7:
            return
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    raise AssertionError(f"the model has not learnt its lessons: loss {float(loss.detach()):.3f}")


@pytest.mark.slow
def test_a_call_its_result_and_a_cited_sentence_make_an_answer(
    shelf: Shelf, trained: Trained
) -> None:
    made = with_model(shelf, trained.folder)
    session = Session.new()
    events = list(made.reply(session, QUESTION))
    called = [e for e in events if isinstance(e, ToolCalled)]
    assert [(e.tool, dict(e.arguments)) for e in called] == [("literature", {"query": QUESTION})]
    answer = events[-1].answer  # type: ignore[union-attr]
    assert not answer.abstained
    assert trained.sentence.rstrip(".") in answer.answer
    assert answer.claims[0].support == 1.0
    assert answer.claims[0].citations[0].quote.rstrip(".") == trained.sentence.rstrip(".")
    assert answer.model == f"transformers:{trained.folder}"
    assert len(session.turns) == 1


@pytest.mark.parametrize("style", ["llama", "no_system"])
def test_noise_ends_in_an_honest_abstention(
    shelf: Shelf, tiny_chat: Callable[[str], Path], style: str
) -> None:
    made = with_model(shelf, tiny_chat(style), chat_max_new_tokens=12, chat_context_tokens=0)
    answer = made.answer(QUESTION)
    assert answer.abstained
    assert answer.reason
    assert not answer.claims


def test_a_turn_that_is_given_up_leaves_its_session_as_it_was(
    shelf: Shelf, tiny_chat: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, picked = threading.Event(), []
    pick = _hf_generate.pick

    def third_stops(*given: Any) -> int:
        picked.append(pick(*given))
        if len(picked) == 3:  # as a reader would, from a thread of their own
            stop.set()
        return picked[-1]

    monkeypatch.setattr(_hf_generate, "pick", third_stops)
    made = with_model(shelf, tiny_chat("llama"), chat_max_new_tokens=300, chat_context_tokens=0)
    session = Session.new()
    events = list(made.reply(session, QUESTION, stop=stop))
    assert len(picked) == 3
    assert not any(isinstance(e, Answered) for e in events)
    assert session.turns == []
    assert list(made.reply(session, "hello"))
    assert len(session.turns) == 1
