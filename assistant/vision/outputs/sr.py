"""A finding as a DICOM Structured Report: a TID 1500 measurement report in a Comprehensive 3D SR.

The report holds the coded finding, its probability, its decision, the thresholds with what was
measured at them, the algorithm with its version, and a reference to the film. Unverified and
preliminary by construction: nobody has read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant.findings import Finding
from assistant.vision.outputs import Context, _codes, _dicom, _words, capture

if TYPE_CHECKING:
    from highdicom.sr import (
        CodedConcept,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        QualitativeEvaluation,
    )

# Coding scheme designator of what no vocabulary has (PS3.16 section 8: private ones begin with 99).
PRIVATE = "99AUSCULT"
_DECISIONS = {
    "suspected": ("52101004", "Present"),
    "ruled out": ("272519000", "Absent"),
    "uncertain": ("82334004", "Indeterminate"),
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes `.sr.dcm`."""

    suffix: str = ".sr.dcm"

    def lacks(self, finding: Finding) -> str:
        """Return why there is nothing to report, or ""."""
        if finding.refused or finding.probability is None:
            return f"There is no finding on {finding.image} to report: {finding.reason}"
        return ""

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the report as a DICOM file.

        Raises:
            InputError: if the film was refused.
        """
        _words.refuse(self.lacks(finding))
        from highdicom.sr import Comprehensive3DSR

        key = ("sr", context.digest, finding.model)
        made = Comprehensive3DSR(
            evidence=[_dicom.evidence(context)],
            content=_content(finding, context)[0],
            series_instance_uid=_codes.uid("series", *key),
            series_number=9002,
            sop_instance_uid=_codes.uid(
                "instance", *key, context.made.isoformat(), str(finding.probability)
            ),
            instance_number=1,
            manufacturer=_dicom.MAKER,
            is_complete=True,
        )
        made.SeriesDescription = f"{_dicom.RESEARCH}, finding of the image tool"
        return _dicom.finish(made, context)

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return the film as a Secondary Capture where it was no DICOM file: the report's reference."""
        return capture.film(finding, context)


def build() -> Writer:
    """Return the writer."""
    return Writer()


def _content(finding: Finding, context: Context) -> Any:
    from highdicom.sr import MeasurementReport
    from pydicom.sr.coding import Code

    return MeasurementReport(
        observation_context=_observer(finding),
        procedure_reported=Code("36554-4", "LN", "XR Chest Single view"),
        imaging_measurements=[_group(finding, context)],
        title=Code("126000", "DCM", "Imaging Measurement Report"),
    )


def _observer(finding: Finding) -> ObservationContext:
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )

    device = DeviceObserverIdentifyingAttributes(
        uid=_codes.uid("device", finding.model),
        name=_dicom.short(finding.model),
        manufacturer_name=_dicom.MAKER,
        model_name=_dicom.short(finding.model),
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=CodedConcept("121007", "DCM", "Device"),
            observer_identifying_attributes=device,
        )
    )


def _group(finding: Finding, context: Context) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        AlgorithmIdentification,
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        SourceImageForMeasurementGroup,
        TrackingIdentifier,
    )
    from pydicom.sr.coding import Code

    name, version = _words.split_model(finding.model)
    sop_class, _, instance = _dicom.film_instance(context)
    site = FindingSite(anatomic_location=Code("39607008", "SCT", "Lung"))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=_codes.uid("tracking", context.digest, finding.label), identifier=finding.label
        ),
        finding_type=_label(finding.label),
        finding_sites=[site] if _codes.of_label(finding.label) else None,
        algorithm_id=AlgorithmIdentification(
            name=name, version=version, parameters=_parameters(finding, context)
        ),
        measurements=_measurements(finding),
        qualitative_evaluations=_evaluations(finding),
        source_images=[SourceImageForMeasurementGroup(sop_class, instance)],
    )
    for line in _comments(finding, context):
        group[0].ContentSequence.append(_comment(line))
    return group


def _measurements(finding: Finding) -> list[Measurement]:
    from highdicom.sr import Measurement
    from pydicom.sr.coding import Code

    chance = finding.probability or 0.0
    one, hundred = Code("1", "UCUM", "no units"), Code("%", "UCUM", "Percent")
    found = [
        Measurement(Code("122157", "DCM", "Probability"), round(chance, 6), one),
        # What older viewers look for (PS3.16, "certainty that a device places on a finding").
        Measurement(Code("111012", "DCM", "Certainty of Finding"), round(100 * chance, 4), hundred),
    ]
    extra = [("spread", "Standard deviation of the probability", finding.spread),
             ("lung-share", "Share of the heatmap on the lungs", finding.lung_share)]  # fmt: skip
    for code, meaning, value in extra:
        if value is not None:
            found.append(Measurement(_private(code, meaning), round(value, 6), one))
    for reading in finding.second:
        name = _private(f"p-{reading.label}", f"Probability of {reading.label}")
        found.append(Measurement(name, round(reading.probability, 6), one))
    return found


def _evaluations(finding: Finding) -> list[QualitativeEvaluation] | None:
    from highdicom.sr import QualitativeEvaluation
    from pydicom.sr.coding import Code

    if finding.decision not in _DECISIONS or not _words.is_binary(finding):
        return None
    value, meaning = _DECISIONS[finding.decision]
    name = Code("122147", "DCM", "Clinical Interpretation")
    return [QualitativeEvaluation(name, Code(value, "SCT", meaning))]


def _parameters(finding: Finding, context: Context) -> list[str]:
    return [_words.point(item, context.prevalence) for item in finding.points] or ["none"]


def _comments(finding: Finding, context: Context) -> list[str]:
    lines = [_words.RESEARCH, _words.statement(finding), finding.reason]
    lines += [reading.text for reading in finding.second]
    lines += [_words.seen(finding), *_words.caveats(finding)]
    if finding.labels:
        lines.append(f"Prediction set: {' or '.join(finding.labels)}.")
    return [line for line in dict.fromkeys(lines) if line]


def _comment(text: str) -> Any:
    from highdicom.sr import RelationshipTypeValues, TextContentItem
    from pydicom.sr.coding import Code

    return TextContentItem(
        name=Code("121106", "DCM", "Comment"),
        value=text,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def _label(label: str) -> CodedConcept:
    from highdicom.sr import CodedConcept

    known = _codes.of_label(label)
    if known is not None:
        return CodedConcept(known.snomed[0], "SCT", known.snomed[1])
    return _private(label.casefold().replace(" ", "-")[:16] or "label", label[:64] or "label")


def _private(code: str, meaning: str) -> CodedConcept:
    from highdicom.sr import CodedConcept

    return CodedConcept(code[:16], PRIVATE, meaning[:64])
