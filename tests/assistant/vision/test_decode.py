"""Reading pictures: one film in any encoding is one film, and damage is a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, TiffImagePlugin
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from assistant.errors import AttachmentError, InputError
from assistant.intake import accept, accept_file
from assistant.settings import Settings
from assistant.vision.decode import RadiographImage, decode, decode_many, decode_together
from tests.assistant.vision.made import RAMP, dicom, encoded, item


def read(data: bytes, settings: Settings, name: str = "film") -> RadiographImage:
    return decode(accept(name, data, settings), settings)


def tiff(values: np.ndarray, **options: object) -> bytes:
    return encoded(Image.fromarray(values), "TIFF", **options)


def white_is_zero(values: np.ndarray) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    return encoded(Image.fromarray(values), "TIFF", tiffinfo=tags)


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
        tiff(RAMP),
        tiff(RAMP, compression="tiff_lzw"),
        tiff(RAMP.astype(np.uint16) * 257),
        tiff(RAMP.astype(np.uint16) * 16),
        encoded(Image.fromarray(RAMP), "TIFF", append_images=[Image.fromarray(RAMP.T)], save_all=True),
        encoded(Image.fromarray(RAMP).convert("RGB"), "WEBP", lossless=True),
        dicom((RAMP.astype(np.uint16) * 16).astype(">u2"), ExplicitVRBigEndian, BitsStored=12),
        dicom(RAMP, DeflatedExplicitVRLittleEndian),
        dicom(RAMP.astype(np.uint16) * 16, JPEGLSLossless, BitsStored=12),
        dicom(RAMP.astype(np.uint16) * 16, JPEG2000Lossless, BitsStored=12),
        dicom(RAMP.astype(np.int16) * 16 - 2048, BitsStored=12),
        dicom(RAMP.astype(np.uint16) * 16 + 0xF000, BitsStored=12),
        dicom(np.stack([RAMP] * 3, -1)),
        dicom(RAMP, overlay=True),
    ],
    ids=[
        "png", "png16", "palette", "rgba", "rgb", "explicit", "implicit", "rle", "mono1", "12 bit",
        "window", "rescale", "frames", "tiff", "lzw", "tiff16", "tiff12", "pages", "webp", "big",
        "deflated", "jpegls", "jpeg2000", "signed", "high bits", "colour", "overlay",
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


def test_white_may_be_zero(settings: Settings) -> None:
    film = read(white_is_zero(RAMP.astype(np.uint16) * 257), settings)
    assert np.abs(255 - film.pixels.astype(int) - RAMP).max() <= 1


def test_pages_and_frames_are_said(settings: Settings) -> None:
    pages = [Image.fromarray(RAMP)] * 3
    film = read(encoded(pages[0], "TIFF", append_images=pages[1:], save_all=True), settings)
    assert (film.format, film.frames) == ("tiff", 3)
    assert "first of its 3 pages" in film.notes[0]


def test_printing_colours_become_grey(settings: Settings) -> None:
    inks = Image.merge("CMYK", [Image.new("L", (130, 120))] * 3 + [Image.fromarray(255 - RAMP)])
    film = read(encoded(inks, "TIFF"), settings)
    assert np.abs(film.pixels.astype(int) - RAMP).max() <= 1


def test_what_a_dicom_file_says(settings: Settings) -> None:
    film = read(dicom(RAMP, PatientAge="018M", ViewPosition="PA", ImageLaterality="L"), settings)
    assert (film.modality, film.body_part, film.view, film.laterality) == ("DX", "CHEST", "PA", "L")
    assert film.age_years == pytest.approx(1.5)
    assert read(dicom(RAMP, PatientAge="000Y"), settings).age_years is None


def test_what_else_a_dicom_file_says(settings: Settings) -> None:
    data = dicom(
        RAMP, PatientBirthDate="20180601", StudyDate="20200601", PatientSex="F", PatientID="77",
        StudyInstanceUID="1.2.3.4", SeriesInstanceUID="1.2.3.5", PixelSpacing=["0.2", "0.25"],
        PatientOrientation=["R", "F"], ViewCodeSequence=[item(CodeValue="R-10206")],
        BurnedInAnnotation="YES", SeriesDescription="THORAX",
    )  # fmt: skip
    film, again = read(data, settings), read(data, settings)
    assert film.age_years == pytest.approx(2, abs=0.01)
    assert (film.sex, film.view, film.orientation, film.frames) == ("F", "AP", "R\\F", 1)
    assert film.pixel_spacing == (0.2, 0.25)
    assert "burned into" in film.burned_in[0]
    assert film.study == again.study is not None
    assert film.study.study.startswith("2.25.")
    assert film.study.acquired[:4] < "2020"
    assert "77" not in film.study.patient or len(film.study.patient) == 16
    older = read(dicom(RAMP, PatientAge="104Y"), settings)
    assert older.age_years == 90


def test_windows_of_a_ct(settings: Settings) -> None:
    values = np.linspace(-1024, 1500, RAMP.size).reshape(RAMP.shape).astype(np.int16)
    file = accept("slice", dicom(values, Modality="CT", RescaleType="HU"), settings)
    lung, bone = (decode(file, settings, name).pixels for name in ("lung", "bone"))
    assert (lung[values > 200] == 255).all()
    assert (bone[values < -520] == 0).all()
    assert len(np.unique(lung[values < -300])) > 50
    with pytest.raises(InputError, match="choose one of"):
        decode(file, settings, "kidney")


def test_many_are_decoded_in_order(settings: Settings) -> None:
    films = [encoded(Image.fromarray(np.roll(RAMP, n, 1))) for n in range(9)]
    films[4] = films[4][:60]
    found = list(decode_many((accept("f", data, settings) for data in films), settings, 3))
    assert isinstance(found[4], AttachmentError)
    for number, film in enumerate(found):
        if isinstance(film, RadiographImage):
            assert (film.pixels == np.roll(RAMP, number, 1)).all()


def test_colour_is_measured(settings: Settings) -> None:
    other = Image.fromarray(np.ascontiguousarray(RAMP.T[:120, :]).repeat(2, 1)[:, :130])
    garish = Image.merge("RGB", [Image.fromarray(RAMP), other, Image.fromarray(255 - RAMP)])
    assert read(encoded(garish), settings).colour > 0.1


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


def test_what_is_imported_late_is_brought_in_beforehand() -> None:
    import sys

    from assistant.vision import _dicom, _raster

    _raster.warm()
    _dicom.warm()
    assert {"scipy.ndimage", "PIL.TiffImagePlugin", "pylibjpeg"} <= set(sys.modules)


def test_pictures_that_share_a_child_are_what_they_are_alone(settings: Settings) -> None:
    files = [encoded(Image.fromarray(RAMP)), b"\x89PNG\r\n\x1a\n broken", dicom(RAMP)]
    given = [accept(f"f{number}", data, settings) for number, data in enumerate(files)]
    first, broken, last = decode_together(given, settings)
    assert isinstance(broken, AttachmentError)
    assert "f1" in str(broken)
    for found, attachment in ((first, given[0]), (last, given[2])):
        alone = decode(attachment, settings)
        assert isinstance(found, RadiographImage)
        assert (found.pixels == alone.pixels).all()
        assert (found.modality, found.notes, found.study) == (
            alone.modality, alone.notes, alone.study,
        )  # fmt: skip


def test_a_child_that_dies_over_several_pictures_costs_none_of_them(settings: Settings) -> None:
    # Each fits into the output that is allowed; together they don't.
    tight = settings.model_copy(update={"max_pixels": RAMP.size, "decode_timeout_s": 20})
    wide = np.zeros((1100, 1000), np.uint8)
    roomy = settings.model_copy(update={"max_pixels": wide.size})
    small = [accept(f"f{n}", encoded(Image.fromarray(RAMP)), tight) for n in range(2)]
    large = [accept(f"g{n}", encoded(Image.fromarray(wide)), roomy) for n in range(2)]
    assert all(isinstance(one, RadiographImage) for one in decode_together(small, tight))
    assert all(isinstance(one, RadiographImage) for one in decode_together(large, roomy))


def test_a_date_of_birth_that_stands_for_none_gives_no_age(settings: Settings) -> None:
    made = dicom(RAMP, PatientBirthDate="19700101", StudyDate="20200101")
    assert read(made, settings).age_years is None
