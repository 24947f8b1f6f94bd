"""Sentences and their spans."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import sentences
from retrieval.types import Document


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences.split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("... !", []),
        ("No full stop", ["No full stop"]),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("The dose is 2.5 mg. Repeat it.", ["The dose is 2.5 mg.", "Repeat it."]),
        ("A pH below 7.35 is low.", ["A pH below 7.35 is low."]),
        ("Give fluids, e.g. Ringer lactate. Then wait.",
         ["Give fluids, e.g. Ringer lactate.", "Then wait."]),
        ("Dr. Smith and Mrs. Jones agreed. Fine.", ["Dr. Smith and Mrs. Jones agreed.", "Fine."]),
        ("Compare A vs. B in Fig. 2. It differs.", ["Compare A vs. B in Fig. 2.", "It differs."]),
        ("J. Snow mapped it. W. Farr did not.", ["J. Snow mapped it.", "W. Farr did not."]),
        ("It was seen approx. twice. Good.", ["It was seen approx. twice.", "Good."]),
        ("He said \"stop.\" She did.", ["He said \"stop.\"", "She did."]),
        ("Take one (or two.) Then rest.", ["Take one (or two.)", "Then rest."]),
        ("First paragraph\n\nSecond paragraph", ["First paragraph", "Second paragraph"]),
        ("A line\nbroken in two. Next.", ["A line\nbroken in two.", "Next."]),
        ("哮喘是什么？哮喘是一种病。需要治疗！", ["哮喘是什么？", "哮喘是一种病。", "需要治疗！"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("See https://www.who.int/a.b for more. End.",
         ["See https://www.who.int/a.b for more.", "End."]),
    ],
)  # fmt: skip
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(st.sampled_from("aB1 .!?。\n\"')(—e.g"), max_size=80) | st.text(max_size=60))
def test_spans_are_verbatim_in_order_and_lose_no_word(text: str) -> None:
    found = sentences.split(text)
    at = 0
    for sentence in found:
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text == sentence.text.strip()
        assert sentence.start >= at
        at = sentence.end
    kept = "".join(sentence.text for sentence in found)
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]


def test_the_library_is_split_into_sentences_of_a_readable_length(
    whole_library: tuple[Document, ...],
) -> None:
    lengths = [
        len(sentence.text.split())
        for document in whole_library[::3]
        for section in document.sections
        for sentence in sentences.split(section.text)
    ]
    assert len(lengths) > 1000
    assert max(lengths) <= 60
    assert min(lengths) >= 3


def test_the_time_grows_with_the_length_and_not_with_its_square() -> None:
    text = "This is a sentence of some nine short words. "

    def seconds(count: int) -> float:
        best = 60.0
        for _ in range(3):
            begun = time.process_time()
            assert len(sentences.split(text * count)) == count
            best = min(best, time.process_time() - begun)
        return best

    # Sixteen times the text: linear work takes 16 times as long, squared work 256 times.
    assert seconds(16_000) < 60 * max(seconds(1_000), 1e-3)
