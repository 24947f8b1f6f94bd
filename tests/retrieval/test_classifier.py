"""Classifiers of pairs: chosen sentences, cues, and the shipped adapters on plain examples."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retrieval import _claims, _cues, adapters, files
from retrieval.classifier import Classifier
from retrieval.errors import ModelError

TRIAL = (
    "BACKGROUND: Walking is free. Clinics advise it.\n"
    "METHODS: Adults with hypertension walked daily or did not. Blood pressure was read monthly. "
    "Visits took place in the morning.\n"
    "RESULTS: Walking significantly lowered blood pressure (p = 0.01). Weight did not differ."
)


@pytest.fixture(scope="module")
def support(encoder) -> Classifier:
    return Classifier.load(encoder, "support")


@pytest.fixture(scope="module")
def verdict(encoder) -> Classifier:
    return Classifier.load(encoder, "verdict")


def test_the_deciding_sentences_are_chosen_in_their_order() -> None:
    chosen = _claims.choose("Walking lowers blood pressure.", TRIAL, 2)
    assert "RESULTS" not in chosen
    assert "Walking significantly lowered blood pressure (p = 0.01)." in chosen
    assert "morning" not in chosen
    many = _claims.choose("Walking lowers blood pressure.", TRIAL, 4)
    places = [TRIAL.index(piece.text) for piece in _claims.pieces(many)]
    assert places == sorted(places)
    assert len(places) == 4


def test_a_short_text_is_kept_whole() -> None:
    assert _claims.choose("Any claim.", "One sentence. Another one.", 4) == (
        "One sentence. Another one."
    )
    assert _claims.choose("Any claim.", "", 4) == ""


def test_cues_tell_negation_direction_and_numbers() -> None:
    claim = "Walking lowers blood pressure by 6 mmHg."
    same = _cues.cues(claim, "Blood pressure was lower by 6 mmHg with walking.")
    denied = _cues.cues(claim, "Walking did not lower blood pressure, which rose by 2 mmHg.")
    assert same.shape == (_cues.CUES,)
    assert same.dtype == np.float32
    negated, near, flat, met = 11, 14, 15, 39
    assert (same[negated], denied[negated]) == (0, 1)  # one of the two negates
    assert (same[near], denied[near]) == (0, 1)  # and does so near the claim's words
    assert (same[flat], denied[flat]) == (0, 1)  # a flat result
    assert (same[met], denied[met]) == (1, 0)  # the claim's number is met, or is not


def test_cues_of_a_question_are_zero_for_a_claim() -> None:
    text = "There was no significant difference in pain (p = 0.4)."
    asked = _cues.cues("Does tea affect pain?", text)
    said = _cues.cues("Tea affects pain.", text)
    assert not said[48:].any()
    assert asked[48:].any()


def test_empty_and_odd_texts_have_cues() -> None:
    for pair in (("", ""), ("?", "\n"), ("Is it?", "\ud83d ?"), ("a" * 3000, "b " * 3000)):
        assert np.isfinite(_cues.cues(*pair)).all()


@pytest.mark.parametrize("name", ["support", "verdict"])
def test_shipped_cards_are_complete(name) -> None:
    folder = adapters.locate(name)
    card = adapters.read_card(folder)
    path = folder / "adapter_model.safetensors"
    assert card["sha256"] == files.sha256(path)
    assert path.stat().st_size < 4_000_000
    for entry in ("purpose", "training_data", "results", "input", "output", "recipe", "labels"):
        assert card[entry], entry
    assert card["results"]["macro_f1"] > card["results"]["baselines"]["words"]["macro_f1"]
    assert all(source["licence"] for source in card["training_data"])


def test_probabilities_are_rows_of_one_in_the_order_of_the_pairs(support) -> None:
    pairs = [
        ("Walking lowers blood pressure.", TRIAL),
        ("Vitamin C shortens colds.", "Colds lasted as long with vitamin C as without."),
        ("Iron is a metal.", ""),
    ]
    together = support.probabilities(pairs)
    assert together.shape == (3, 3)
    assert together.dtype == np.float32
    assert np.allclose(together.sum(1), 1, atol=1e-5)
    alone = np.concatenate([support.probabilities([pair]) for pair in pairs])
    assert np.allclose(together, alone, atol=0.03)  # bfloat16, other padding
    assert support.probabilities([]).shape == (0, 3)


def test_another_subject_is_neither(support) -> None:
    row = support.probabilities(
        [("Aspirin prevents strokes.", "The clinic opened in spring and serves three villages.")]
    )[0]
    assert support.labels[int(row.argmax())] == "neither"


def test_a_denial_makes_contradiction_likelier(support) -> None:
    claim = "Walking lowers blood pressure in adults with hypertension."
    for_it, against = support.probabilities(
        [
            (claim, "Walking significantly lowered blood pressure in adults with hypertension."),
            (claim, "Walking did not lower blood pressure in adults with hypertension."),
        ]
    )
    place = support.labels.index("contradict")
    assert against[place] > for_it[place]


def test_a_flat_result_makes_no_likelier(verdict) -> None:
    question = "Does the new dressing speed the healing of burns?"
    better, flat = verdict.probabilities(
        [
            (question, "RESULTS: Burns healed significantly faster with the new dressing."),
            (question, "RESULTS: There was no significant difference in healing (p = 0.6)."),
        ]
    )
    place = verdict.labels.index("no")
    assert flat[place] > better[place]


def test_decisions_weigh_by_the_cards_offsets(verdict) -> None:
    even = np.full((1, 3), 1 / 3, dtype=np.float32)
    offsets = verdict.card["calibration"]["offsets"]
    assert verdict.decide(even) == [verdict.labels[int(np.argmax(offsets))]]
    assert verdict.decide(np.array([[0.0, 1.0, 0.0]], dtype=np.float32)) == ["no"]
    assert verdict.decide(np.zeros((0, 3), dtype=np.float32)) == []


def test_threads_share_a_classifier(support) -> None:
    pair = ("Walking lowers blood pressure.", TRIAL)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda _: support.probabilities([pair]), range(8)))
    assert all(np.array_equal(rows[0], row) for row in rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["yes", "no"]}, "no classifier"),
        ({"labels": None}, "no classifier"),
        ({"cues": 3}, "train it again"),
        ({"kind": "pair"}, "no classifier"),
        ({"task": "verdict"}, "is for 'verdict'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(encoder, tmp_path, change, words) -> None:
    shutil.copytree(adapters.locate("support"), tmp_path / "mine")
    path = tmp_path / "mine" / "card.json"
    card = json.loads(path.read_text())
    for key, value in change.items():
        (card["head"] if key in {"cues", "kind"} else card)[key] = value
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match=words):
        Classifier.load(encoder, str(tmp_path / "mine"), "support")
