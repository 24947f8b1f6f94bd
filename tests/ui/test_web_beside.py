from __future__ import annotations

import re
from dataclasses import replace

import pytest

from assistant.events import Answered, ToolReturned
from tests.ui import samples
from tests.ui.test_web_html import Reader, scene
from ui import locales, web_beside, web_html
from ui.web_turn import View, apply

WORDS = locales.words("en")


def test_a_comparison_says_the_change_with_its_uncertainty_and_shows_the_difference() -> None:
    fragment = web_beside.comparison(samples.compared(), WORDS, "k", lambda png: "films/x")
    read = Reader(fragment)
    assert "+0.70 (+0.60 … +0.80)" in read.text
    assert "It is higher." in read.text
    assert [a["src"] for tag, a in read.elements if tag == "img"] == ["films/x"]
    assert "denser than before" in read.text
    bare = replace(samples.compared(picture=None), change="", low=None, high=None)
    read = Reader(web_beside.comparison(bare, WORDS, "k", lambda png: "films/x"))
    assert "can't be said" in read.text
    assert not read.having("au-viewer")


def test_a_conflict_is_an_alert_and_comes_first() -> None:
    answer = replace(
        samples.answered(), agreements=(samples.conflict(accord="agreement"), samples.conflict())
    )
    read = Reader(web_html.turn(apply(View(), Answered(answer)), scene()))
    accords = read.having("au-accord")
    assert [(a["data-accord"], a.get("role")) for a in accords] == [
        ("conflict", "alert"), ("agreement", None),
    ]  # fmt: skip
    assert "no pneumonia" in read.text


def test_an_estimate_shows_each_alone_and_what_every_part_adds() -> None:
    value = samples.estimated()
    read = Reader(web_beside.estimate(value, WORDS))
    assert "Film alone0.73" in read.text
    assert "Both0.66 (0.50 … 0.80)" in read.text
    added = [float(found) for found in re.findall(r"[+-]\d\.\d\d(?!\d)", read.text)]
    assert added == [round(part.log_odds, 2) for part in value.parts]
    assert "Both are of one patient." in read.text


def test_what_a_tool_says_is_there_before_the_answer_is() -> None:
    event = ToolReturned(
        "image", "done", (samples.decided(),), None, (samples.compared(),), (samples.conflict(),),
        (samples.estimated(),),
    )  # fmt: skip
    read = Reader(web_html.turn(apply(View(), event), scene()))
    for css in ("au-finding", "au-comparison", "au-accord", "au-estimate"):
        assert len(read.having(css)) == 1, css


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_of_these_cards_is_known(language: str) -> None:
    words = locales.words(language)
    web_beside.estimate(samples.estimated(), words)
    for accord in ("agreement", "conflict", "open"):
        web_beside.agreement(samples.conflict(accord=accord), words)
    for change in ("higher", "lower", "unchanged", ""):
        value = replace(samples.compared(), change=change)  # type: ignore[arg-type]
        web_beside.comparison(value, words, "k", lambda png: "")
