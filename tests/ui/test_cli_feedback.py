"""`auscult feedback` in a terminal and in a script."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.feedback import Feedback, Said
from assistant.settings import Settings
from assistant.types import Answer
from ui.commands import feedback as command

Run = Callable[..., subprocess.CompletedProcess[str]]


def answer(identity: str, text: str = "Amoxicillin.") -> Answer:
    return Answer(
        id=identity, answer=text, abstained=False, reason="", emergency=None, claims=(), findings=(),
        record=None, steps=(), model="extractive",
    )  # fmt: skip


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a state folder with a thumb up, and a thumb down with a correction."""
    folder = tmp_path / "state"
    feedback = Feedback(Settings(state_dir=folder))
    feedback.record(Said("What treats otitis?", answer("a1")), user="one", thumb=1)
    feedback.record(
        Said("What treats \x1b[2Jcough?", answer("a2")), user="two", thumb=-1, correction="Time."
    )
    feedback.store.close()
    monkeypatch.setenv("AUSCULT_STATE_DIR", str(folder))
    monkeypatch.setenv("AUSCULT_REVIEWER", "Reviewer One")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_list_is_one_line_an_entry_and_moves_no_cursor(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.review(None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "2 wait for a review."
    assert "down  What treats [2Jcough?" in lines[1]


def test_a_script_reviews_and_exports(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.review(None, as_json=True)
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    text = tmp_path / "right.txt"
    text.write_text("Time and honey for children above one year.", encoding="utf-8")
    assert command.review(None, accept=first["id"][:8]) == 0
    assert command.review(None, edit=(second["id"], text)) == 0
    assert command.review(None, show_next=True) == 0
    assert "Nothing waits" in capsys.readouterr().out
    assert command.export(None, tmp_path / "out", None, everything=False) == 0
    assert "Version 1 is in" in capsys.readouterr().out
    pairs = list((tmp_path / "out" / "v0001").glob("preference_*.jsonl"))
    (pair,) = (json.loads(line) for path in pairs for line in path.read_text().splitlines())
    assert pair["chosen"] == "Time and honey for children above one year."
    assert pair["rejected"] == "Amoxicillin."
    card = json.loads((tmp_path / "out" / "v0001" / "card.json").read_text())
    assert card["reviewers"] == ["Reviewer One"]


def test_a_terminal_goes_through_all_that_waits(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feedback = Feedback(Settings(state_dir=state))
    lines = iter(["x", "e", "Rest and", "fluids.", ".", "a"])
    assert command.walk(feedback, feedback.pending(), lambda prompt: next(lines)) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "2 decided, 0 wait" in shown
    by_answer = {entry.answer_id: entry for entry in feedback.store.entries()}
    assert by_answer["a1"].reviewed_text == "Rest and\nfluids."
    assert by_answer["a2"].state == "accepted"


def test_a_walk_that_ends_early_keeps_what_was_decided(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feedback = Feedback(Settings(state_dir=state))

    def ask(_: str) -> str:
        if feedback.pending()[0].answer_id == "a1":
            return "r"
        raise EOFError

    assert command.walk(feedback, feedback.pending(), ask) == 0
    assert "1 decided, 1 wait" in capsys.readouterr().out


def test_the_command_line_says_what_is_wrong_in_one_sentence(state: Path, auscult: Run) -> None:
    done = auscult("feedback", "review", "--accept", "zzzz", state=state)
    assert done.returncode != 0
    assert done.stderr.strip().count("\n") == 0
    assert "begins with 'zzzz'" in done.stderr
