"""What the DICOM forms share: the header of a referenced instance, dates, equipment and bytes.

highdicom takes seconds to import, so it comes inside the functions that need it.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from assistant.vision.outputs import Context, _codes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAKER = "Auscult"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RESEARCH = "RESEARCH USE"


def version() -> str:
    """Return Auscult's version, or "unknown" outside an installation."""
    try:
        return metadata.version("auscult")
    except metadata.PackageNotFoundError:
        return "unknown"


def study_uid(context: Context) -> str:
    """Return the study of the judged instance, or one made from the film's digest."""
    return context.source.study if context.source else _codes.uid("study", context.digest)


def film_instance(context: Context) -> tuple[str, str, str]:
    """Return SOP class, series and instance of the film: the file's own, or its capture's."""
    source = context.source
    if source is not None:
        return source.sop_class, source.series, source.instance
    return (
        SECONDARY_CAPTURE,
        _codes.uid("series", "film", context.digest),
        _codes.uid("instance", "film", context.digest),
    )


def evidence(context: Context) -> Dataset:
    """Return the header that a report needs of the film: identifiers, and no patient but a given one."""
    from pydicom.dataset import Dataset

    sop_class, series, instance = film_instance(context)
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class, instance
    made.StudyInstanceUID, made.SeriesInstanceUID = study_uid(context), series
    made.PatientID = short(context.patient_id)
    made.PatientName = name(context.patient_name)
    for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
                    "StudyTime", "ReferringPhysicianName"):  # fmt: skip
        setattr(made, keyword, "")
    return made


def name(value: str) -> str:
    """Return a person's name as DICOM takes it: "Family, Given" becomes "Family^Given"."""
    clean = " ".join(value.replace("\\", " ").replace("=", " ").split())
    family, comma, given = clean.partition(",")
    joined = f"{family.strip()}^{given.strip()}" if comma else clean
    return joined[:64]


def short(value: str) -> str:
    """Return text as the value representation LO takes it: one line of 64 characters at most."""
    return " ".join(value.replace("\\", " ").split())[:64]


def finish(dataset: Dataset, context: Context) -> bytes:
    """Date and mark a dataset, and return it as a DICOM file.

    highdicom dates by the clock; here the same context gives the same bytes.
    """
    made = context.made.astimezone(UTC)
    _date(dataset, made)
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.Manufacturer = MAKER
    dataset.ManufacturerModelName = "Auscult image tool"
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = short(version())
    if not (context.patient_id or context.patient_name):
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "No identity was given; UIDs of the film are pseudonyms"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _date(dataset: Dataset, made: datetime) -> None:
    day, clock = made.strftime("%Y%m%d"), made.strftime("%H%M%S")
    for stem in ("InstanceCreation", "Content", "Series"):
        setattr(dataset, f"{stem}Date", day)
        setattr(dataset, f"{stem}Time", clock)
    if "DateOfSecondaryCapture" in dataset:
        dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = day, clock
    for item in dataset.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = f"{day}{clock}+0000"


def grey(data: bytes) -> np.ndarray:
    """Return a PNG of our own as (H, W) uint8."""
    return _pixels(data, "L")


def colours(data: bytes) -> np.ndarray:
    """Return a PNG of our own as (H, W, 3) uint8."""
    return _pixels(data, "RGB")


def png(pixels: np.ndarray) -> bytes:
    """Return (H, W) uint8 as a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _pixels(data: bytes, mode: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.ascontiguousarray(np.asarray(image.convert(mode), dtype=np.uint8))
