from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.errors import AttachmentError, ConfigError, InputError
from retrieval.errors import IndexError_
from tests.ui.conftest import COMMAND, Run, environment
from ui import cli

HEAVY = ("torch", "transformers", "gradio", "faiss", "pydicom", "langchain", "pandas", "numpy",
         "scipy", "pydantic", "rich.console")  # fmt: skip
COMMANDS = ("chat", "ask", "image", "demo", "ingest", "doctor", "settings", "eval", "eval list", "eval run",
            "library", "library list", "library show", "library remove", "library export",
            "library verify", "library compact", "library collections", "library drop", "finetune",
            "promote", "rollback", "optimize", "merge", "feedback", "feedback export",
            "feedback review")  # fmt: skip


def one_sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Check that a failure was said as users should meet it; return what was said."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("auscult: ")
    return line.removeprefix("auscult: ")


def test_help_imports_nothing_heavy(auscult: Run, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['auscult', '--help']\n"
        "from ui import cli\n"
        "try: cli.main()\n"
        f"finally: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment(tmp_path),
    )  # fmt: skip
    assert "Usage: auscult" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = CliRunner().invoke(cli.app, [*command.split(), "--help"], prog_name="auscult")
    assert done.exit_code == 0
    assert f"Usage: auscult {command}" in done.output


def test_the_version_is_the_packages(auscult: Run) -> None:
    from importlib import metadata

    assert auscult("--version").stdout == f"auscult {metadata.version('auscult')}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["aks", "x"], "aks"),
        (["ask", "--colour", "x"], "--colour"),
        (["chat", "--port", "many"], "--port"),
        (["--config", "missing.toml", "settings"], "missing.toml"),
        (["chat", "--port", "99999"], "99999"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], word: str, auscult: Run) -> None:
    assert word in one_sentence(auscult(*arguments), ConfigError.exit_code)


def test_settings_show_value_origin_and_purpose_and_mask_secrets(
    auscult: Run, tmp_path: Path
) -> None:
    config = tmp_path / "my.toml"
    config.write_text("port = 8123\n")
    done = auscult("--config", config, "settings", AUSCULT_OPENAI_API_KEY="sk-secret-value")
    assert done.returncode == 0
    assert f"port = 8123  ({config})" in done.stdout.replace("\n", "")
    assert "host = 127.0.0.1  (default)" in done.stdout
    assert "Address that the chat page listens on." in done.stdout
    assert "sk-secret-value" not in done.stdout + done.stderr
    assert "openai_api_key = **********  (environment)" in done.stdout


def test_eval_list_says_what_each_task_asks(auscult: Run) -> None:
    from retrieval import plugins

    done = auscult("eval", "list")
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert sorted(shown) == plugins.names("evals.tasks")
    assert all(purpose.endswith((".", "?")) for purpose in shown.values())


def test_an_unknown_eval_task_is_named(auscult: Run, tmp_path: Path) -> None:
    said = one_sentence(auscult("eval", "run", "retrievel", "--out", tmp_path / "out"), 2)
    assert "Did you mean 'retrieval'?" in said


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / {"text": "film.png", "big": "big.dcm", "empty": "empty.png",
                     "missing": "missing.png", "folder": "folder"}[kind]  # fmt: skip
    if kind == "text":
        path.write_text("This is no picture.")
    elif kind == "big":
        with path.open("wb") as stream:
            stream.truncate(200_000_000)
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no file"),
        ("folder", "no file"),
        ("empty", "empty (0 bytes)"),
        ("big", "too large (200 MB)"),
        ("text", "named .png"),
    ],
)
def test_a_bad_image_is_refused_in_one_sentence(
    kind: str, words: str, auscult: Run, tmp_path: Path
) -> None:
    done = auscult("ask", "What is on it?", "--image", bad_file(kind, tmp_path))
    assert words in one_sentence(done, AttachmentError.exit_code)


