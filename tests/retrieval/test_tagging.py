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
