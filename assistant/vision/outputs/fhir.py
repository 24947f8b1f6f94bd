"""A finding as an HL7 FHIR R4 Bundle: a DiagnosticReport, its Observations and the model as Device.

The bundle is a collection (nothing in it asks a server for anything), every resource is preliminary
and labelled for research, and ids depend on the film and the model alone, so that writing again
gives the same resources. Codes: `_codes`; what no vocabulary has is text under a system of our own.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistant.findings import Finding, OperatingPoint
from assistant.vision.outputs import Context, _codes, _words

Resource = dict[str, Any]
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_INTERPRETATION = {
    "suspected": ("POS", "Positive"),
    "ruled out": ("NEG", "Negative"),
    "uncertain": ("IND", "Indeterminate"),
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes `.fhir.json`."""

    suffix: str = ".fhir.json"

    def lacks(self, finding: Finding) -> str:
        """Return "": a refusal is reported too, as a cancelled report."""
        return ""

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the bundle as indented JSON, UTF-8."""
        text = json.dumps(bundle(finding, context), indent=2, ensure_ascii=False)
        return (text + "\n").encode("utf-8", "replace")

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return no further files."""
        return {}


def build() -> Writer:
    """Return the writer."""
    return Writer()


def bundle(finding: Finding, context: Context) -> Resource:
    """Return the Bundle as JSON values."""

    def name(*parts: str) -> str:
        return str(_codes.identifier("fhir", context.digest, finding.model, *parts))

    device = _device(finding, name("device"))
    # The model is the same whatever film it judged.
    device["id"] = str(_codes.identifier("fhir", "device", finding.model))
    patient = _patient(context, name("patient", context.patient_id, context.patient_name))
    common = _common(device, patient, context)
    observations = [_main(finding, context, name("finding"), common)]
    observations += [
        _second(finding, place, name("second", reading.label), common)
        for place, reading in enumerate(finding.second)
    ]
    gate = _gate(finding, name("gate"), common)
    observations += [gate] if gate else []
    report = _report(finding, context, name("report"), common, observations)
    resources = [report, *observations, device, *([patient] if patient else [])]
    return {
        "resourceType": "Bundle",
        "id": name("bundle"),
        "meta": {"security": _security(context)},
        "type": "collection",
        "timestamp": context.made.isoformat(timespec="seconds"),
        "entry": [
            {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            for resource in resources
        ],
    }


def _security(context: Context) -> list[Resource]:
    labels = [
        {
            "system": f"{_TERMINOLOGY}v3-ActReason",
            "code": "HRESCH",
            "display": "healthcare research",
        }
    ]
    if not (context.patient_id or context.patient_name):
        labels.append(
            {
                "system": f"{_TERMINOLOGY}v3-ObservationValue",
                "code": "PSEUDED",
                "display": "pseudonymized",
            }
        )
    return labels


def _device(finding: Finding, identity: str) -> Resource:
    name, version = _words.split_model(finding.model)
    return {
        "resourceType": "Device",
        "id": identity,
        "text": _narrative(f"{name}, version {version}. {_words.RESEARCH}"),
        "status": "active",
        "manufacturer": "Auscult",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": {"text": "software that judges images"},
        "version": [{"value": version}],
        "note": [{"text": _words.RESEARCH}],
    }


def _patient(context: Context, identity: str) -> Resource | None:
    if not (context.patient_id or context.patient_name):
        return None
    patient: Resource = {"resourceType": "Patient", "id": identity}
    if context.patient_id:
        patient["identifier"] = [{"value": context.patient_id}]
    if context.patient_name:
        patient["name"] = [{"text": context.patient_name}]
    return patient


def _common(device: Resource, patient: Resource | None, context: Context) -> Resource:
    """Return what all observations share."""
    found: Resource = {
        "issued": context.made.isoformat(timespec="seconds"),
        "device": {"reference": f"urn:uuid:{device['id']}"},
        "derivedFrom": [_film(context)],
    }
    if patient is not None:
        found["subject"] = {"reference": f"urn:uuid:{patient['id']}"}
    return found


def _film(context: Context) -> Resource:
    """Return a logical reference to the film: its study and instance, or its digest."""
    if context.source is not None:
        return {
            "type": "ImagingStudy",
            "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{context.source.study}"},
            "display": f"DICOM instance {context.source.instance} (pseudonymous)",
        }
    return {
        "type": "Media",
        "identifier": {"system": _codes.SHA256, "value": context.digest},
        "display": "the film, by the SHA-256 digest of its file",
    }


def _observation(identity: str, code: Resource, text: str, common: Resource) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "text": _narrative(text),
        "status": "preliminary",
        "category": [_concept("imaging", "Imaging", f"{_TERMINOLOGY}observation-category")],
        "code": code,
        **common,
    }


