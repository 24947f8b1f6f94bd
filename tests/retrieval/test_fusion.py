"""Fusion: one scale for cosine and words, order kept under what does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval import fusion


def arrays(*rows: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(row, dtype=np.float32) for row in rows)


def test_either_judge_can_lift_a_candidate() -> None:
    dense, lexical = arrays((0.6, 0.2, 0.5), (0.0, 14.0, 7.0))
    fused = fusion.fuse("what is gout", dense, lexical)
    assert fused.dtype == np.float32
    expected = dense + fusion.LEXICAL_WEIGHT * lexical / 14.0
    np.testing.assert_allclose(fused, expected, rtol=1e-6)
    assert fused.argmax() == 2


def test_the_scale_of_the_words_does_not_matter() -> None:
    dense, lexical = arrays((0.6, 0.2, 0.5), (0.0, 14.0, 7.0))
    one, other = (fusion.fuse("gout", dense, lexical * scale) for scale in (1.0, 3.0))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_where_no_word_is_found_the_cosine_decides() -> None:
    dense, lexical = arrays((0.1, 0.3), (0.0, 0.0))
    np.testing.assert_allclose(fusion.fuse("gout", dense, lexical), dense)
    assert fusion.fuse("gout", *arrays((), ())).shape == (0,)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("metformin dose", True),
        ("TNF-α et maladie cœliaque", True),
        ("β₂-microglobulin", True),
        ("12.5 mg", True),
        ("哮喘吸入治疗 ICS", False),
        ("糖尿病的治疗", False),
        ("лечение астмы", False),
        ("treatment of asthma (哮喘)", True),
    ],
)
def test_vectors_are_asked_for_the_scripts_that_they_know(query: str, wanted: bool) -> None:
    assert fusion.needs_dense(query) is wanted
    dense, lexical = arrays((0.9, 0.1), (1.0, 2.0))
    assert fusion.fuse(query, dense, lexical).argmax() == (0 if wanted else 1)


def test_the_pair_scorer_reorders_within_its_weight() -> None:
    fused, rerank = arrays((0.9, 0.8, 0.2), (0.0, 1.0, 1.0))
    final = fusion.with_rerank("How is acute gout treated?", fused, rerank)
    assert final.dtype == np.float32
    assert final.argsort()[::-1].tolist() == [1, 0, 2]


def test_key_words_are_left_as_fused() -> None:
    fused, rerank = arrays((0.9, 0.8, 0.2), (0.0, 1.0, 1.0))
    assert not fusion.needs_rerank("acute gout treatment")
    assert fusion.needs_rerank("What is gout?")
    assert fusion.with_rerank("acute gout treatment", fused, rerank).tolist() == fused.tolist()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("What is the dose of metformin", True),
        ("Statins lower the risk of stroke.", False),
        ("My father takes warfarin daily, safe?", True),
        ("metformin", False),
        ("what is gout?", True),
        ("gout attack?", False),
        ("Exploiting autophagy to live longer naturally", False),
        ("", False),
        ("   ", False),
    ],
)
def test_questions_are_told_from_statements_and_key_words(query: str, wanted: bool) -> None:
    assert fusion.is_question(query) is wanted
