"""The Structured Report and the captures are read back by pydicom and highdicom, and say the same."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

from assistant.errors import InputError
from assistant.findings import Finding
from assistant.vision.outputs import Context, capture, sr

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:highdicom")
IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
            "StudyID", "StudyDate", "ReferringPhysicianName")  # fmt: skip


def read(data: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def test_the_report_holds_the_finding(judged: Finding, dicom_context: Context) -> None:
    from highdicom.sr import srread
    from highdicom.sr.coding import CodedConcept

    made = srread(io.BytesIO(sr.build().write(judged, dicom_context)))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert (made.PreliminaryFlag, made.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    (group,) = made.content.get_image_measurement_groups()
    assert group.finding_type == CodedConcept("233604007", "SCT", "Pneumonia")
    values = {m.name.value: (m.value, m.unit.value) for m in group.get_measurements()}
    assert values["122157"] == (0.9731, "1")
    assert values["111012"] == (97.31, "%")
    assert values["lung-share"] == (0.83, "1")
    (said,) = group.get_qualitative_evaluations()
    assert said.value.meaning == "Present"
    (film,) = group.source_images
    assert film.referenced_sop_instance_uid == "2.25.33"
    assert made.StudyInstanceUID == "2.25.11"


def test_the_report_names_its_algorithm_and_thresholds(
    judged: Finding, dicom_context: Context
) -> None:
    texts = text_items(read(sr.build().write(judged, dicom_context)))
    assert texts["111001"] == ["auscult-pneumonia"]
    assert texts["111003"] == ["2.0"]
    assert any("rule in at 0.962" in one and "PPV" in one for one in texts["111002"])
    assert any("research use" in one.lower() for one in texts["121106"])


def text_items(dataset: pydicom.Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    waiting = list(dataset.ContentSequence)
    while waiting:
        item = waiting.pop(0)
        waiting += list(item.get("ContentSequence", ()))
        if item.ValueType == "TEXT":
            code = item.ConceptNameCodeSequence[0].CodeValue
            found.setdefault(code, []).append(item.TextValue)
    return found


@pytest.mark.parametrize("decision", ["ruled out", "uncertain"])
def test_the_decision_is_coded(decision: str, judged: Finding, context: Context) -> None:
    made = sr.build().write(replace(judged, decision=decision), context)
    words = {"ruled out": "Absent", "uncertain": "Indeterminate"}
    assert words[decision] in str(read(made))


def test_a_label_without_codes_is_private(judged: Finding, context: Context) -> None:
    made = str(read(sr.build().write(replace(judged, label="pituitary tumour"), context)))
    assert "99AUSCULT" in made
    assert "pituitary tumour" in made


def test_a_film_that_was_no_dicom_gets_a_capture_that_the_report_refers_to(
    judged: Finding, context: Context
) -> None:
    report = read(sr.build().write(judged, context))
    (data,) = sr.build().also(judged, context).values()
    film = read(data)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    referred = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert referred.ReferencedSOPInstanceUID == film.SOPInstanceUID
    assert evidence.StudyInstanceUID == film.StudyInstanceUID == report.StudyInstanceUID
    assert film.PhotometricInterpretation == "MONOCHROME2"
    with Image.open(io.BytesIO(judged.picture or b"")) as picture:
        assert np.array_equal(film.pixel_array, np.asarray(picture))


def test_a_dicom_film_needs_no_capture(judged: Finding, dicom_context: Context) -> None:
    assert sr.build().also(judged, dicom_context) == {}


def test_the_heatmap_is_a_marked_colour_capture(judged: Finding, dicom_context: Context) -> None:
    made = read(capture.build().write(judged, dicom_context))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert made.SeriesDescription == "RESEARCH USE, heatmap"
    assert made.BurnedInAnnotation == "NO"
    assert made.PhotometricInterpretation == "RGB"
    assert made.StudyInstanceUID == "2.25.11"
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == "2.25.33"
    with Image.open(io.BytesIO(judged.heatmap or b"")) as picture:
        assert np.array_equal(made.pixel_array, np.asarray(picture))


@pytest.mark.parametrize("form", [sr, capture])
def test_nobody_is_named_unasked(form: object, judged: Finding, context: Context) -> None:
    writer = form.build()  # type: ignore[attr-defined]
    for data in (writer.write(judged, context), *writer.also(judged, context).values()):
        made = read(data)
        assert {k: str(made.get(k) or "") for k in IDENTITY} == dict.fromkeys(IDENTITY, "")
        assert made.PatientIdentityRemoved == "YES"
        assert b"DOE" not in data


@pytest.mark.parametrize("form", [sr, capture])
def test_a_patient_is_named_on_request(
    form: object, judged: Finding, dicom_context: Context
) -> None:
    made = read(form.build().write(judged, dicom_context))  # type: ignore[attr-defined]
    assert made.PatientName == "Ωmega^Zoë"
    assert made.PatientID == "MRN 77"
    assert "PatientIdentityRemoved" not in made


@pytest.mark.parametrize("form", [sr, capture])
def test_one_content_has_one_identifier(form: object, judged: Finding, context: Context) -> None:
    writer = form.build()  # type: ignore[attr-defined]
    first = writer.write(judged, context)
    assert writer.write(judged, context) == first
    later = replace(context, made=context.made.replace(year=2027))
    assert read(writer.write(judged, later)).SOPInstanceUID != read(first).SOPInstanceUID


@pytest.mark.parametrize("form", [sr, capture])
def test_a_refusal_has_no_such_form(form: object, refused: Finding, context: Context) -> None:
    with pytest.raises(InputError, match=r"ct\.dcm"):
        form.build().write(refused, context)  # type: ignore[attr-defined]
