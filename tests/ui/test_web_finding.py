from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.types import Finding
from tests.ui import samples
from tests.ui.test_web_html import Reader
from ui import facts, locales, web_finding
from ui.web_exhibits import Exhibit, Preset

FILM = Exhibit(
    "films/a", (400, 300), "films/b", (Preset("as stored"), Preset("lung", 3.0, 90.0, 0.8)),
    (("pdf", "films/c"),), "films/d", synthetic=True, judged=True,
    card=(("limits", "Children only."), ("limits", "<b>One</b> hospital.")),
)  # fmt: skip


def card(
    value: Finding, exhibit: Exhibit = FILM, language: str = "en", prevalence: float | None = None
) -> Reader:
    words = locales.words(language)
    read = Reader(web_finding.findings([(value, exhibit)], words, "au1", prevalence))
    assert not read.open
    return read


@pytest.mark.parametrize(
    ("decision", "words"),
    [("suspected", "suspected"), ("uncertain", "uncertain"), ("ruled out", "ruled out")],
)
def test_the_decision_stands_in_words(decision: str, words: str) -> None:
    read = card(samples.decided(decision=decision))
    (called,) = read.having("au-called")
    assert called["data-called"] == decision
    assert f" {words}" in read.text
    assert "疑似" in card(samples.decided(decision="suspected"), language="zh").text


def test_the_probability_stands_between_its_thresholds_also_as_text() -> None:
    read = card(samples.decided())
    (meter,) = [a for _, a in read.elements if a.get("role") == "meter"]
    assert meter["aria-valuenow"] == "0.870"
    assert (meter["aria-valuetext"] or "").startswith("0.87. Above the operating point")
    zones = [(a["data-called"], a["style"]) for a in read.having("au-zone")]
    assert zones == [
        ("ruled out", "left:0.00%;width:12.00%"), ("uncertain", "left:12.00%;width:69.00%"),
        ("suspected", "left:81.00%;width:19.00%"),
    ]  # fmt: skip
    assert "ruled out below 0.12" in read.text
    assert "± 0.04" in read.text


def test_predictive_values_are_those_of_bayes_at_the_prevalence_that_is_set() -> None:
    read = card(samples.decided(), prevalence=0.25)
    point = samples.decided().points[0]
    ppv, npv = point.ppv(0.25) or 0.0, point.npv(0.25) or 0.0
    assert f"0.120.970.71{facts.probability(ppv)}{facts.probability(npv)}" in read.text
    (field,) = [a for _, a in read.elements if a.get("data-do") == "prevalence"]
    assert field["value"] == "25"


def test_the_gate_what_it_put_right_and_its_warnings_are_said() -> None:
    read = card(samples.decided())
    for said in (
        "a frontal chest radiograph (98% sure)", "turned by 90°", "mirrored back",
        "grey scale turned over", "Under-exposed. x", "40% of held-out films", "72% of the heat",
        "normal or pneumonia", "If it is pneumonia, viral rather.",
    ):  # fmt: skip
        assert said in read.text


def test_a_synthetic_film_says_so_on_the_card_and_on_the_film() -> None:
    assert card(samples.decided()).text.count("SYNTHETIC") == 2
    assert "SYNTHETIC" not in card(samples.decided(), replace(FILM, synthetic=False)).text


def test_the_standing_note_is_said_once_for_all_films() -> None:
    note = "For research use only; not a diagnosis. A clinician must read the film."
    values = [(replace(samples.decided(), notes=(note, "Old.")), FILM)] * 2
    read = Reader(web_finding.findings(values, locales.words("en"), "au1"))
    assert read.text.count(note) == 1
    assert read.text.count("Old.") == 2
    assert [a["href"] for tag, a in read.elements if tag == "a" and "#" in (a["href"] or "")] == [
        "#au1-film-0", "#au1-film-1",
    ]  # fmt: skip


def test_the_heatmap_is_off_until_it_is_asked_for() -> None:
    read = card(samples.decided())
    (slider,) = [a for _, a in read.elements if a.get("data-do") == "heat"]
    assert slider["value"] == "0"
    assert not [a for _, a in card(samples.decided(), replace(FILM, heat="", check="")).elements
                if a.get("data-do") == "heat"]  # fmt: skip


def test_several_labels_are_listed_and_none_is_stated_when_uncertain() -> None:
    scores = (("glioma", 0.5), ("meningioma", 0.4), ("none", 0.1))
    read = card(replace(samples.decided(), label="glioma", scores=scores))
    assert "No finding stated" in read.text
    assert read.text.index("glioma0.50") < read.text.index("meningioma0.40")


def test_a_model_without_measured_points_says_so() -> None:
    read = card(replace(samples.decided(), points=(), operating_point=None))
    assert "No operating point of this model was measured" in read.text
    assert not read.having("au-points")


def test_the_model_card_is_there_to_open_and_escaped() -> None:
    read = card(samples.decided())
    assert "LimitsChildren only.<b>One</b> hospital." in read.text


def test_a_refusal_has_a_reason_a_film_and_no_probability() -> None:
    read = card(samples.refused(), replace(FILM, heat="", check=""))
    assert "It is a CT slice" in read.text
    assert not [a for _, a in read.elements if a.get("role") == "meter"]
    assert len(read.having("au-viewer")) == 1
