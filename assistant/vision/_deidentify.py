"""Takes the identifiers out of a DICOM file. Runs in the sandbox's child.

The Basic Application Level Confidentiality Profile of PS3.15 Annex E (`_profile` is its table), and
beyond it: what can't be read or isn't in the dictionary goes, names and dates that the table doesn't
list are emptied, and so is any kept text that repeats an identifier of the same file. Pixels stay.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from assistant.errors import AttachmentError
from assistant.vision import _dicom_read, _dicom_tags
from assistant.vision._profile import ACTIONS

METHOD = _dicom_tags.METHOD
# What a compound code comes to without knowing the type of object; see `_profile`.
_CHOSEN = {"Z/D": "D", "X/Z": "Z", "X/D": "D", "X/Z/D": "D", "X/Z/U*": "U"}
_TEXT = {"AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"}
_WHEN = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}
_NUMBERS = {"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"}
_BYTES = {"OB", "OW", "OD", "OF", "OL", "OV", "UN"}
_STANDARD = "1.2.840.10008."
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
_TIMES = ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime")
# Where the identifiers of a file stand; kept text that repeats one of them is emptied.
_NAMING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName",
    "PatientMotherBirthName", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName",
    "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "OperatorsName", "InstitutionName",
    "PatientAddress", "PatientTelephoneNumbers",
)  # fmt: skip

# Words of institutions and forms that say nothing about a person.
_COMMON = frozenset(
    [
        "hospital",
        "clinic",
        "klinik",
        "radiology",
        "medical",
        "center",
        "centre",
        "university",
        "none",
    ]
)


def clean(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a DICOM file without identifiers.

    Args:
        data: the file.
        options: "key", hex, for new UIDs; "most", bytes that a deflated file may become; "keep",
            whether age, sex and moved dates stay (options 113108 and 113107 of PS3.16 CID 7050).

    Returns:
        No facts, and the file.

    Raises:
        AttachmentError: if it can't be read.
    """
    key = bytes.fromhex(options["key"])
    dataset = _dicom_read.read(data, options["most"], [])
    if not any(keyword in dataset for keyword in ("SOPClassUID", "Modality", "PatientID", "Rows")):
        raise AttachmentError("it holds nothing that can be read as a DICOM image")
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    kept = _kept(dataset, key) if options["keep"] else {}
    patient = str(dataset.get("PatientID") or "").strip()
    _walk(dataset, key, _identifiers(dataset))
    if "PatientID" in dataset:
        dataset.PatientID = _dicom_tags.pseudonym("patient|" + patient, key)[:16] if patient else ""
    for keyword, value in kept.items():
        setattr(dataset, keyword, value)
    _mark(dataset, bool(options["keep"]))
    return {}, _written(dataset, key)


def warm() -> None:
    """Read the table."""
    _table()


@cache
def _table() -> dict[int, str]:
    """Return the action by tag, one of X, Z, D and U."""
    table = {}
    for action, words in ACTIONS.items():
        for word in words.split():
            tag = tag_for_keyword(word)
            table[int(word, 16) if tag is None else int(tag)] = _CHOSEN.get(action, action)
    return table


def action(tag: BaseTag) -> str | None:
    """Return what becomes of an attribute: X, Z, D, U, or None where the profile doesn't name it."""
    if tag.is_private or tag.group >> 8 == 0x50:
        return "X"
    if tag.group >> 8 == 0x60 and tag.element in (0x3000, 0x4000):
        return "X"
    return _table().get(int(tag))


def _walk(dataset: Dataset, key: bytes, identifiers: frozenset[str]) -> None:
    for tag in list(dataset.keys()):
        do = action(BaseTag(tag))
        try:
            if do == "X":
                del dataset[tag]
            else:
                _change(dataset, tag, do, key, identifiers)
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - what can't be read can't be cleaned
            del dataset[tag]


