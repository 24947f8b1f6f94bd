"""`auscult image`: one film, a folder, a study; CSV that is gone on with; forms of a finding."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import assistant.vision
from assistant.errors import AttachmentError, InputError
from ui import cli
from ui.commands import _image_files, _image_rows, image
from ui.commands._image_stream import Film
from ui.commands._image_write import Outputs, windowed

if TYPE_CHECKING:
    from assistant.findings import Finding

# The synthetic films that ship.
FILMS = sorted((Path(assistant.vision.__file__).parent / "samples").glob("*.png"))
pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:highdicom")


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_STATE_DIR", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two films, one of them deep down, a file that is no film, and a broken one."""
    place = tmp_path / "films"
    (place / "a" / "b").mkdir(parents=True)
    shutil.copy(FILMS[0], place / "one.png")
    shutil.copy(FILMS[1], place / "a" / "b" / "two.PNG")
    (place / "a" / "broken.png").write_bytes(FILMS[0].read_bytes()[:500])
    (place / "notes.txt").write_text("nothing to see")
    (place / ".hidden.png").write_bytes(b"x")
    return place


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def judge(*paths: Path, **options: Any) -> int:
    return image.run(None, paths, image.Options(**options))


def test_a_folder_becomes_a_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out.csv"
    code = judge(folder, csv=out)
    assert code == InputError.exit_code
    found = rows(out)
    assert [Path(one["file"]).name for one in found] == ["one.png", "broken.png", "two.PNG"]
    assert list(found[0]) == list(_image_rows.COLUMNS)
    assert [one["decision"] == "unreadable" for one in found] == [False, True, False]
    assert "broken.png" in found[1]["reason"]
    for one in (found[0], found[2]):
        assert one["decision"] in ("suspected", "uncertain", "ruled out")
        assert 0 <= float(one["probability"]) <= 1
        assert one["model"]
        assert float(one["seconds"]) > 0
        assert one["gate"] == "film"
    said = capsys.readouterr().err
    assert "3 films" in said
    assert "1 unreadable" in said
    assert "1 other file in the folders was passed over" in said


def test_a_stopped_run_is_gone_on_with(folder: Path) -> None:
    out = folder.parent / "out.csv"
    (folder / "a" / "broken.png").unlink()
    assert judge(folder, csv=out) == 0
    whole = rows(out)
    lines = out.read_text().splitlines(keepends=True)
    # Power went while the second row was written.
    out.write_text(lines[0] + lines[1] + lines[2][:40])
    assert judge(folder, csv=out, resume=True) == 0
    again = rows(out)
    assert [(r["file"], r["probability"]) for r in again] == [
        (r["file"], r["probability"]) for r in whole
    ]
    # The first film was not judged again: its row is the very same.
    assert again[0] == whole[0]


def test_a_changed_film_is_judged_anew_and_a_failure_tried_again(folder: Path) -> None:
    out = folder.parent / "out.csv"
    judge(folder, csv=out)
    shutil.copy(FILMS[0], folder / "a" / "broken.png")
    assert judge(folder, csv=out, resume=True) == 0
    found = rows(out)
    assert len(found) == 3
    assert "unreadable" not in {one["decision"] for one in found}


def test_a_file_that_is_there_is_not_written_over(folder: Path) -> None:
    out = folder.parent / "out.csv"
    out.write_text("mine")
    with pytest.raises(InputError, match="--resume"):
        judge(folder, csv=out)
    with pytest.raises(InputError, match="columns differ"):
        judge(folder, csv=out, resume=True)
    assert out.read_text() == "mine"


