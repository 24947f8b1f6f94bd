"""What is said of a reading: the rule of abstention, its words, and its caveats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assistant.findings import GateReport
from assistant.vision import statement
from assistant.vision.classifiers import Card, Population, Reading, _card
from assistant.vision.decode import RadiographImage

POINTS = [
    {
        "name": name,
        "threshold": t,
        "sensitivity": 0.96,
        "specificity": 0.9,
        "measured_on": "made up",
    }
    for name, t in (("balanced", 0.5), ("rule out", 0.2), ("rule in", 0.8))
]


def card(**parts: Any) -> Card:
    raw = {"name": "model", "version": "2", "labels": ["normal", "pneumonia"],
           "calibration": {"method": "none"}, "operating_points": POINTS, **parts}  # fmt: skip
    return _card.parse(raw, "here")


def several(**parts: Any) -> Card:
    return card(
        labels=["none", "cyst", "solid"], negative="none", operating_points=[],
        conformal={"coverage": 0.9, "quantiles": {"none": 0.3, "cyst": 0.3, "solid": 0.3}}, **parts,
    )  # fmt: skip


def of(*chances: float, spread: float | None = None) -> Reading:
    values = np.array(chances if len(chances) > 1 else (1 - chances[0], chances[0]))
    return Reading(np.log(values), values, spread)


@pytest.mark.parametrize(
    ("chance", "decision", "words"),
    [
        (0.05, "ruled out", "0.05 is below the rule-out threshold 0.20"),
        (0.2, "uncertain", "neither suspected nor ruled out"),
        (0.6, "uncertain", "neither suspected nor ruled out"),
        (0.8, "suspected", "0.80 is at or above the rule-in threshold 0.80"),
        (0.9999, "suspected", "more than 0.99"),
    ],
)
def test_between_the_points_nothing_is_called(chance: float, decision: str, words: str) -> None:
    assert statement.decide(card(), of(chance)) == decision
    said = statement.reason(card(), of(chance), decision)
    assert words in said
    assert ("pneumonia suspected" in said) == (decision == "suspected")


def test_several_labels_are_stated_only_alone_in_their_set() -> None:
    sure, torn, none = of(0.1, 0.8, 0.1), of(0.1, 0.5, 0.4), of(0.9, 0.05, 0.05)
    assert statement.decide(several(), sure) == "suspected"
    assert "cyst suspected" in statement.reason(several(), sure, "suspected")
    assert statement.decide(several(), torn) == "uncertain"
    assert "can't be excluded" in statement.reason(several(), torn, "uncertain")
    assert "cyst suspected" not in statement.reason(several(), torn, "uncertain")
    assert statement.decide(several(), none) == "ruled out"
    assert "nothing suspected" in statement.reason(several(), none, "ruled out")
    unmeasured = card(labels=["a", "b", "c"], operating_points=[])
    assert statement.decide(unmeasured, of(0.01, 0.01, 0.98)) == "uncertain"


def test_a_model_without_points_calls_nothing() -> None:
    raw = {"name": "guest", "labels": ["no", "yes"], "calibration": {"method": "none"}}
    guest = _card.parse(raw, "here", ("film",), measured=False)
    assert statement.decide(guest, of(0.999)) == "uncertain"
    assert "without operating points" in statement.reason(guest, of(0.999), "uncertain")
    assert statement.members(guest, of(0.999)) == ()
    assert statement.predictive(guest, "uncertain", 0.1) == []


@pytest.mark.parametrize(
    ("age", "words"),
    [(None, "not known"), (62.0, "62) is outside"), (5.5, ""), (0.3, "outside")],
)
def test_age_against_the_population(age: float | None, words: str) -> None:
    children = card(
        population={"words": "films of children", "age_from_years": 1, "age_to_years": 5}
    )
    image = RadiographImage(np.zeros((9, 9), np.uint8), "png", age_years=age, notes=("read so",))
    said = statement.notes(children, of(0.5), "uncertain", image, None, None)
    assert said[0] == statement.RESEARCH
    assert "Trained on films of children." in said
    assert said[-1] == "read so"
    assert any(words in note for note in said if "age" in note) == bool(words)
    unsaid = statement.notes(card(), of(0.5), "uncertain", image, None, None)
    assert not [note for note in unsaid if "age" in note]


def test_caveats_are_said_once() -> None:
    report = GateReport("film", 0.9, warnings=("It was turned.", "It was turned."))
    image = RadiographImage(np.zeros((9, 9), np.uint8), "png", notes=("It was turned.",))
    said = statement.notes(card(), of(0.5, spread=0.2), "uncertain", image, report, 0.25)
    assert said.count("It was turned.") == 1
    assert any("disagree" in note for note in said)
    # Bayes by hand: 0.96 * 0.25 / (0.96 * 0.25 + 0.1 * 0.75) and 0.9 * 0.75 / (0.9 * 0.75 + 0.04 * 0.25).
    assert any("rule-in point is right in 76 of 100 (PPV" in note for note in said)
    assert any("rule-out point is right in 99 of 100 (NPV" in note for note in said)
    calm = statement.notes(card(), of(0.5, spread=0.02), "uncertain", image, report, None)
    assert not [note for note in calm if "disagree" in note or "PPV" in note]


def test_second_statements_are_hedged() -> None:
    split = card(name="split", labels=["viral", "bacterial"], after="pneumonia")
    torn = statement.second(split, of(0.6), "pneumonia")
    assert "can't tell bacterial from viral" in torn.text
    told = statement.second(split, of(0.1), "pneumonia")
    assert (told.label, told.probability) == ("viral", pytest.approx(0.9))
    assert told.text.startswith("If it is pneumonia, it looks more like viral than bacterial")
    assert "does not settle" in told.text
    beside = statement.second(card(name="other"), of(0.6), "")
    assert beside.text.startswith("other: Probability 0.60")


def test_shares_are_never_certainties() -> None:
    assert statement.digits(0.9999) == "more than 0.99"
    assert statement.digits(0.0) == "less than 0.01"
    assert statement.share(0.999) == "more than 99 of 100"
    assert statement.share(0.5) == "50 of 100"


@pytest.mark.parametrize(
    ("age", "called"), [(None, True), (3.0, True), (5.9, True), (0.5, False), (56.0, False)]
)
def test_a_film_of_an_age_that_was_not_measured_is_not_called(
    age: float | None, called: bool
) -> None:
    model = replace(card(), population=Population("children", 1.0, 5.0))
    sure = of(0.99)
    assert (statement.decide(model, sure, age) == "suspected") is called
    said = statement.reason(model, sure, statement.decide(model, sure, age), age)
    assert ("not called" in said) is not called
