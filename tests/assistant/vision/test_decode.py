from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from assistant.errors import AttachmentError
from assistant.intake import accept, accept_file
from assistant.settings import Settings
from assistant.vision.decode import RadiographImage, decode

RAMP = np.add.outer(np.arange(120), np.arange(130)).astype(np.uint8)


def read(data: bytes, settings: Settings, name: str = "film") -> RadiographImage:
    return decode(accept(name, data, settings), settings)


def encoded(picture: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_, **options)
    return stream.getvalue()


def dicom(values: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: object) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    bits = values.dtype.itemsize * 8
    stored = int(tags.pop("BitsStored", bits))
    dataset.Modality, dataset.BodyPartExamined = "DX", "CHEST"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, stored, stored - 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if values.ndim == 3:
        dataset.NumberOfFrames = len(values)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = values.tobytes()
    if syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


PALETTE = Image.fromarray(RAMP).convert("P")
RGBA = Image.merge("RGBA", [Image.fromarray(RAMP)] * 3 + [Image.new("L", (130, 120), 255)])


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(RAMP)),
        encoded(Image.fromarray(RAMP.astype(np.uint16) * 257)),
        encoded(PALETTE),
        encoded(RGBA),
        encoded(Image.fromarray(RAMP).convert("RGB")),
        dicom(RAMP),
        dicom(RAMP, ImplicitVRLittleEndian),
        dicom(RAMP, RLELossless),
        dicom(255 - RAMP, PhotometricInterpretation="MONOCHROME1"),
        dicom(RAMP.astype(np.uint16) * 16, BitsStored=12),
        dicom(
            RAMP.astype(np.uint16) * 16, BitsStored=12, WindowCenter="2048", WindowWidth="4096"
        ),
        dicom(RAMP.astype(np.uint16) * 16, BitsStored=12, RescaleSlope="2", RescaleIntercept="-9"),
        dicom(np.stack([RAMP, 255 - RAMP])),
    ],
    ids=[
        "png", "png16", "palette", "rgba", "rgb", "explicit", "implicit", "rle", "mono1", "12 bit",
        "window", "rescale", "frames",
    ],
)  # fmt: skip
def test_one_film_in_any_encoding_is_one_film(data: bytes, settings: Settings) -> None:
    film = read(data, settings)
    assert np.abs(film.pixels.astype(int) - RAMP).max() <= 1
    assert film.colour == 0


def test_exif_orientation_is_applied(settings: Settings) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(RAMP))
    film = read(encoded(turned, "JPEG", quality=95, exif=exif), settings)
    assert film.pixels.shape == RAMP.shape
    assert np.abs(film.pixels.astype(int) - RAMP).mean() < 4
    assert "EXIF" in film.notes[0]


def test_what_a_dicom_file_says(settings: Settings) -> None:
    film = read(dicom(RAMP, PatientAge="018M", ViewPosition="PA", ImageLaterality="L"), settings)
    assert (film.modality, film.body_part, film.view, film.laterality) == ("DX", "CHEST", "PA", "L")
    assert film.age_years == pytest.approx(1.5)
    assert read(dicom(RAMP, PatientAge="000Y"), settings).age_years is None


def test_colour_is_measured(settings: Settings) -> None:
    red = Image.merge("RGB", [Image.fromarray(RAMP), *[Image.new("L", (130, 120), 9)] * 2])
    assert read(encoded(red), settings).colour > 0.2


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "ExplVR_BigEnd.dcm", "JPEG2000.dcm"]
)
def test_pydicoms_own_files(name: str, settings: Settings) -> None:
    path = Path(str(get_testdata_file(name)))
    film = decode(accept_file(path, settings), settings)
    assert film.pixels.std() > 5
    assert film.modality


def test_no_preamble(settings: Settings) -> None:
    whole = dicom(RAMP, ImplicitVRLittleEndian)
    dataset = pydicom.dcmread(io.BytesIO(whole))
    stream = io.BytesIO()
    dataset.preamble = None
    del dataset.file_meta
    pydicom.dcmwrite(stream, dataset, implicit_vr=True, little_endian=True)
    assert stream.getvalue()[128:132] != b"DICM"
    assert (read(stream.getvalue(), settings).pixels == RAMP).all()


def test_damage_is_refused_in_a_sentence(settings: Settings) -> None:
    good = encoded(Image.fromarray(RAMP))
    broken = [
        good[: len(good) // 2],
        good[:40],
        dicom(RAMP)[:-3000],
        b"\xff\xd8\xff\xe0" + b"\1" * 500,
        dicom(RAMP, Rows=60000, Columns=60000),
    ]
    for data in broken:
        with pytest.raises(AttachmentError) as caught:
            read(data, settings)
        assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    small = Settings(max_pixels=10_000)
    with pytest.raises(AttachmentError, match="130 by 120 pixels"):
        read(encoded(Image.fromarray(RAMP)), small)


def test_a_record_is_no_image(settings: Settings) -> None:
    with pytest.raises(AttachmentError, match="a record, not an image"):
        read(b"just text", settings)


def test_torn_jpeg_rows_are_noticed() -> None:
    from assistant.vision._raster import _torn

    rows = np.add.outer(np.arange(400), np.arange(300) // 3).astype(np.uint8) // 2
    assert not _torn(rows)
    torn = rows.copy()
    for top in (80, 120, 168, 240, 320):
        torn[top : top + 8] = np.roll(torn[top : top + 8], 90, 1) + 60
    assert _torn(torn)
