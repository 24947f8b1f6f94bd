from __future__ import annotations

import io
import sys
from dataclasses import replace

from assistant.doctor import Check
from tests.ui import samples
from ui import render


def shown(thing: object) -> str:
    out = io.StringIO()
    render.console(out).print(thing)
    return out.getvalue()


def test_an_answer_shows_marks_sources_and_quotes() -> None:
    text = shown(render.answer(samples.answered()))
    assert "Colchicine relieves a flare. [1] Ice helps. [1]\nRest the joint. [2]" in text
    assert "[1] Gout: Treatment — Library" in text
    assert "https://example.org/gout" in text
    assert "“Ice helps.”" in text
    assert "extractive · 0.30 s (plan 0.10 s, check 0.20 s)" in text
    assert render.NOTICE in text


def test_an_emergency_comes_first() -> None:
    text = shown(render.answer(samples.urgent()))
    assert text.index("Call 112 now.") < text.index("Colchicine")


def test_an_abstention_says_so_with_reason_and_nearest() -> None:
    text = shown(render.answer(samples.abstained()))
    assert text.startswith("I can't answer that from what I have.\nNothing found says so.\n")
    assert "do not answer it:\n1. Gout: Treatment" in text
    assert "[1]" not in text


def test_a_finding_shows_probability_operating_point_and_where_the_heatmap_is() -> None:
    answer = replace(samples.answered(), findings=(samples.judged(), samples.refused()))
    text = shown(render.answer(answer, {0: "out/film.png"}))
    assert "0.87" in text
    assert "threshold 0.42, sensitivity 0.95, specificity 0.91" in text
    assert text.count(render.RESEARCH) == 2
    assert "Heatmap: out/film.png" in text
    assert "Not judged" in text
    assert "It is a CT slice" in text


def test_a_record_shows_assertion_details_and_span() -> None:
    text = shown(render.answer(replace(samples.answered(), record=samples.record())))
    row = next(line for line in text.splitlines() if "penicillin (rash)" in line)
    assert "present" in row
    assert "reaction rash" in row
    assert "11-28" in row
    assert "negated" in text


def test_what_comes_from_outside_is_neither_markup_nor_control() -> None:
    text = shown(render.answer(samples.hostile()))
    assert "[bold red]x[/]" in text
    assert "\x1b" not in text


def test_piped_text_has_no_padding_and_no_colour() -> None:
    text = shown(render.answer(replace(samples.answered(), record=samples.record())))
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_an_ascii_terminal_gets_question_marks_and_no_crash() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    render.console(out).print(
        render.answer(replace(samples.answered(), findings=(samples.judged(),)))
    )
    out.flush()
    assert b"pneumonia  ????" in raw.getvalue()


def test_a_failed_check_says_how_to_mend_it() -> None:
    text = shown(render.check(Check("index", False, "damaged", "auscult ingest --rebuild")))
    assert text.startswith("FAILED")
    assert "to mend: auscult ingest --rebuild" in text
    assert "mend" not in shown(render.check(Check("index", True, "fine", "do not show")))


def test_stdout_is_the_default() -> None:
    assert render.console().file is not sys.stderr
