"""Film and record: agreement is said as it is, and the estimate is arithmetic that can be followed."""

from __future__ import annotations

import math

import pytest

from assistant.comparisons import Contribution, Estimate
from assistant.records.reader import read_record
from assistant.types import Finding, OperatingPoint, Record
from assistant.vision import _signs_read, agreement, fusion
from assistant.vision._signs import SIGNS

POINTS = (
    OperatingPoint("rule out", 0.3, 0.96, 0.93, "200 films"),
    OperatingPoint("rule in", 0.9, 0.86, 0.97, "200 films"),
)
CHILD = (
    "3-year-old boy with cough.\nVitals: T 38.9 C, HR 130, RR 52, SpO2 93% on RA.\n"
    "Exam: intercostal retractions, no crackles.\n"
)


def finding(probability: float, model: str = "other 1", decision: str = "") -> Finding:
    return Finding(
        "film.png", "pneumonia", probability, POINTS[1], False, "", model,
        points=POINTS, decision=decision,
    )  # fmt: skip


def note(text: str) -> Record:
    return read_record(text, "note.txt")


REFUSED = Finding("film.png", "", None, None, True, "it is a photo.", "m")


@pytest.mark.parametrize(
    ("probability", "text", "accord", "says"),
    [
        (0.97, "Assessment: pneumonia, right lower lobe.", "agreement", "present"),
        (0.97, "There is no evidence of pneumonia.", "conflict", "negated"),
        (0.05, "Assessment: community acquired pneumonia.", "conflict", "present"),
        (0.05, "No focal consolidation.", "agreement", "negated"),
        (0.97, "Possible pneumonia.", "open", "possible"),
        (0.60, "Assessment: pneumonia.", "open", "present"),
        (0.97, "Assessment: pneumonia.\n\nLater: no pneumonia.", "open", "both"),
    ],
)
def test_agreement_and_conflict_are_stated(
    probability: float, text: str, accord: str, says: str
) -> None:
    found = agreement.judge(finding(probability), note(text))
    assert found is not None
    assert (found.accord, found.record_says) == (accord, says)
    assert found.statement.lower().startswith(accord)
    assert f"“{found.quote}”" in found.statement
    assert text[found.start : found.end] == found.quote
    assert ("nothing here decides which is right" in found.statement) is (accord == "conflict")
    assert found.to_json()["accord"] == accord


@pytest.mark.parametrize(
    "text",
    ["He has asthma.", "Past medical history: pneumonia in 2015.", "Mother had pneumonia."],
)
def test_what_says_nothing_of_today_is_no_conflict(text: str) -> None:
    assert agreement.judge(finding(0.02), note(text)) is None


def test_a_refused_film_agrees_with_nothing() -> None:
    assert agreement.judge(REFUSED, note("Assessment: pneumonia.")) is None


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("3-year-old boy", 3), ("18 month old girl", 1.5), ("a 64 yo woman", 64),
        ("6 weeks old", 42 / 365.25), ("Age: 7 years", 7), ("no age here, 3 years ago", None),
    ],
)  # fmt: skip
def test_the_age_is_read_in_years(text: str, years: float | None) -> None:
    found = _signs_read.age(note(text))
    assert found == (None if years is None else pytest.approx(years, rel=0.01))


def test_signs_are_read_with_their_state_and_place() -> None:
    record = note(CHILD)
    read = {item.sign.name: item for item in _signs_read.read(record, "child")}
    states = {name: item.present for name, item in read.items()}
    assert states == {
        "oxygen saturation": True, "tachypnoea": True, "fever": True,
        "work of breathing": True, "crackles": False,
    }  # fmt: skip
    for item in read.values():
        assert record.text[item.start : item.end] == item.said


@pytest.mark.parametrize(
    ("text", "name", "present"),
    [
        ("SpO2 98% on RA.", "oxygen saturation", False),
        ("SpO2 98% on 2 L NC.", "oxygen saturation", None),
        ("Temp 101.5 F.", "fever", True),
        ("Denies fever.", "fever", False),
        ("No retractions.", "work of breathing", None),
        ("Grunting and nasal flaring.", "work of breathing", True),
        ("Assessment: pneumonia.", "pneumonia", None),
    ],
)
def test_single_signs(text: str, name: str, present: bool | None) -> None:
    read = {i.sign.name: i.present for i in _signs_read.read(note(text), "child")}
    assert read.get(name) is present