def _change(
    dataset: Dataset, tag: Any, do: str | None, key: bytes, identifiers: frozenset[str]
) -> None:
    element = dataset[tag]
    vr = element.VR
    if do is None and vr == "UN" and element.tag not in (0x7FE00010,):
        del dataset[tag]
    elif vr == "SQ":
        if do == "Z":
            element.value = Sequence()
        elif do == "D":
            element.value = Sequence([Dataset()])
        else:
            for nested in element.value:
                _walk(nested, key, identifiers)
    elif do == "D":
        element.value = _dummy(element.VR, element.value, key)
    elif do == "Z" or (do is None and vr in ("PN", *_WHEN)):
        element.value = b"" if vr in _BYTES else ""
    elif do == "U" or vr == "UI":
        element.value = _uids(element.value, key)
    elif vr in _TEXT and any(name in str(element.value).casefold() for name in identifiers):
        element.value = ""


def _dummy(vr: str, value: Any, key: bytes) -> Any:
    """Return a value of a representation that says nothing."""
    if vr in _WHEN:
        return _WHEN[vr]
    if vr == "UI":
        return _uids(value or "2.25.0", key)
    if vr in _NUMBERS:
        return 0
    if vr in _BYTES:
        return b"\0\0"
    return {"AS": "000Y", "IS": "0", "DS": "0", "PN": "Anonymous", "UR": "about:blank"}.get(
        vr, "REMOVED"
    )


def _uids(value: Any, key: bytes) -> Any:
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return [_uids(one, key) for one in value]
    text = str(value or "")
    return text if text.startswith(_STANDARD) or not text else _dicom_tags.uid(text, key)


def _identifiers(dataset: Dataset) -> frozenset[str]:
    """Return the words of a file that name its patient or staff, case-folded."""
    words: set[str] = set()
    for keyword in _NAMING:
        try:
            text = str(dataset.get(keyword) or "")
        except Exception:  # noqa: BLE001, S112 - a damaged element is removed later
            continue
        for part in text.replace("^", " ").replace("=", " ").replace("\\", " ").split():
            word = part.strip(" ,.;:'[]").casefold()
            if len(word) >= 4 and word not in _COMMON:
                words.add(word)
    return frozenset(words)


def _kept(dataset: Dataset, key: bytes) -> dict[str, str]:
    """Return age, sex and moved dates of a file, to be put back after cleaning."""
    kept: dict[str, str] = {}
    age = _dicom_tags.age_years(dataset)
    if age is not None:
        kept["PatientAge"] = f"{int(age):03d}Y" if age >= 3 else f"{max(1, round(age * 12)):03d}M"
    sex = _dicom_read.code(dataset, "PatientSex")
    if sex in ("M", "F", "O"):
        kept["PatientSex"] = sex
    moved = _dicom_tags.shift(dataset, key)
    for day, time in zip(_DATES, _TIMES, strict=True):
        found = _dicom_tags.when(dataset.get(day), dataset.get(time))
        if found is not None:
            kept[day] = (found + moved).strftime("%Y%m%d")
            if dataset.get(time):
                kept[time] = found.strftime("%H%M%S")
    found = _dicom_tags.when(str(dataset.get("AcquisitionDateTime") or "")[:14])
    if found is not None:
        kept["AcquisitionDateTime"] = (found + moved).strftime("%Y%m%d%H%M%S")
    return kept


def _mark(dataset: Dataset, keep: bool) -> None:
    """Say in the file what was done (PS3.15 E.1.1, PS3.16 CID 7050)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    said = [("113100", "Basic Application Confidentiality Profile")]
    if keep:
        said.append(("113108", "Retain Patient Characteristics Option"))
        said.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    codes = []
    for value, meaning in said:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    dataset.DeidentificationMethodCodeSequence = Sequence(codes)
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if keep else "REMOVED"


def _written(dataset: Dataset, key: bytes) -> bytes:
    """Return the file: a preamble of zeros, new meta information, the cleaned data set."""
    for keyword, value in (
        ("SOPClassUID", _SECONDARY_CAPTURE),
        ("SOPInstanceUID", _dicom_tags.uid("instance without a UID", key)),
    ):
        if not dataset.get(keyword):
            setattr(dataset, keyword, value)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def named() -> tuple[tuple[int, str, str], ...]:
    """Return (tag, VR, action) of all attributes that the profile names and the dictionary knows."""
    known = []
    for tag, do in sorted(_table().items()):
        try:
            known.append((tag, dictionary_VR(tag), do))
        except KeyError:
            continue
    return tuple(known)
