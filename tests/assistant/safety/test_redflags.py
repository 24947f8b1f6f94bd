"""Red flags: every message of two tables, in English and Chinese; speed; the notices."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from assistant.safety import _patterns_en, _patterns_zh
from assistant.safety._context import CJK
from assistant.safety.redflags import kinds, triage

FOLDER = Path(__file__).parent


def rows(name: str) -> list[tuple[str, str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


MESSAGES = [*rows("redflag_messages.tsv"), *rows("redflag_blind.tsv")]
ALARMS = [(kind, text) for kind, text in MESSAGES if kind != "-"]
CALM = [text for kind, text in MESSAGES if kind == "-"]


def test_the_tables_are_large_enough() -> None:
    assert len(ALARMS) >= 120
    assert len(CALM) >= 120
    assert len(kinds()) >= 55


@pytest.mark.parametrize(("kind", "text"), ALARMS)
def test_an_emergency_raises_its_alarm(kind: str, text: str) -> None:
    found = triage(text)
    assert found is not None
    assert kind in ("+", found.kind)
    # The notice is in the language of the message.
    assert bool(CJK.search(found.notice)) == bool(CJK.search(text))


@pytest.mark.parametrize("text", CALM)
def test_no_alarm(text: str) -> None:
    assert triage(text) is None


def test_every_kind_has_a_notice_in_both_languages() -> None:
    english = {flag.kind for flag in _patterns_en.FLAGS}
    assert english == {flag.kind for flag in _patterns_zh.FLAGS}
    for flag in (*_patterns_en.FLAGS, *_patterns_zh.FLAGS):
        assert len(flag.notice) > 25
        assert flag.signs


def test_every_kind_is_reached_by_a_message() -> None:
    assert {kind for kind, _ in ALARMS} - {"+"} == set(kinds())


def test_the_most_urgent_wins() -> None:
    found = triage("He took 30 paracetamol and now he is not breathing")
    assert found is not None
    assert found.kind == "cardiac arrest"


@pytest.mark.parametrize(
    "text", ["", "   ", "?", "a" * 10_000, "吃" * 3000, "chest " * 2000, "(" * 5000]
)
def test_odd_messages_are_calm_and_quick(text: str) -> None:
    started = time.process_time()
    assert triage(text) is None
    assert time.process_time() - started < 1.0


def test_it_is_quick() -> None:
    for text in (ALARMS[0][1], CALM[0]):
        triage(text)
    started = time.process_time()
    for _, text in MESSAGES:
        triage(text)
    assert (time.process_time() - started) / len(MESSAGES) < 0.005
