"""The CSV file of `auscult image`: whole rows whatever happens, and none that a spreadsheet runs."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import InputError
from ui.commands._image_rows import Rows


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def fill(out: Path, limit: Callable[[], None]) -> None:
    with Rows(out, "r", resume=False) as made:
        # No file may grow over 2 kB: what a full disk does, without needing one.
        limit()
        for number in range(200):
            made.add({"file": f"{number}.png", "sha256": "d", "decision": "refused", "run": "r"})
            made.save()


def test_rows_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with Rows(out, "run-a", resume=False) as made:
        made.add({"file": "f", "sha256": "d", "decision": "refused", "run": "run-a"})
    with pytest.raises(InputError, match="run-a"):
        Rows(out, "run-b", resume=True)
    with Rows(out, "run-a", resume=True) as again:
        assert ("f", "d") in again.done


@pytest.mark.parametrize("hostile", ["=1+1", "+a", "@x", "-2", "'=x", 'a"b,c\nd', "caf\udce9"])
def test_hostile_names_survive_the_csv(hostile: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    name = hostile.encode("utf-8", "backslashreplace").decode()
    for _ in range(2):
        with Rows(out, "r", resume=True) as made:
            if not made.done:
                made.add({"file": name, "sha256": "d", "decision": "refused", "run": "r"})
    (row,) = rows(out)
    assert not row["file"].startswith(("=", "+", "-", "@"))
    with Rows(out, "r", resume=True) as made:
        ((file, _),) = made.done
    assert file == " ".join(name.split())


@pytest.mark.parametrize("end", ["", "x", "a.png,d", '"a.png', "\0\0\0\0", "a,b\nc,d"])
def test_torn_ends_are_taken_out(end: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with Rows(out, "r", resume=False) as made:
        made.add({"file": "a.png", "sha256": "d", "decision": "refused", "run": "r"})
    whole = out.read_text()
    out.write_text(whole + end)
    with Rows(out, "r", resume=True) as made:
        assert list(made.done) == [("a.png", "d")]
    assert out.read_text() == whole


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_said_and_whole_rows_stay(tmp_path: Path) -> None:
    import resource

    out = tmp_path / "out.csv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(InputError, match="free some space"):
            fill(out, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1])))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    with Rows(out, "r", resume=True) as again:
        assert len(again.done) > 10
        assert all(row["decision"] == "refused" for row in again.done.values())


def test_a_device_is_no_csv_file() -> None:
    with pytest.raises(InputError, match="no regular file"):
        Rows(Path(os.devnull), "r", resume=True)
