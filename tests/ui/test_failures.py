from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import AttachmentError, ConfigError
from retrieval.errors import AuscultError, IndexError_
from ui import failures


def run(error: BaseException | None, folder: Path) -> int:
    def body() -> int:
        if error is not None:
            raise error
        return 5

    return failures.guarded(body, lambda: folder)


@pytest.mark.parametrize("kind", [AuscultError, ConfigError, AttachmentError, IndexError_])
def test_an_expected_error_is_one_sentence_and_its_code(
    kind: type[AuscultError], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(kind("It is\nbroken."), tmp_path) == kind.exit_code
    assert capsys.readouterr() == ("", "auscult: It is broken.\n")


def test_an_interrupt_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(KeyboardInterrupt(), tmp_path) == 130
    assert capsys.readouterr() == ("", "")


def test_success_passes_the_code_on(tmp_path: Path) -> None:
    assert run(None, tmp_path) == 5


def test_a_bug_saves_frames_without_any_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise KeyError("Mrs Example, HIV positive")
    except KeyError as cause:
        error = ValueError("Mrs Example, HIV positive")
        error.__cause__ = cause
    assert run(error, tmp_path) == failures.BUG
    (saved,) = (tmp_path / "crashes").iterdir()
    err = capsys.readouterr().err
    assert str(saved) in err
    assert "Traceback" not in err
    text = saved.read_text(encoding="utf-8")
    assert "ValueError" in text
    assert "caused by KeyError" in text
    assert "test_failures.py" in text
    assert "Mrs Example, HIV positive" not in text.replace('raise KeyError("Mrs Example', "")


def test_a_bug_is_saved_elsewhere_when_the_state_folder_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(spare))
    assert run(RuntimeError(), blocked) == failures.BUG
    assert str(spare) in capsys.readouterr().err
