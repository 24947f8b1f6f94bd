"""Questions to a chat model with and without passages, by a scripted and by a real small model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.settings import Settings
from evals import compare, runner
from evals.tasks import _qa_questions, qa
from evals.types import Arm
from retrieval.errors import InputError

PASSAGE = "Permethrin cream is put on the whole skin and washed off after some hours."


def written(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scripted(path: Path, state: Path, *said: str) -> Settings:
    # The first step answers a bare question, the second one after a search.
    path.write_text(json.dumps([{"text": text} for text in said * 2]))
    return Settings(state_dir=state, chat_model=f"scripted:{path}")


@pytest.fixture
def state(tmp_path) -> Path:
    """An empty state folder: questions that bring their passages need no library."""
    return tmp_path / "state"


def test_the_built_in_questions_stand_in_their_passages() -> None:
    dataset = qa.build(Settings()).load(None, None)
    assert len(dataset.samples) == len(_qa_questions.rows()) >= 12
    assert {s["label"] for s in dataset.samples} == {"", "yes", "no", "maybe"}
    assert all(len(s["passages"]) == 1 and s["references"] for s in dataset.samples)


def test_forms_of_data_are_read(tmp_path) -> None:
    rows = [
        {"pmid": "7", "question": "Is it?", "contexts": [["AIM", "One."], ["END", "Two."]],
         "long_answer": "It is.", "final_decision": "yes"},
        {"id": "b", "question": "What?", "ideal_answer": ["One.", "Two."], "contexts": ["Text."]},
        {"question": "Who?", "answer": "Me.", "passages": [{"title": "T", "text": "Me."}]},
    ]  # fmt: skip
    found = qa.build(Settings()).load(written(tmp_path / "a.jsonl", rows), None).samples
    assert found[0]["passages"] == [
        {"title": "AIM", "text": "One."},
        {"title": "END", "text": "Two."},
    ]
    assert [s["unit"] for s in found] == ["7", "b", "3"]
    assert found[1]["references"] == ["One.", "Two."]
    assert found[2]["passages"] == [{"title": "T", "text": "Me."}]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": " ", "answer": "x"}, "line 1: the question is empty"),
        ({"question": "x"}, "line 1 has neither"),
        ({"question": "x", "final_decision": "perhaps"}, "'perhaps', not yes, no or maybe"),
        ({"question": "x", "answer": [1]}, "no text or list of texts"),
        ({"question": "x", "answer": "y", "contexts": "z"}, "the passages are no list"),
        ({"question": "x", "answer": "y", "contexts": [["a", 1]]}, "a passage is no text"),
    ],
)
def test_bad_questions_are_named(tmp_path, row, says) -> None:
    with pytest.raises(InputError, match=says):
        qa.build(Settings()).load(written(tmp_path / "a.jsonl", [row]), None)


def test_a_grounded_answer_is_scored_behind_the_check(tmp_path, state) -> None:
    rows = [{"question": "How is scabies treated?", "answer": PASSAGE, "final_decision": "yes",
             "passages": [{"title": "Scabies", "text": PASSAGE}]}]  # fmt: skip
    data = written(tmp_path / "a.jsonl", rows)
    said = f"Yes. {PASSAGE[:-1]} [S1]. The moon is made of cheese [S1]."
    settings = scripted(tmp_path / "s.json", state, said)
    out = runner.run("qa", data, None, tmp_path / "out", settings)
    (prediction,) = map(json.loads, (out / "predictions.jsonl").read_text().splitlines())
    assert "[S1]" not in prediction["answer"]
    assert prediction["shown"] < prediction["written"]
    values = {
        k: m["value"] for k, m in json.loads((out / "metrics.json").read_text())["metrics"].items()
    }
    assert 0 < values["supported"] < 1
    assert values["accuracy"] == values["answered"] == 1.0
    assert 0.5 < values["token_f1"] < 1
    assert 0.5 < values["rouge_l"] < 1


def test_an_abstention_scores_nothing(tmp_path, state) -> None:
    rows = [
        {"question": "How?", "answer": "So.", "final_decision": "no", "contexts": ["So it is."]}
    ]
    data = written(tmp_path / "a.jsonl", rows)
    settings = scripted(tmp_path / "s.json", state, "ABSTAIN: I can't say no.")
    task = qa.build(settings, 0)
    (prediction,) = task.solve(task.load(data, None), lambda *_: None)
    assert prediction["answer"] == ""
    values = {name: figure.value for name, figure in task.score([prediction]).items()}
    assert values["token_f1"] == values["accuracy"] == values["answered"] == 0.0


def test_all_four_arms_are_run_on_the_same_questions(tmp_path, state) -> None:
    rows = [{"question": "How?", "answer": "Permethrin is used.", "contexts": [PASSAGE]}] * 2
    data = written(tmp_path / "a.jsonl", rows)
    settings = scripted(tmp_path / "s.json", state, "Permethrin is used [S1].")
    asked = compare.Asked("qa", ("token_f1", "supported"), data, rounds=100)
    found = compare.compare(asked, Arm({"chat": ""}), Arm({"chat": ""}), settings)
    nearness, support = found.metrics
    assert list(nearness.arms) == list(compare.ARMS)
    assert nearness.difference.value == nearness.without.value == 0.0
    assert list(support.arms) == list(compare.ARMS[2:])
    assert support.without is None


@pytest.mark.slow
def test_a_real_small_model_is_asked(tmp_path, state, tiny_chat) -> None:
    settings = Settings(state_dir=state, chat_model=f"transformers:{tiny_chat('qwen')}")
    task = qa.build(settings, 0)
    dataset = task.load(None, 2)
    for arm in (Arm({"chat": ""}), Arm({"chat": ""}, retrieval=False)):
        found = list(qa.build(settings, 0, arm).solve(dataset, lambda *_: None))
        assert len(found) == 2
        assert all(isinstance(p["answer"], str) for p in found)
