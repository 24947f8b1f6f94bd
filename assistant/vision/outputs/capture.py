"""The heatmap over the film as a DICOM Secondary Capture (RGB), and the film itself as one (grey).

SOP class PS3.3 A.8.1. The film's own capture is for reports on pictures that were no DICOM files,
which would otherwise have nothing to refer to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.findings import Finding
from assistant.vision.outputs import Context, _codes, _dicom, _words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DESCRIPTION = f"{_dicom.RESEARCH}, heatmap"
FILM = f"{_dicom.RESEARCH}, film as judged"


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes `.heatmap.dcm`."""

    suffix: str = ".heatmap.dcm"

    def lacks(self, finding: Finding) -> str:
        """Return why there is no heatmap to capture, or ""."""
        if finding.heatmap is not None:
            return ""
        why = "it was not judged" if finding.refused else "it was judged without one"
        return f"There is no heatmap of {finding.image} to write, because {why}."

    def write(self, finding: Finding, context: Context) -> bytes:
        """Return the overlay as a Secondary Capture in the film's study.

        Raises:
            InputError: if the finding has no heatmap.
        """
        _words.refuse(self.lacks(finding))
        pixels = _dicom.colours(finding.heatmap or b"")
        key = ("heatmap", context.digest, finding.model)
        made = _capture(
            pixels,
            context,
            series_instance_uid=_codes.uid("series", *key),
            # One identifier for one content: another probability is another picture.
            sop_instance_uid=_codes.uid(
                "instance", *key, context.made.isoformat(), str(finding.probability)
            ),
            series_number=9001,
        )
        _hang(made, finding)
        made.SeriesDescription = DESCRIPTION
        made.ImageComments = "Where the network looked, not where disease is."
        made.DerivationDescription = _dicom.short(f"Heatmap of {finding.model} over the film")
        sop_class, _, instance = _dicom.film_instance(context)
        made.SourceImageSequence = [_reference(sop_class, instance)]
        return _dicom.finish(made, context)

    def also(self, finding: Finding, context: Context) -> dict[str, bytes]:
        """Return the film's own capture where the film was no DICOM file."""
        return film(finding, context)


def build() -> Writer:
    """Return the writer."""
    return Writer()


def film(finding: Finding, context: Context) -> dict[str, bytes]:
    """Return the film as a Secondary Capture by its ending, unless it came as DICOM.

    Raises:
        InputError: if it was refused, and there is no picture of it as judged.
    """
    if context.source is not None:
        return {}
    if finding.picture is None:
        _words.refuse(f"There is no picture of {finding.image} as judged to refer to.")
    _, series, instance = _dicom.film_instance(context)
    made = _capture(
        _dicom.grey(finding.picture or b""),
        context,
        series_instance_uid=series,
        sop_instance_uid=instance,
        series_number=1,
    )
    _hang(made, finding)
    made.SeriesDescription = FILM
    return {".film.dcm": _dicom.finish(made, context)}


def _hang(made: Dataset, finding: Finding) -> None:
    """Leave the orientation empty where the picture is no frontal film."""
    if finding.gate is not None and finding.gate.kind != "film":
        made.PatientOrientation = None


def _capture(pixels: np.ndarray, context: Context, **more: Any) -> Dataset:
    from highdicom.sc import SCImage

    header = _dicom.evidence(context)
    made: Dataset = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # A frontal film hangs with the patient's left on the reader's right.
        patient_orientation=("L", "F"),
        study_instance_uid=header.StudyInstanceUID,
        instance_number=1,
        manufacturer=_dicom.MAKER,
        patient_id=header.PatientID,
        patient_name=str(header.PatientName) or None,
        specific_character_set="ISO_IR 192",
        **more,
    )
    made.BurnedInAnnotation = "YES" if context.burned_in else "NO"
    return made


def _reference(sop_class: str, instance: str) -> Dataset:
    from pydicom.dataset import Dataset

    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = sop_class, instance
    return made
