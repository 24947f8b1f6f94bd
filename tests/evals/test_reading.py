"""Malformed evaluation data is refused in one sentence that names the file and the line."""

from __future__ import annotations

import gzip

import pytest

from evals import reading
from retrieval.errors import InputError


def test_json_lines_plain_and_gzipped(tmp_path) -> None:
    text = '{"a": "x"}\n\n{"a": "y"}\n'
    (tmp_path / "p.jsonl").write_text(text)
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("p.jsonl", "p.jsonl.gz"):
        rows = reading.json_lines(tmp_path / name, {"a": str})
        assert [(r["a"], r["_line"]) for r in rows] == [("x", 1), ("y", 3)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": "x"}\n{"a": \n', "line 2 is not valid JSON"),
        ('{"a": "x"}\n[1]\n', "line 2 is a JSON list"),
        ('{"b": "x"}\n', "line 1 has no 'a'"),
        ('{"a": 3}\n', "line 1: 'a' is no str"),
        ("\n", "holds no samples"),
    ],
)
def test_bad_json_lines(tmp_path, text, says) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(InputError, match=says) as error:
        reading.json_lines(tmp_path / "bad.jsonl", {"a": str})
    assert "bad.jsonl" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,name\nx,y\n", "no column 'label'"),
        ("file,label\nx,y\nz\n", "line 3 has not as many fields"),
        ("file,label\nx,y,z\n", "line 2 has not as many fields"),
        ("file,label\n", "holds no rows"),
        ("", "no column 'file'"),
    ],
)
def test_bad_tables(tmp_path, text, says) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        reading.table(tmp_path / "bad.csv", ("file", "label"))


def test_damaged_files(tmp_path) -> None:
    whole = gzip.compress(b'{"a": "x"}\n' * 50)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "odd.jsonl").write_bytes(b"\xff\xfe{")
    (tmp_path / "no.jsonl.gz").write_bytes(b"plain")
    for name, says in (
        ("cut.jsonl.gz", "can't be read"),
        ("no.jsonl.gz", "can't be read"),
        ("odd.jsonl", "not UTF-8"),
        ("absent.jsonl", "There is no file"),
    ):
        with pytest.raises(InputError, match=says):
            reading.json_lines(tmp_path / name, {})


def test_line_separators_inside_a_text_do_not_break_its_line(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"a": "one\u2028two\u0085three"}\r\n{"a": "four"}\n'.encode())
    rows = reading.json_lines(path, {"a": str})
    assert [row["a"] for row in rows] == ["one\u2028two\u0085three", "four"]
