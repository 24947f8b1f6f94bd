"""Atomic writing: the old file or the new one, never half of one, and nothing left behind."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from retrieval import files

ROOT = Path(__file__).resolve().parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(target: Path, error: type[BaseException]) -> None:
    with files.atomic_path(target) as temporary:
        temporary.write_text("new, but not whole")
        raise error


def fill_half(target: Path, error: Exception) -> None:
    with files.atomic_folder(target) as temporary:
        (temporary / "a").write_text("1")
        raise error


def fill_while_another_does(target: Path) -> None:
    with files.atomic_folder(target) as ours:
        (ours / "a").touch()
        target.mkdir()
        (target / "theirs").touch()


def test_a_file_is_written_whole_private_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    files.write_text(target, "größe\n")
    assert target.read_bytes() == "größe\n".encode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(target.parent) == ["a.txt"]


def test_nothing_is_at_the_target_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with files.atomic_path(target) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        assert not target.exists()
    assert target.read_text() == "half"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(error):
        write_half(target, error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_unencodable_text_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(target, "new \ud800")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_target_that_is_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept").touch()
    with pytest.raises(OSError, match="directory"):
        files.write_text(tmp_path / "a", "text")
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["kept"]


def test_a_process_that_dies_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    code = (
        "import os, sys; from pathlib import Path; from retrieval import files\n"
        "with files.atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('new'); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert target.read_text() == "old"


def test_writers_at_once_leave_one_of_their_texts(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    texts = [letter * 200_000 for letter in "abcdefgh"]
    threads = [threading.Thread(target=files.write_text, args=(target, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_text() in texts
    assert names(tmp_path) == ["a.txt"]


def test_json_keeps_order_and_script(tmp_path: Path) -> None:
    value = {"z": "哮喘", "a": [1, 2.5, None]}
    files.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "哮喘" in text
    assert text.index('"z"') < text.index('"a"')
    assert text.endswith("}\n")


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a.json", {"new": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "g1"
    with files.atomic_folder(target) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "a").write_text("1")
        assert not target.exists()
    assert (target / "inner" / "a").read_text() == "1"
    assert names(target.parent) == ["g1"]


def test_an_exception_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"):
        fill_half(tmp_path / "g1", ValueError("stop"))
    assert names(tmp_path) == []


def test_a_folder_that_exists_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "g1").mkdir()
    (tmp_path / "g1" / "kept").touch()
    with pytest.raises(FileExistsError), files.atomic_folder(tmp_path / "g1"):
        pytest.fail("the body must not run")
    assert names(tmp_path / "g1") == ["kept"]


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not empty"):
        fill_while_another_does(tmp_path / "g1")
    assert names(tmp_path) == ["g1"]
    assert names(tmp_path / "g1") == ["theirs"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_digests_are_those_of_the_standard(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(data[:size])
    assert files.sha256(tmp_path / "a") == hashlib.sha256(data[:size]).hexdigest()


def test_syncing_a_folder_that_is_absent_is_no_error(tmp_path: Path) -> None:
    files.sync_folder(tmp_path / "absent")
