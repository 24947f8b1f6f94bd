"""The FHIR form is valid R4, refers only to what it holds, and names nobody unasked."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from assistant.findings import Finding
from assistant.vision.outputs import Context, fhir


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    from fhir.resources.R4B.bundle import Bundle
    from fhir.resources.R4B.device import Device
    from fhir.resources.R4B.diagnosticreport import DiagnosticReport
    from fhir.resources.R4B.observation import Observation
    from fhir.resources.R4B.patient import Patient

    kinds = (Bundle, Device, DiagnosticReport, Observation, Patient)
    return {kind.__name__: kind for kind in kinds}


def resources(finding: Finding, context: Context) -> list[dict[str, Any]]:
    made = json.loads(fhir.build().write(finding, context))
    return [entry["resource"] for entry in made["entry"]]


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in found if one["resourceType"] == kind]


@pytest.mark.parametrize("which", ["judged", "refused"])
@pytest.mark.parametrize("where", ["context", "dicom_context"])
def test_every_resource_is_valid_r4(
    which: str, where: str, models: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    finding, context = request.getfixturevalue(which), request.getfixturevalue(where)
    made = json.loads(fhir.build().write(finding, context))
    models["Bundle"].model_validate(made)
    for entry in made["entry"]:
        resource = entry["resource"]
        models[resource["resourceType"]].model_validate(resource)


def test_the_parser_would_see_a_fault(
    judged: Finding, context: Context, models: dict[str, Any]
) -> None:
    (observation, *_) = of(resources(judged, context), "Observation")
    with pytest.raises(ValueError, match="status"):
        models["Observation"].model_validate(observation | {"status": None})


def test_references_point_into_the_bundle(judged: Finding, dicom_context: Context) -> None:
    text = fhir.build().write(judged, dicom_context).decode()
    names = {entry["fullUrl"] for entry in json.loads(text)["entry"]}
    pointed = set(re.findall(r'"reference": "([^"]+)"', text))
    assert pointed
    assert pointed <= names


def test_the_finding_is_all_there(judged: Finding, dicom_context: Context) -> None:
    found = resources(judged, dicom_context)
    main, second, gate = of(found, "Observation")
    assert {(c["system"], c["code"]) for c in main["code"]["coding"]} == {
        ("http://snomed.info/sct", "233604007"),
        ("http://radlex.org", "RID5350"),
    }
    assert main["status"] == "preliminary"
    assert main["valueQuantity"]["value"] == pytest.approx(0.9731)
    assert main["interpretation"][0]["coding"][0]["code"] == "POS"
    parts = {c["code"]["coding"][0]["code"]: c for c in main["component"]}
    assert parts["rule-in-threshold"]["valueQuantity"]["value"] == 0.962
    assert parts["rule-in-specificity"]["valueQuantity"]["value"] == 0.996
    wanted = judged.points[1].ppv(0.1)
    assert parts["rule-in-ppv"]["valueQuantity"]["value"] == pytest.approx(wanted, abs=1e-6)
    assert second["valueQuantity"]["value"] == 0.71
    assert gate["valueString"].startswith("film")
    (report,) = of(found, "DiagnosticReport")
    assert report["code"]["coding"][0]["code"] == "36554-4"
    assert report["status"] == "preliminary"
    assert base64.b64decode(report["presentedForm"][0]["data"]) == judged.heatmap
    (device,) = of(found, "Device")
    assert device["deviceName"][0]["name"] == "auscult-pneumonia"
    assert device["version"][0]["value"] == "2.0"


def test_a_refusal_is_cancelled_with_its_reason(refused: Finding, context: Context) -> None:
    found = resources(refused, context)
    main = of(found, "Observation")[0]
    assert main["status"] == "cancelled"
    assert "valueQuantity" not in main
    assert main["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    (report,) = of(found, "DiagnosticReport")
    assert report["status"] == "cancelled"
    assert "CT slice" in report["conclusion"]


def test_nobody_is_named_unasked(judged: Finding, context: Context) -> None:
    found = resources(judged, context)
    assert not of(found, "Patient")
    assert "DOE" not in json.dumps(found)


def test_a_patient_is_named_on_request(judged: Finding, dicom_context: Context) -> None:
    found = resources(judged, dicom_context)
    (patient,) = of(found, "Patient")
    assert patient["identifier"][0]["value"] == "MRN 77"
    (report,) = of(found, "DiagnosticReport")
    assert report["subject"]["reference"].endswith(patient["id"])


def test_ids_depend_on_film_and_model_alone(judged: Finding, context: Context) -> None:
    from dataclasses import replace

    def ids(one: Context) -> list[str]:
        return [resource["id"] for resource in resources(judged, one)]

    later = replace(context, made=context.made.replace(year=2027))
    other = replace(context, digest="cd" * 32)
    assert ids(context) == ids(later)
    # The model's Device is one for all films.
    assert len(set(ids(context)) & set(ids(other))) == 1


def test_text_from_outside_is_escaped(judged: Finding, context: Context) -> None:
    from dataclasses import replace

    bad = replace(judged, notes=("<script>alert(1)</script>",))
    (report,) = of(resources(bad, context), "DiagnosticReport")
    assert "<script>" not in report["text"]["div"]
    assert "&lt;script&gt;" in report["text"]["div"]
