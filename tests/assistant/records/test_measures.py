"""Labs, vitals and dates: values, units, flags, ranges, tables."""

from __future__ import annotations

import pytest

from assistant.records.dates import find
from assistant.records.reader import read_record

VALUES = [
    ("Na 138, K 5.9 (H)", "potassium", "5.9", "high"),
    ("Na 138, K 5.9 (H)", "sodium", "138", "normal"),
    ("HbA1c 8.2%", "hemoglobin A1c", "8.2", "high"),
    ("WBC 12.3", "white blood cell count", "12.3", "high"),
    ("WBC 14,800", "white blood cell count", "14,800", "high"),
    ("creatinine of 1.8 mg/dL", "creatinine", "1.8", "high"),
    ("creatinine 80 umol/L", "creatinine", "80", "normal"),
    ("Hgb 9.1 L", "hemoglobin", "9.1", "low"),
    ("Potassium | 3.1 | mmol/L | 3.5-5.1 | L", "potassium", "3.1", "low"),
    ("Glucose   110   mg/dL   70-99", "glucose", "110", "high"),
    ("Troponin negative", "troponin", "negative", None),
    ("Elevated creatinine was noted", "creatinine", "elevated", "high"),
    ("INR was 2.4", "INR", "2.4", "high"),
    ("BP 142/88", "blood pressure", "142/88", "high"),
    ("Temp 38.9 C", "temperature", "38.9", "high"),
    ("T 98.6 F, HR 80", "temperature", "98.6", "normal"),
    ("SpO2 91% on room air", "oxygen saturation", "91", "low"),
]


@pytest.mark.parametrize(("text", "name", "value", "flag"), VALUES)
def test_a_value_and_its_flag(text: str, name: str, value: str, flag: str | None) -> None:
    found = {f.name: dict(f.attributes) for f in read_record(text, "note").facts}
    assert found[name]["value"] == value
    assert found[name].get("flag") == flag


@pytest.mark.parametrize(
    "text",
    ["calcium 600 mg daily", "low cholesterol diet", "vitamin D 1000 units daily", "Plan: P 1. rest",
     "potassium chloride 20 mEq", "check K tomorrow"],
)  # fmt: skip
def test_what_is_no_measurement(text: str) -> None:
    record = read_record(text, "note")
    assert record.of("lab") == ()
    assert record.of("vital") == ()


def test_a_date_in_the_heading_dates_the_values() -> None:
    (fact,) = read_record("Labs (03/04/2024): K 5.1", "note").of("lab")
    assert dict(fact.attributes)["date"] == "2024-03-04"


@pytest.mark.parametrize(
    ("text", "iso"),
    [("2024-03-04", "2024-03-04"), ("03/04/2024", "2024-03-04"), ("23/04/2024", "2024-04-23"),
     ("March 3, 2024", "2024-03-03"), ("3 Mar 2024", "2024-03-03"), ("in May 2004", "2004-05"),
     ("in 2015", "2015"), ("7/29/93", "1993-07-29")],
)  # fmt: skip
def test_dates_are_normalised(text: str, iso: str) -> None:
    assert [date.iso for date in find(text)] == [iso]


@pytest.mark.parametrize(
    "text", ["BP 142/88", "5/5 strength", "3.5-5.1", "13/45/2024", "stage 3-4"]
)
def test_what_is_no_date(text: str) -> None:
    assert find(text) == ()
