"""No identifier of a DICOM file survives, wherever in it the profile says that one may stand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from assistant.errors import AttachmentError
from assistant.intake import accept
from assistant.settings import Settings
from assistant.vision import _deidentify, deidentify, pseudonyms
from assistant.vision.decode import decode
from tests.assistant.vision.made import RAMP, dataset, dicom, item, written

PLANTED = "ZZIDENTIFIERZZ"
UID = "1.2.3.999777555"
KEY = b"k" * 32
NAMED = [row for row in _deidentify.named() if row[0] >> 16 > 2]
VALUES: dict[str, Any] = {
    "DA": "19770707", "TM": "070707", "DT": "19770707070707", "UI": UID, "AS": "077Y", "IS": "7077",
    "DS": "7077", "OB": PLANTED.encode(), "OW": PLANTED.encode(), "UN": PLANTED.encode(),
    "US": 7077, "SS": 7077, "UL": 7077, "SL": 7077, "FL": 7077.0, "FD": 7077.0, "AT": 0x00100010,
    "CS": PLANTED, "PN": f"{PLANTED}^ANNA",
}  # fmt: skip
TRACES = (PLANTED.encode(), UID.encode(), b"19770707", b"070707")


def plant(made: Dataset, tag: int, vr: str) -> None:
    """Put an identifier into one attribute."""
    if vr == "SQ":
        made.add_new(tag, vr, [item(PatientComments=PLANTED, PatientName=f"{PLANTED}^A")])
    else:
        made.add_new(tag, vr, VALUES.get(vr, PLANTED))


def cleaned(data: bytes, keep: bool = False) -> bytes:
    """Clean in this process: the child is `test_the_child_does_it`'s."""
    options = {"key": KEY.hex(), "keep": keep, "most": 10**8}
    return _deidentify.clean(data, options)[1]


def test_the_profile_is_whole() -> None:
    assert len(_deidentify._table()) > 600
    assert {row[2] for row in NAMED} == {"X", "Z", "D", "U"}
    tags = {row[0] for row in NAMED}
    for keyword in ("PatientName", "PatientID", "StudyDate", "AccessionNumber", "StationName"):
        assert pydicom.datadict.tag_for_keyword(keyword) in tags


def test_every_named_attribute_is_cleaned() -> None:
    made = dataset(RAMP)
    for tag, vr, _ in NAMED:
        plant(made, tag, vr.split(" or ")[0])
    before = written(made)
    assert all(trace in before for trace in TRACES)
    output = cleaned(before)
    assert [trace for trace in TRACES if trace in output] == []
    found = pydicom.dcmread(io.BytesIO(output))
    assert [BaseTag(tag) for tag, _, do in NAMED if do == "X" and tag in found] == []
    assert [BaseTag(tag) for tag, vr, do in NAMED if do == "D" and tag not in found] == []


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.sampled_from(NAMED), min_size=1, max_size=12),
    depth=st.integers(0, 4),
    keep=st.booleans(),
)
def test_nothing_planted_survives_at_any_depth(rows: list[Any], depth: int, keep: bool) -> None:
    made = dataset(RAMP)
    holder = made
    for _ in range(depth):
        inner = Dataset()
        holder.ReferencedSeriesSequence = [inner]
        holder = inner
    for tag, vr, _ in rows:
        kind = vr.split(" or ")[0]
        holder.add_new(tag, kind, [] if kind == "SQ" else VALUES.get(kind, PLANTED))
    holder.add_new(0x00091010, "LO", PLANTED)
    output = cleaned(written(made), keep)
    assert not any(trace in output for trace in TRACES[:2])
    assert pydicom.dcmread(io.BytesIO(output)).PixelData == made.PixelData


def test_private_unknown_and_repeated_identifiers_go() -> None:
    made = dataset(
        RAMP, PatientName=f"{PLANTED}^ANNA", Manufacturer="Maker", ContentQualification="PRODUCT",
        ManufacturerModelName=f"X-ray of {PLANTED}", StudyID="9", overlay=True,
    )  # fmt: skip
    made.add_new(0x00111001, "LO", PLANTED)
    made.add_new(0x60004000, "LT", PLANTED)
    made.add_new(0x50000005, "US", 1)
    made.add_new(0x00081199, "SQ", [item(ReferencedSOPInstanceUID=UID)])
    data = bytearray(written(made))
    data[:9] = b"JOHN DOE!"
    output = cleaned(bytes(data))
    found = pydicom.dcmread(io.BytesIO(output))
    assert PLANTED.encode() not in output
    assert UID.encode() not in output
    assert output[:128] == bytes(128)
    assert found.Manufacturer == "Maker"
    assert 0x60003000 not in found
    assert found.ManufacturerModelName == ""
    assert not [element for element in found if element.tag.is_private]


