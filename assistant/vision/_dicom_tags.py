"""What a DICOM file says of its image, as codes and numbers that identify nobody.

Runs in the sandbox's child. Identifiers become keyed hashes and dates are moved by a keyed number of
days, the same for all files of one patient, so that the order and the time between studies remain.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from datetime import datetime, timedelta
from typing import Any

from pydicom.dataset import Dataset

from assistant.vision._dicom_read import code, item

# What `deidentify` writes into a file; such a file's pseudonyms are taken as they are.
METHOD = "Auscult, PS3.15 Annex E"
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
# Above this, an age alone may name a person (45 CFR 164.514(b)(2)(i)(C)).
OLDEST = 90.0
# The first days of calendars and clocks, which anonymisers write for an unknown date of birth.
PLACEHOLDERS = {"19000101", "19700101", "18000101", "00010101", "19010101"}
# View codes of PS3.16 CID 4010: SNOMED CT and the SRT codes of older files.
_VIEWS = {
    "399348003": "AP", "R-10206": "AP", "399173006": "PA", "R-10214": "PA",
    "399033003": "LL", "R-10236": "LL", "399198007": "RL", "R-10232": "RL",
    "399067008": "LATERAL", "R-10228": "RL",
}  # fmt: skip
_WORDS = {"PA": "PA", "AP": "AP", "LAT": "LATERAL", "LATERAL": "LATERAL", "LL": "LL", "RL": "RL"}
_PARTS = {"CHEST": "CHEST", "THORAX": "CHEST", "LUNG": "CHEST", "LUNGS": "CHEST"}
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_FURTHEST_DAYS = 3650


def known(dataset: Dataset, key: bytes) -> dict[str, Any]:
    """Return what a decoded image carries besides its pixels, as JSON values.

    Args:
        dataset: the file.
        key: secret for the pseudonyms; without one there is no "study".
    """
    sex = code(dataset, "PatientSex")
    return {
        "modality": code(dataset, "Modality"),
        "body_part": code(dataset, "BodyPartExamined") or _spoken(dataset, _PARTS),
        "view": _view(dataset),
        "laterality": code(dataset, "ImageLaterality") or code(dataset, "Laterality"),
        "age_years": age_years(dataset),
        "sex": sex if sex in ("M", "F", "O") else "",
        "pixel_spacing": _spacing(dataset),
        "orientation": _orientation(dataset),
        "study": study(dataset, key) if key else None,
    }


def age_years(dataset: Dataset) -> float | None:
    """Return the age at the study, in years up to 90: as stated, else from birth and study date.

    Dates of birth that tools put in where they know none say nothing.
    """
    stated = _age(dataset.get("PatientAge"))
    if stated is None:
        if str(dataset.get("PatientBirthDate") or "").strip() in PLACEHOLDERS:
            return None
        born = when(dataset.get("PatientBirthDate"))
        taken = _taken(dataset)
        if born is None or taken is None:
            return None
        stated = (taken - born).days / 365.25
    return min(stated, OLDEST) if 0 <= stated <= 130 else None


def study(dataset: Dataset, key: bytes) -> dict[str, Any]:
    """Return pseudonyms of patient, study, series and instance, and the moved date and time."""
    patient, taken = str(dataset.get("PatientID") or "").strip(), _taken(dataset)
    done = str(dataset.get("DeidentificationMethod") or "") == METHOD
    moved = timedelta() if done else shift(dataset, key)

    def alias(keyword: str) -> str:
        original = str(dataset.get(keyword) or "").strip()
        return original if done and original.startswith("2.25.") else uid(original, key)

    sop_class = str(dataset.get("SOPClassUID") or "")
    return {
        "patient": _patient(patient, key, done),
        "study": alias("StudyInstanceUID"),
        "series": alias("SeriesInstanceUID"),
        "instance": alias("SOPInstanceUID"),
        "acquired": "" if taken is None else (taken + moved).isoformat(),
        "sop_class": sop_class if sop_class.startswith("1.2.840.10008.") else "",
    }


def _patient(number: str, key: bytes, done: bool) -> str:
    if not number or (done and re.fullmatch("[0-9a-f]{16}", number)):
        return number
    return pseudonym("patient|" + number, key)[:16]


def uid(original: Any, key: bytes) -> str:
    """Return the UID that stands for another (PS3.5 B.2: 2.25 and 128 bits), "" for none."""
    text = str(original or "").strip()
    return f"2.25.{int(pseudonym('uid|' + text, key)[:32], 16)}" if text else ""


def pseudonym(text: str, key: bytes) -> str:
    """Return the keyed hash of an identifier (HMAC-SHA256, hex)."""
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def shift(dataset: Dataset, key: bytes) -> timedelta:
    """Return the days by which all dates of this patient are moved back, 1 to 3650."""
    patient = str(dataset.get("PatientID") or dataset.get("StudyInstanceUID") or "")
    return timedelta(days=-1 - int(pseudonym("days|" + patient, key)[:8], 16) % _FURTHEST_DAYS)


def _age(value: Any) -> float | None:
    """Return an age string (PS3.5 AS: nnnD, nnnW, nnnM or nnnY; bare digits are years) in years."""
    match = re.fullmatch(r"\s*(\d{1,3})\s*([DWMY]?)\s*", str(value or ""))
    if not match or int(match[1]) == 0:  # Anonymisers write 000Y.
        return None
    return int(match[1]) * _YEARS[match[2] or "Y"]


def when(value: Any, time: Any = "") -> datetime | None:
    """Return a DICOM date with its time, or None where it is none."""
    digits = re.sub(r"[.\-/\s]", "", str(value or ""))[:14]
    clock = re.sub(r"\D", "", str(time or "").partition(".")[0])
    for text, form in ((digits[:8] + clock[:6], "%Y%m%d%H%M%S"), (digits[:8], "%Y%m%d")):
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - the file names no zone
        except ValueError:
            continue
        return found if found.year > 1850 else None
    return None


def _taken(dataset: Dataset) -> datetime | None:
    """Return when the image was taken, as exactly as the file says it."""
    whole = str(dataset.get("AcquisitionDateTime") or "")
    if found := when(whole[:8], whole[8:14]):
        return found
    for kind in ("Acquisition", "Content", "Study", "Series"):
        if found := when(dataset.get(f"{kind}Date"), dataset.get(f"{kind}Time")):
            return found
    return None


def _view(dataset: Dataset) -> str:
    stated = code(dataset, "ViewPosition")
    if stated:
        return stated
    coded = item(dataset, "ViewCodeSequence")
    if coded is not None and (found := _VIEWS.get(str(coded.get("CodeValue") or "").strip())):
        return found
    if code(dataset, "Modality") not in ("CR", "DX", "RG"):
        return ""
    return _spoken(dataset, _WORDS)


def _spoken(dataset: Dataset, known_words: dict[str, str]) -> str:
    """Return the one code that the descriptions' words stand for, or "" where none or several do."""
    spoken = " ".join(
        str(dataset.get(keyword) or "")
        for keyword in ("SeriesDescription", "ProtocolName", "StudyDescription")
    )
    words = set(re.findall(r"[A-Z]+", spoken.upper()[:400]))
    found = {meaning for word, meaning in known_words.items() if word in words}
    return found.pop() if len(found) == 1 else ""


def _orientation(dataset: Dataset) -> str:
    r"""Return how rows and columns lie (PS3.3 C.7.6.1.1.1) as "L\F", or ""."""
    lie = dataset.get("PatientOrientation")
    if not lie or isinstance(lie, str) or len(lie) != 2:
        return ""
    words = [str(word).strip().upper() for word in lie]
    return "\\".join(words) if all(re.fullmatch("[A-Z]{1,3}", word) for word in words) else ""


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return millimetres between rows and between columns, or None."""
    measures = item(dataset, "PixelMeasuresSequence")
    for holder in (dataset, *((measures,) if measures is not None else ())):
        for keyword in _SPACINGS:
            try:
                down, across = (float(value) for value in holder.get(keyword) or ())
            except (TypeError, ValueError):
                continue
            if all(math.isfinite(step) and 0 < step < 100 for step in (down, across)):
                return down, across
    return None
