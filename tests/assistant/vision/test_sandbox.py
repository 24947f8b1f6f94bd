from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import AttachmentError
from assistant.sandbox import Limits, run

TIGHT = Limits(memory_mb=512, timeout_s=20, max_output_bytes=1_000_000)


def call(function: str, limits: Limits = TIGHT, **options: Any) -> tuple[dict[str, Any], bytes]:
    return run(f"tests.assistant.vision.misbehaving:{function}", b"abc", options, limits, "f.png")


def test_result_comes_back_without_the_childs_chatter() -> None:
    meta, body = call("echo", level=3)
    assert meta["options"] == {"level": 3}
    assert body == b"cba"
    assert not {"HOME", "AUSCULT_DATA", "USER"} & set(meta["environment"])


def test_a_sleeper_is_stopped_by_the_clock() -> None:
    started = time.monotonic()
    with pytest.raises(AttachmentError, match="took longer than 1 s"):
        call("sleep", Limits(timeout_s=1))
    assert time.monotonic() - started < 30


def test_a_spinner_is_stopped_by_its_processor_time() -> None:
    with pytest.raises(AttachmentError, match="took longer than 1 s"):
        call("spin", Limits(timeout_s=1))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("devour", "more than 512 MB"),
        ("crash", "stopped the reader"),
        ("flood", "too large"),
        ("bypass", "stopped the reader|too large"),
        ("nest", "nested too deeply"),
        ("refuse", "f.png can't be used: it is not to my taste."),
    ],
)
def test_each_breach_is_one_sentence(function: str, words: str) -> None:
    with pytest.raises(AttachmentError, match=words) as caught:
        call(function)
    assert str(caught.value).count("\n") == 0


def test_a_librarys_words_are_not_passed_on() -> None:
    with pytest.raises(AttachmentError) as caught:
        call("leak")
    assert "Doe" not in str(caught.value)
    assert "ValueError" in str(caught.value)


def test_the_child_writes_no_files(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(AttachmentError):
        call("scribble", path=str(target))
    assert not target.exists() or target.stat().st_size == 0