def test_what_was_done_is_said_in_the_file() -> None:
    made = dataset(RAMP, PatientAge="047Y", PatientSex="M", StudyDate="20200102", PatientID="5")
    basic = pydicom.dcmread(io.BytesIO(cleaned(written(made))))
    codes = [code.CodeValue for code in basic.DeidentificationMethodCodeSequence]
    assert (basic.PatientIdentityRemoved, codes) == ("YES", ["113100"])
    assert basic.LongitudinalTemporalInformationModified == "REMOVED"
    assert "PatientAge" not in basic
    assert not basic.PatientSex
    assert not basic.StudyDate
    kept = pydicom.dcmread(io.BytesIO(cleaned(written(made), keep=True)))
    assert (kept.PatientAge, kept.PatientSex) == ("047Y", "M")
    assert kept.StudyDate < "20200102"


def test_one_uid_has_one_stand_in_under_one_key() -> None:
    first = dataset(RAMP, StudyInstanceUID=UID, SeriesInstanceUID="1.2.3.8")
    second = dataset(RAMP, StudyInstanceUID=UID, SeriesInstanceUID="1.2.3.9")
    one, two = (pydicom.dcmread(io.BytesIO(cleaned(written(m)))) for m in (first, second))
    assert one.StudyInstanceUID == two.StudyInstanceUID != UID
    assert one.SeriesInstanceUID != two.SeriesInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert one.StudyInstanceUID.is_valid
    assert one.SOPClassUID == first.SOPClassUID
    options = {"key": (b"j" * 32).hex(), "keep": False, "most": 10**8}
    other = pydicom.dcmread(io.BytesIO(_deidentify.clean(written(first), options)[1]))
    assert other.StudyInstanceUID != one.StudyInstanceUID


def test_the_child_does_it_and_the_finding_stays(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"state_dir": tmp_path})
    data = dicom(
        RAMP.astype(np.uint16) * 16, BitsStored=12, PatientName=f"{PLANTED}^A", PatientID="4711",
        PatientAge="003Y", PatientSex="F", StudyDate="20200102", StudyInstanceUID=UID,
    )  # fmt: skip
    upload = accept("film.dcm", data, own)
    kept = deidentify.attachment(upload, own)
    assert PLANTED.encode() not in kept.data
    assert b"4711" not in kept.data
    before, after = decode(upload, own), decode(kept, own)
    assert (before.pixels == after.pixels).all()
    assert (before.age_years, before.sex, before.study) == (after.age_years, after.sex, after.study)
    text = accept("note.txt", b"Fever.", own)
    assert deidentify.attachment(text, own) is text
    assert PLANTED.encode() not in deidentify.header(data)


def test_what_is_no_dicom_is_refused() -> None:
    with pytest.raises(AttachmentError):
        deidentify.header(b"\x08\0\x05\0" + b"\xff" * 200)


def test_the_key_is_kept_for_its_owner_only(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"state_dir": tmp_path / "new"})
    made = pseudonyms.key(own)
    path = tmp_path / "new" / pseudonyms.FILE
    assert bytes.fromhex(path.read_text()) == made == pseudonyms.key(own)
    assert path.stat().st_mode & 0o077 == 0
    blocked = tmp_path / "file"
    blocked.write_text("")
    stuck = settings.model_copy(update={"state_dir": blocked})
    assert pseudonyms.key(stuck) == pseudonyms.key(stuck)


@pytest.mark.shared
def test_invented_patients_of_the_shared_films_go(shared_data: Path) -> None:
    paths = sorted((shared_data / "images" / "dicom" / "chest_derived").glob("*__phi.dcm"))
    assert paths
    for path in paths:
        before = pydicom.dcmread(path)
        output = cleaned(path.read_bytes())
        for keyword in ("PatientName", "PatientID", "PatientAddress", "PatientBirthDate"):
            for part in str(before.get(keyword) or PLANTED).replace("^", " ").split(" "):
                assert len(part) < 4 or part.encode() not in output
        assert pydicom.dcmread(io.BytesIO(output)).PixelData == before.PixelData
