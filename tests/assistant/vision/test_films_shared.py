from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from assistant.errors import AttachmentError
from assistant.intake import accept_file
from assistant.settings import Settings
from assistant.types import Finding
from assistant.vision.decode import decode
from assistant.vision.judge import ImageJudge
from finetune import recipe as recipes
from finetune.image import data

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def images(shared_data: Path) -> Path:
    return shared_data / "images"


def findings(paths: list[Path], judge: ImageJudge, settings: Settings) -> list[Finding]:
    films = (decode(accept_file(path, settings), settings) for path in paths)
    return list(judge.judge_many(films))


def test_one_film_in_any_dicom_encoding_gets_one_finding(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    paths = sorted((images / "dicom" / "chest_derived").glob("IM-0319-0001__*.dcm"))
    found = findings(paths, judge, settings)
    assert len(found) >= 8
    assert not any(finding.refused for finding in found)
    chances = np.array([finding.probability for finding in found], dtype=float)
    lossless = np.array(["jpegbaseline" not in path.name for path in paths])
    assert np.ptp(chances[lossless]) < 1e-3
    assert np.ptp(chances) < 0.05


def test_invented_patient_data_stay_out_of_findings(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    import pydicom

    path = next((images / "dicom" / "chest_derived").glob("*__phi.dcm"))
    name = str(pydicom.dcmread(path).PatientName)
    finding = judge.judge(accept_file(path, settings))
    pictures = dict.fromkeys(("heatmap", "heat", "picture"), "")
    text = str({**finding.to_json(), **pictures})
    for part in name.replace("^", " ").split():
        assert part not in text


def test_real_chest_dicom_of_adults_is_judged(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    for name in ("CR-MONO1-10-chest", "nih_rsna_mono2_jpegbaseline.dcm"):
        finding = judge.judge(accept_file(images / "dicom" / "chest" / name, settings))
        assert not finding.refused, finding.reason
    assert any("outside the training population" in note for note in finding.notes)


def test_wrongly_inverted_film_is_turned_back_and_says_so(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    path = images / "dicom" / "chest" / "Fake_MONOHR1.dcm"
    finding = judge.judge(accept_file(path, settings))
    assert not finding.refused
    assert finding.gate is not None
    assert finding.gate.inverted
    assert any("inverted" in note for note in finding.notes)


@pytest.mark.parametrize("folder", ["hostile", "dicom/broken"])
def test_hostile_and_broken_files_end_in_a_sentence(
    folder: str, images: Path, judge: ImageJudge, settings: Settings
) -> None:
    judged, said = [], []
    for path in sorted((images / folder).iterdir()):
        try:
            finding = judge.judge(accept_file(path, settings))
        except AttachmentError as error:
            said.append(str(error))
            continue
        if not finding.refused:
            judged.append(path.name)
    assert not [words for words in said if "\n" in words]
    # The same healthy film under other containers, with injected words, turned or inverted.
    assert set(judged) <= {
        "chest_16bit.png", "chest_rgba.png", "chest_exif_injection.jpeg",
        "chest_exif_orientation_6.jpeg", "chest_png_text_injection.png", "chest.tiff",
        "chest_inverted.jpeg", "chest_upside_down.jpeg",
    }  # fmt: skip


@pytest.mark.slow
def test_dicom_that_is_no_chest_film_is_refused(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    for path in sorted((images / "dicom" / "other").iterdir()):
        with suppress(AttachmentError):
            assert judge.judge(accept_file(path, settings)).refused, path.name


def test_held_out_films_rank_well_and_pass_the_gate(images: Path, judge: ImageJudge) -> None:
    from assistant.vision.decode import RadiographImage
    from finetune.image.score import auroc

    block = recipes.load("pneumonia", {"data.limit": 900}).data
    films = data.load(images / "kermany_index.csv", block)
    held = films.take(data.parts(films, block)["hold-out"])
    found = list(judge.judge_many(RadiographImage(pixels, "jpeg") for pixels in held.pixels))
    assert sum(finding.refused for finding in found) <= len(found) // 50
    judged = [row for row, finding in enumerate(found) if not finding.refused]
    chances = np.array([found[row].probability for row in judged], dtype=float)
    assert auroc(chances, held.labels[judged]) > 0.95


def test_adults_are_chest_films_and_other_organs_are_not(
    images: Path, judge: ImageJudge, settings: Settings
) -> None:
    def rows(name: str, step: int) -> list[Path]:
        with (images / name).open(newline="", encoding="utf-8") as stream:
            return [images / row["file"] for row in csv.DictReader(stream)][::step]

    adults = findings(rows("external_nih_index.csv", 20), judge, settings)
    assert sum(finding.refused for finding in adults) <= 1
    organs = findings(
        rows("brain_mri_index.csv", 80) + rows("breast_us_index.csv", 40), judge, settings
    )
    assert sum(finding.refused for finding in organs) >= 0.9 * len(organs)