def _main(finding: Finding, context: Context, identity: str, common: Resource) -> Resource:
    text = _words.statement(finding)
    code = (
        _label(finding.label) if finding.label else _local("finding", "finding of the image tool")
    )
    made = _observation(identity, code, text, common)
    made["note"] = [{"text": line} for line in (_words.RESEARCH, finding.reason) if line]
    if finding.probability is None:
        made["status"] = "cancelled"
        made["dataAbsentReason"] = _concept(
            "not-performed", "Not Performed", f"{_TERMINOLOGY}data-absent-reason"
        )
        return made
    made["valueQuantity"] = _quantity(finding.probability)
    if finding.decision in _INTERPRETATION and _words.is_binary(finding):
        code_, display = _INTERPRETATION[finding.decision]
        made["interpretation"] = [
            _concept(code_, display, f"{_TERMINOLOGY}v3-ObservationInterpretation")
        ]
    if finding.gate is None or finding.gate.kind in _codes.FILM_KINDS:
        made["bodySite"] = _concept("39607008", "Lung structure", _codes.SNOMED)
    made["method"] = {"text": f"{finding.model}, calibrated probability of the label"}
    made["component"] = _components(finding, context)
    return made


def _components(finding: Finding, context: Context) -> list[Resource]:
    found: list[Resource] = []

    def add(code: str, text: str, value: float | None) -> None:
        if value is not None:
            found.append({"code": _local(code, text), "valueQuantity": _quantity(value)})

    add("spread", "standard deviation of the probability", finding.spread)
    add("lung-share", "share of the heatmap on the lungs", finding.lung_share)
    for item in finding.points:
        _point(item, context.prevalence, add)
    if finding.labels:
        found.append(
            {
                "code": _local("prediction-set", "conformal prediction set"),
                "valueString": " or ".join(finding.labels),
            }
        )
    for label, share in () if _words.is_binary(finding) else finding.scores:
        found.append({"code": _label(label), "valueQuantity": _quantity(share)})
    return found


def _point(
    item: OperatingPoint, prevalence: float | None, add: Callable[[str, str, float | None], None]
) -> None:
    key = item.name.replace(" ", "-")
    add(f"{key}-threshold", f"{item.name}: threshold", item.threshold)
    add(f"{key}-sensitivity", f"{item.name}: sensitivity at the threshold", item.sensitivity)
    add(f"{key}-specificity", f"{item.name}: specificity at the threshold", item.specificity)
    if prevalence is not None:
        at = f"at a prevalence of {prevalence:.1%}"
        add(f"{key}-ppv", f"{item.name}: positive predictive value {at}", item.ppv(prevalence))
        add(f"{key}-npv", f"{item.name}: negative predictive value {at}", item.npv(prevalence))


def _second(finding: Finding, place: int, identity: str, common: Resource) -> Resource:
    reading = finding.second[place]
    made = _observation(identity, _label(reading.label), reading.text, common)
    made["note"] = [{"text": _words.RESEARCH}, {"text": reading.text}]
    made["valueQuantity"] = _quantity(reading.probability)
    made["method"] = {"text": reading.model}
    return made


def _gate(finding: Finding, identity: str, common: Resource) -> Resource | None:
    report = finding.gate
    if report is None:
        return None
    text = _words.seen(finding)
    made = _observation(identity, _local("input-gate", "what the input gate saw"), text, common)
    made["valueString"] = text
    made["note"] = [{"text": line} for line in (_words.RESEARCH, *report.warnings)]
    return made


def _report(
    finding: Finding,
    context: Context,
    identity: str,
    common: Resource,
    observations: list[Resource],
) -> Resource:
    film = finding.gate is None or finding.gate.kind in _codes.FILM_KINDS
    code = ("36554-4", "XR Chest Single view") if film else ("18748-4", "Diagnostic imaging study")
    conclusion = " ".join((_words.statement(finding), *_words.caveats(finding), _words.RESEARCH))
    made: Resource = {
        "resourceType": "DiagnosticReport",
        "id": identity,
        "text": _narrative(conclusion),
        "status": "cancelled" if finding.refused else "preliminary",
        "category": [_concept("RAD", "Radiology", f"{_TERMINOLOGY}v2-0074")],
        "code": _concept(*code, _codes.LOINC),
        "issued": common["issued"],
        "result": [{"reference": f"urn:uuid:{one['id']}"} for one in observations],
        "conclusion": conclusion,
    }
    if "subject" in common:
        made["subject"] = common["subject"]
    known = _codes.of_label(finding.label)
    if finding.decision == "suspected" and known is not None:
        made["conclusionCode"] = [_label(finding.label)]
    if finding.heatmap is not None:
        made["presentedForm"] = [
            {
                "contentType": "image/png",
                "data": base64.b64encode(finding.heatmap).decode("ascii"),
                "title": "RESEARCH USE, heatmap: where the network looked, not where disease is",
                "creation": context.made.isoformat(timespec="seconds"),
            }
        ]
    return made


def _label(label: str) -> Resource:
    """Return a label as a concept: with its codes where they are known, and its text always."""
    known = _codes.of_label(label)
    made: Resource = {"text": label}
    if known is not None:
        pairs = [(_codes.SNOMED, known.snomed)]
        pairs += [(_codes.RADLEX, known.radlex)] if known.radlex else []
        made["coding"] = [
            {"system": system, "code": code, "display": term} for system, (code, term) in pairs
        ]
    return made


def _local(code: str, text: str) -> Resource:
    return {"coding": [{"system": _codes.LOCAL, "code": code}], "text": text}


def _concept(code: str, display: str, system: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _quantity(value: float) -> Resource:
    return {"value": round(float(value), 6), "system": "http://unitsofmeasure.org", "code": "1"}


def _narrative(text: str) -> Resource:
    body = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{html.escape(text, quote=False)}</p></div>'
    )
    return {"status": "generated", "div": body}