@pytest.mark.parametrize(
    ("value", "name"),
    [("120 mg/L", "100"), ("6 mg/dL", "50"), ("25 mg/L", "20"), ("5 mg/L", "low")],
)
def test_a_blood_test_falls_into_one_band(value: str, name: str) -> None:
    read = _signs_read.read(note(f"CRP {value}."), "adult")
    assert [item.sign.name for item in read] == [f"C-reactive protein {name}"]


def estimate(probability: float = 0.97, text: str = CHILD, **more: float) -> Estimate:
    found = fusion.fuse(finding(probability, **more), note(text), age_years=3)
    assert isinstance(found, Estimate)
    return found


def test_the_parts_add_up_and_the_finding_stays() -> None:
    found = estimate()
    total = sum(part.log_odds for part in found.parts)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-total)))
    assert [part.kind for part in found.parts[:2]] == ["prior", "image"]
    assert found.low < found.probability < found.high
    assert found.record_alone > 0.19
    assert found.image_alone > 0.19
    assert "changes it in nothing" in found.statement
    weights = [part.weight for part in found.parts if part.kind == "record" and part.ratio > 1]
    assert weights == sorted(weights, reverse=True)
    assert weights[1] == pytest.approx(weights[0] * fusion.SHRINK)
    assert all(part.source for part in found.parts)
    assert len(fusion.bars(found)) == len(found.parts)
    assert found.to_json()["parts"][1]["log_odds"] == found.parts[1].log_odds


def test_a_higher_probability_of_the_film_never_lowers_the_estimate() -> None:
    chances = [estimate(p).probability for p in (0.05, 0.6, 0.97)]
    assert chances == sorted(chances)


def test_the_prior_is_the_setting_where_there_is_one() -> None:
    record = note(CHILD)
    low, high = (
        fusion.fuse(finding(0.97), record, prevalence=share, age_years=3) for share in (0.02, 0.6)
    )
    assert isinstance(low, Estimate)
    assert isinstance(high, Estimate)
    assert low.probability < high.probability
    assert "setting" in low.parts[0].source


@pytest.mark.parametrize(
    ("age", "model", "weight"), [(40, "shipped", 0.0), (10, "shipped", 0.5), (3, "shipped", 1.0), (3, "x", 0.5)]
)  # fmt: skip
def test_a_film_of_another_population_counts_less(age: float, model: str, weight: float) -> None:
    from assistant.vision import weights

    card = weights.read_card(weights.SHIPPED / "pneumonia")
    name = f"{card['name']} {card['version']}" if model == "shipped" else model
    text = CHILD.replace("3-year", f"{age}-year")
    found = fusion.fuse(finding(0.97, name), note(text), age_years=age)
    assert isinstance(found, Estimate)
    assert found.parts[1].weight == weight
    if not weight:
        assert found.image_alone == pytest.approx(0.10)
        assert any("not counted" in line for line in found.assumptions)


@pytest.mark.parametrize(
    ("image", "text", "age", "said"),
    [
        (finding(0.9), "SpO2 90%.", None, "neither gives the patient's age"),
        (finding(0.9), "3-year-old boy. He has a rash.", None, "none of the signs"),
        (finding(0.9), "64-year-old man. SpO2 90%.", 3.0, "may be of different patients"),
        (REFUSED, CHILD, 3.0, "no finding on pneumonia"),
    ],
)
def test_without_what_it_needs_there_is_no_estimate(
    image: Finding, text: str, age: float | None, said: str
) -> None:
    found = fusion.fuse(image, note(text), age_years=age)
    assert isinstance(found, str)
    assert said in found


def test_published_ratios_are_in_their_intervals_and_have_sources() -> None:
    for group in SIGNS.values():
        for sign in group.values():
            for ratio in (sign.present, sign.absent):
                if ratio is not None:
                    assert 0 < ratio.low <= ratio.value <= ratio.high
                    assert "20" in ratio.source


def test_a_part_that_does_not_count_adds_no_doubt() -> None:
    sure = Contribution("a", "prior", "", 0.5, 0.5, 0.5, 1.0, "")
    wild = Contribution("b", "image", "", 9.0, 1.0, 81.0, 0.0, "")
    assert fusion.combine([sure, wild]) == pytest.approx(fusion.combine([sure]))
