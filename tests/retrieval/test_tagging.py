"""The decoder of BIO tags against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval import tagging

LABELS = ("Disease", "Chemical")


def scores(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize(
    ("word", "shape"),
    [("(", 0), ("gout", 1), ("Gout", 2), ("HIV", 3), ("X", 4), ("mRNA", 5), ("12", 6), ("B12", 7)],
)
def test_shapes(word, shape) -> None:
    assert tagging.shape(word) == shape


def test_an_inner_tag_needs_its_beginning() -> None:
    # tags: O, B-Disease, I-Disease, B-Chemical, I-Chemical; the second token prefers I-Chemical
    given = scores([0, 5, 0, 0, 0], [0, 0, 3, 0, 4], [5, 0, 0, 0, 0])
    found = tagging.decode(given, np.zeros(3, bool), [(0, 4), (5, 9), (10, 12)], LABELS)
    assert [(s, e, label) for s, e, label, _ in found] == [(0, 9, "Disease")]
    assert 0 < found[0][3] < 1


def test_no_border_inside_a_word() -> None:
    # the second token goes on the first one's word and would begin an entity of its own
    given = scores([2, 1, 0, 0, 0], [0, 3, 0, 0, 0])
    apart = tagging.decode(given, np.array([False, False]), [(0, 2), (2, 5)], LABELS)
    assert [(s, e) for s, e, _, _ in apart] == [(2, 5)]
    joined = tagging.decode(given, np.array([False, True]), [(0, 2), (2, 5)], LABELS)
    assert joined == []


def test_neighbours_of_one_type_stay_apart() -> None:
    given = scores([0, 5, 0, 0, 0], [0, 5, 0, 0, 0])
    found = tagging.decode(given, np.zeros(2, bool), [(0, 4), (5, 9)], LABELS)
    assert [(s, e) for s, e, _, _ in found] == [(0, 4), (5, 9)]
    assert tagging.decode(scores().reshape(0, 5), np.zeros(0, bool), [], LABELS) == []


def marked(text: str, *given: tuple[str, str]) -> list[tuple[int, int, str, float]]:
    """Return spans of the first place of each word given."""
    return [(text.index(w), text.index(w) + len(w), label, 0.9) for w, label in given]


def named(text: str, spans: list[tuple[int, int, str, float]]) -> list[tuple[str, str]]:
    return [(text[start:end], label) for start, end, label, _ in spans]


def test_an_abbreviation_in_brackets_stands_for_the_entity_before_it() -> None:
    text = "Acute kidney injury (AKI) is common. AKI was seen in ten (TEN) patients; aki is a word."
    found = tagging.consistent(text, marked(text, ("Acute kidney injury", "Disease")))
    assert named(text, found) == [
        ("Acute kidney injury", "Disease"), ("AKI", "Disease"), ("AKI", "Disease")
    ]  # fmt: skip


def test_a_name_is_marked_in_all_its_places_unless_most_are_not() -> None:
    text = "Gout hurts. In gout, pain is bad; gouty is another word. Pain, pain and pain."
    found = tagging.consistent(text, marked(text, ("Gout", "Disease"), ("pain", "Disease")))
    assert named(text, found) == [("Gout", "Disease"), ("gout", "Disease"), ("pain", "Disease")]


def test_doubted_spans_are_dropped_where_the_text_does_not_bear_them_out() -> None:
    text = "Rest helps. A rest is short; to rest is good. Gout hurts."
    spans = [(0, 4, "Disease", 0.8), (46, 50, "Disease", 0.7)]
    assert named(text, tagging.consistent(text, spans)) == [("Gout", "Disease")]
    assert tagging.consistent(text, [(46, 50, "Disease", 0.5)]) == []


def test_a_name_has_one_label_in_a_text_that_of_its_long_form_first() -> None:
    text = "Contrast nephropathy (CIN) came. CIN and CIN went; lead, lead and lead stayed."
    at = [i for i in range(len(text)) if text.startswith("CIN", i)]
    lead = [i for i in range(len(text)) if text.startswith("lead", i)]
    spans = [
        (0, 20, "Disease", 0.9), *((i, i + 3, "Chemical", 0.95) for i in at),
        (lead[0], lead[0] + 4, "Chemical", 0.9), (lead[1], lead[1] + 4, "Chemical", 0.9),
        (lead[2], lead[2] + 4, "Disease", 0.9),
    ]  # fmt: skip
    labels = [label for _, _, label, _ in tagging.consistent(text, spans)]
    assert labels == ["Disease"] * 4 + ["Chemical"] * 3


def test_nothing_is_added_over_or_inside_another_entity() -> None:
    text = "Lithium and lithium carbonate: lithium-induced."
    spans = marked(text, ("Lithium", "Chemical"), ("lithium carbonate", "Chemical"))
    assert tagging.consistent(text, spans) == spans
    assert tagging.consistent("", []) == []