def test_a_truncated_dicom_file_is_refused(auscult: Run, tmp_path: Path, state: Path) -> None:
    from pydicom.data import get_testdata_file

    whole = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole[: len(whole) // 3])
    done = auscult("ask", "Is there pneumonia?", "--image", cut, "--json", state=state)
    if done.returncode == 0:
        # Cut after its head it may still say what it is, and then the input gate refuses it.
        (finding,) = json.loads(done.stdout)["findings"]
        assert finding["refused"]
        assert finding["probability"] is None
    else:
        assert "cut.dcm" in one_sentence(done, AttachmentError.exit_code)


@pytest.mark.parametrize("question", ["", "   "])
def test_no_question_is_no_question(question: str, auscult: Run) -> None:
    assert "no question" in one_sentence(auscult("ask", question), InputError.exit_code)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("extractiv", "Did you mean 'extractive'?"),
        ("scripted:missing.json", "missing.json"),
    ],
)
def test_a_chat_model_that_is_not_there_is_named(spec: str, words: str, auscult: Run) -> None:
    done = auscult("ask", "What is gout?", "--model", spec)
    assert words in one_sentence(done, ConfigError.exit_code)


def test_a_state_folder_that_cannot_be_written_is_named(auscult: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    said = one_sentence(auscult("ask", "What is gout?", state=blocked), IndexError_.exit_code)
    assert "AUSCULT_STATE_DIR" in said


def test_a_full_disk_is_said_and_the_old_index_stays(tmp_path: Path, state: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(state, copy)
    before = (copy / "index" / "CURRENT").read_text()
    (tmp_path / "new.md").write_text("# Invented fever\n\nInvented fever is treated with rest.\n")
    # No file may grow over 1 kB: what a full disk does, without needing one.
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        "import sys; sys.argv = ['auscult', 'ingest', 'new.md']\n"
        "from ui import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=environment(copy), timeout=280,
    )  # fmt: skip
    assert "free some space" in one_sentence(done, IndexError_.exit_code)
    assert (copy / "index" / "CURRENT").read_text() == before


def test_a_damaged_index_is_said_with_what_mends_it(
    auscult: Run, tmp_path: Path, state: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(state, copy)
    generation = copy / "index" / (copy / "index" / "CURRENT").read_text().split()[0]
    vectors = next(generation.rglob("vectors.f16"))
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(data)
    said = one_sentence(auscult("ask", "What is gout?", state=copy), IndexError_.exit_code)
    assert "auscult ingest --rebuild" in said


def test_ingest_wants_something_and_names_what_is_missing(auscult: Run) -> None:
    assert "Nothing to ingest" in one_sentence(auscult("ingest"), InputError.exit_code)
    assert "nowhere" in one_sentence(auscult("ingest", "nowhere"), InputError.exit_code)


def test_an_answer_has_sources_that_can_be_read(auscult: Run, state: Path) -> None:
    done = auscult("ask", "How is gout treated?", state=state)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "[1]" in done.stdout
    assert "Sources\n[1] " in done.stdout
    assert "Decision support for professionals." in done.stdout


def test_a_batch_answers_every_row_in_order_and_fails_at_the_end(
    auscult: Run, state: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    (folder / "note.txt").write_text("Allergies: penicillin (rash)\n")
    rows = [
        '{"id": "lit", "question": "How is gout treated?"}',
        '{"id": "broken", "question": "cut off',
        '{"id": 3, "question": "What allergies are there?", "record": "note.txt"}',
        '{"id": "gone", "question": "?", "image": ["no.png"]}',
        "",
        '{"id": "odd", "question": 7}',
        '{"id": "extra", "question": "x", "images": "a.png"}',
        '{"id": "half", "question": "What is gout \\ud83d?"}',
    ]
    batch = folder / "questions.jsonl"
    batch.write_text("\n".join(rows) + "\n")
    done = auscult("ask", "--batch", batch, "--json", state=state)
    assert done.returncode == InputError.exit_code
    assert done.stderr == "auscult: 4 of 7 questions failed.\n"
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in out] == ["lit", None, 3, "gone", "odd", "extra", "half"]
    assert [row["id"] for row in out if "error" in row] == [None, "gone", "odd", "extra"]
    literature, broken, allergies, *_ = out
    assert literature["claims"][0]["citations"][0]["quote"]
    assert "Line 2 of questions.jsonl" in broken["error"]
    assert [fact["name"] for fact in allergies["record"]["allergies"]] == ["penicillin"]
    # A session of its own for each row: the record of row 3 is not in row 8.
    assert out[-1]["record"] is None


@pytest.mark.parametrize("arguments", [["--batch", "gone.jsonl"], ["hello", "--batch", "b.jsonl"]])
def test_a_batch_that_cannot_begin_says_why(
    arguments: list[str], auscult: Run, tmp_path: Path
) -> None:
    (tmp_path / "b.jsonl").write_text("{}\n")
    one_sentence(auscult("ask", *arguments), InputError.exit_code)


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "settings"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(tmp_path),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) in (0, 1)
