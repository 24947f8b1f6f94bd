"""What holds for every form, and the JSON and PDF forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from assistant.findings import Finding
from assistant.vision.outputs import Context, Writer, _codes, _words, pdf
from assistant.vision.outputs import json as as_json
from retrieval import plugins

if TYPE_CHECKING:
    import pypdfium2

PACKAGE = "assistant.vision.outputs"
FORMS = plugins.names(PACKAGE)


def writer(form: str) -> Writer:
    return plugins.load(PACKAGE, form).build()


def test_the_forms_are_found_and_their_endings_differ() -> None:
    assert {"capture", "fhir", "json", "pdf", "sr"} <= set(FORMS)
    assert len({writer(form).suffix for form in FORMS}) == len(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_finding_gives_the_same_bytes(
    form: str, judged: Finding, dicom_context: Context
) -> None:
    made = writer(form)
    assert made.write(judged, dicom_context) == made.write(judged, dicom_context)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_that_it_is_for_research(
    form: str, judged: Finding, dicom_context: Context
) -> None:
    made = writer(form).write(judged, dicom_context)
    said = page(made)[0].get_textpage().get_text_range().encode() if form == "pdf" else made
    assert b"research use" in said.lower()


def test_the_standing_sentence_is_the_judges_own() -> None:
    from assistant.vision import judge

    assert judge.RESEARCH == _words.RESEARCH


@pytest.mark.parametrize("which", ["judged", "refused"])
@pytest.mark.parametrize("where", ["context", "dicom_context"])
def test_json_follows_its_schema(which: str, where: str, request: pytest.FixtureRequest) -> None:
    finding, context = request.getfixturevalue(which), request.getfixturevalue(where)
    value = json.loads(writer("json").write(finding, context))
    validator = jsonschema.Draft202012Validator(as_json.schema())
    validator.check_schema(as_json.schema())
    validator.validate(value)


@pytest.mark.parametrize(
    "wrong",
    [{"probability": 1.2}, {"decision": "ill"}, {"refused": True}, {"heatmap": "http://x"}],
)
def test_the_schema_refuses_what_is_wrong(
    wrong: dict[str, Any], judged: Finding, context: Context
) -> None:
    value = json.loads(writer("json").write(judged, context))
    value["finding"] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, as_json.schema())


def page(data: bytes) -> pypdfium2.PdfDocument:
    import pypdfium2

    return pypdfium2.PdfDocument(data)


def test_the_page_shows_film_heatmap_and_figures(judged: Finding, dicom_context: Context) -> None:
    import pypdfium2.raw as raw

    document = page(pdf.build().write(judged, dicom_context))
    assert len(document) == 1
    text = " ".join(document[0].get_textpage().get_text_range().split())
    for words in ("Pneumonia suspected", "probability 0.97", "rule out", "0.342", "0.96",
                  "prevalence 10.0%", "Large black border.", "auscult-pneumonia 2.0", "2026-03-04",
                  "ab" * 32, "2.25.33", "More likely bacterial"):  # fmt: skip
        assert words in text
    images = document[0].get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])
    assert len(list(images)) == 2


def test_a_refusal_has_a_page_without_pictures(refused: Finding, context: Context) -> None:
    document = page(pdf.build().write(refused, context))
    text = document[0].get_textpage().get_text_range()
    assert "Not judged" in text
    assert "CT slice" in text


def test_whatever_there_is_to_say_it_stays_one_page(
    judged: Finding, dicom_context: Context
) -> None:
    long = replace(
        judged,
        notes=tuple(f"Caveat {n}: {'long words ' * 20}" for n in range(60)),
        reason="x" * 900,
        label="a label of many words " * 6,
    )
    named = replace(dicom_context, patient_name="张伟\x07, Ωmega")
    document = page(pdf.build().write(long, named))
    assert len(document) == 1
    text = document[0].get_textpage().get_text_range()
    assert "see the finding's JSON form" in text
    assert "It replaces no reading by a clinician" in text


def test_a_page_names_nobody_unasked(judged: Finding, context: Context) -> None:
    data = pdf.build().write(judged, context)
    text = page(data)[0].get_textpage().get_text_range()
    assert "no patient named" in text
    assert b"DOE" not in data
    assert "DOE" not in text


@pytest.mark.parametrize(
    ("decision", "scores", "title"),
    [
        ("suspected", (), "Pneumonia suspected"),
        ("ruled out", (), "Pneumonia ruled out"),
        ("uncertain", (), "Uncertain: pneumonia"),
        ("ruled out", (("a", 0.1), ("b", 0.2), ("pneumonia", 0.7)), "Pneumonia"),
    ],
)
def test_titles(
    decision: str, scores: tuple[tuple[str, float], ...], title: str, judged: Finding
) -> None:
    assert _words.title(replace(judged, decision=decision, scores=scores)) == title


def test_a_probability_is_never_said_to_be_certain() -> None:
    assert [_words.number(v) for v in (0.0001, 0.5, 0.9999)] == ["below 0.01", "0.50", "above 0.99"]


def test_identifiers_are_valid_and_depend_on_their_parts() -> None:
    import re

    uid = _codes.uid("a", "b")
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid)
    assert len(uid) <= 64
    assert uid == _codes.uid("a", "b") != _codes.uid("ab")
    made = _codes.identifier("a")
    assert made.version == 8
    assert made.variant == "specified in RFC 4122"