def test_json_lines_hold_the_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge(folder, as_json=True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == 3
    assert [one["error"] is None for one in found] == [True, False, True]
    assert found[0]["finding"]["label"] == "pneumonia"
    assert found[0]["finding"]["heatmap"] is None


def test_one_film_is_told_with_its_caveats(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(FILMS[0]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Pneumonia" in lines[0]
    assert any("age" in line for line in lines[1:])


def test_every_form_of_every_film_goes_into_the_folder(folder: Path, tmp_path: Path) -> None:
    import pydicom

    from assistant.vision.outputs import json as as_json

    out = tmp_path / "forms"
    judge(folder / "one.png", folder / "a" / "b", out=out, prevalence=0.2, window="lung")
    names = sorted(path.name for path in out.iterdir())
    endings = (".fhir.json", ".film.dcm", ".finding.json", ".heatmap.dcm", ".heatmap.png", ".pdf",
               ".sr.dcm")  # fmt: skip
    assert len(names) == 2 * len(endings)
    assert all(any(name.endswith(end) for name in names) for end in endings)
    import jsonschema

    (path,) = out.glob("one-*.finding.json")
    value = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(value, as_json.schema())
    assert value["predictive_values"]["prevalence"] == 0.2
    (report,) = out.glob("one-*.sr.dcm")
    (film,) = out.glob("one-*.film.dcm")
    assert pydicom.dcmread(film).SOPInstanceUID in str(pydicom.dcmread(report))


def test_one_film_goes_to_the_files_that_are_named(tmp_path: Path) -> None:
    places = {"fhir": tmp_path / "report.json", "heatmap": tmp_path / "map.png",
              "pdf": None, "sr": tmp_path / "new" / "finding.dcm"}  # fmt: skip
    assert judge(FILMS[0], places=places) == 0
    made = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {"report.json", "map.png", "finding.dcm", "finding.film.dcm"}
    assert json.loads((tmp_path / "report.json").read_text())["resourceType"] == "Bundle"


def test_a_window_changes_the_pictures_and_not_the_finding() -> None:
    from assistant.settings import Settings
    from assistant.vision.judge import ImageJudge
    from ui.commands._image_stream import Work, stream

    settings = Settings()
    (film,) = stream(FILMS[:1], Work(ImageJudge(settings), settings, heatmap=True))
    finding: Finding | None = film.finding
    assert finding is not None
    shown = windowed(finding, "bone")
    assert shown.picture != finding.picture
    assert shown.heatmap != finding.heatmap
    assert shown.probability == finding.probability


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prevalence": 1.5}, "--prevalence is 1.5"),
        ({"prevalence": 0.0}, "--prevalence is 0.0"),
        ({"resume": True}, "--csv"),
        ({"window": "lnug"}, "lnug"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge(FILMS[0], **options)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AttachmentError, match="missing"):
        judge(tmp_path / "missing")
    with pytest.raises(InputError, match="no picture"):
        judge(tmp_path)


def test_several_films_do_not_go_into_one_file(tmp_path: Path) -> None:
    taken = tmp_path / "report.pdf"
    taken.write_text("here")
    with pytest.raises(InputError, match="several films"):
        judge(*FILMS[:2], places={"pdf": taken})
    assert taken.read_text() == "here"


def test_films_are_found_by_their_bytes_and_once(folder: Path) -> None:
    shutil.copy(FILMS[0], folder / "a" / "no_ending")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    found = _image_files.find((folder, folder / "one.png", folder / "notes.txt"))
    names = [path.name for path in found.films]
    assert sorted(names) == ["broken.png", "no_ending", "notes.txt", "one.png", "two.PNG"]
    assert found.others == 2


def test_a_link_to_the_folder_itself_ends(folder: Path) -> None:
    (folder / "a" / "round").symlink_to(folder, target_is_directory=True)
    assert len(_image_files.find((folder,)).films) == 3


def test_order_is_kept_and_a_slow_film_holds_nothing_up(tmp_path: Path) -> None:
    from ui.commands._image_stream import _ahead

    def slow(paths: Sequence[Path]) -> list[Film]:
        time.sleep(0.05 if paths[0].name == "0" else 0)
        return [Film(path, path.name) for path in paths]

    made = list(_ahead([Path(str(n)) for n in range(50)], slow, 8))
    assert [film.key for film in made] == [str(n) for n in range(50)]


def test_help_is_light(tmp_path: Path) -> None:
    heavy = ("torch", "numpy", "pydicom", "highdicom", "reportlab", "PIL")
    code = (
        "import sys; sys.argv = ['auscult', 'image', '--help']\nfrom ui import cli\n"
        f"try: cli.main()\nfinally: print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )  # fmt: skip
    assert "--resume" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.skipif(os.name != "posix", reason="sends an interrupt")
def test_an_interrupt_leaves_rows_that_are_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    data = FILMS[0].read_bytes()
    for number in range(160):
        (films / f"{number:03d}.png").write_bytes(data)
    out = tmp_path / "out.csv"
    over = threading.Event()

    def interrupt() -> None:
        while not over.wait(0.005):
            if out.exists() and out.read_text().count("\n") > 1:
                os.kill(os.getpid(), signal.SIGINT)
                return

    # A run in the background of a shell is started with the signal ignored.
    before_it = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            judge(films, csv=out)
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGINT, before_it)
    assert "--resume" in capsys.readouterr().err
    before = rows(out)
    assert 0 < len(before) < 160
    assert judge(films, csv=out, resume=True) == 0
    after = rows(out)
    assert len(after) == len({row["file"] for row in after}) == 160
    assert after[: len(before)] == before


def test_a_patient_is_named_only_where_given(tmp_path: Path) -> None:
    import pydicom

    nobody, somebody = tmp_path / "a.dcm", tmp_path / "b.dcm"
    judge(FILMS[0], places={"sr": nobody})
    judge(FILMS[0], places={"sr": somebody}, patient_id="MRN 7", patient_name="Roe, Ann")
    assert not pydicom.dcmread(nobody).PatientName
    assert pydicom.dcmread(somebody).PatientName == "Roe^Ann"


def dicom(path: Path, **more: str) -> None:
    """Write the first synthetic film as a DICOM file of a named patient."""
    import pydicom
    from PIL import Image
    from pydicom.dataset import Dataset, FileMetaDataset

    with Image.open(FILMS[0]) as film:
        grey = film.convert("L")
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4.7"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.4.5", "1.2.3.4.6"
    made.PatientName, made.PatientID = "Planted^Name", "PLANTED-ID"
    made.PatientBirthDate, made.StudyDate = "20200102", "20240506"
    made.AccessionNumber, made.InstitutionName = "PLANTED-ACC", "Planted Hospital"
    made.Modality, made.BodyPartExamined, made.ViewPosition = "DX", "CHEST", "PA"
    made.Rows, made.Columns = grey.height, grey.width
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = grey.tobytes() + b"\0" * (grey.width * grey.height % 2)
    for keyword, value in more.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)


def test_a_study_keeps_together_under_pseudonyms(tmp_path: Path) -> None:
    import pydicom

    study = tmp_path / "study"
    study.mkdir()
    dicom(study / "1")
    dicom(study / "2", SOPInstanceUID="1.2.3.4.8")
    out = tmp_path / "out.csv"
    places = {form: tmp_path / form for form in ("sr", "capture", "fhir")}
    assert judge(study, csv=out, places=places) == 0
    one, two = rows(out)
    assert one["study"] == two["study"] != ""
    assert one["series"] == two["series"]
    reports = [pydicom.dcmread(path) for path in sorted(places["sr"].iterdir())]
    assert {report.StudyInstanceUID for report in reports} == {one["study"]}
    assert not list(places["sr"].glob("*.film.dcm"))
    captures = [pydicom.dcmread(path) for path in sorted(places["capture"].iterdir())]
    assert {made.StudyInstanceUID for made in captures} == {one["study"]}
    planted = (b"Planted", b"PLANTED", b"20200102", b"20240506", b"1.2.3.4.")
    for path in (out, *tmp_path.glob("*/*.json"), *tmp_path.glob("*/*.dcm")):
        assert not [word for word in planted if word in path.read_bytes()], path


def test_outputs_want_nothing_by_default() -> None:
    assert not Outputs(places={})
    assert Outputs(places={"pdf": Path("x.pdf")})
