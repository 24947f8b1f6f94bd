"""The sandbox for literature: what goes wrong in the child is one `SourceError`."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.errors import SourceError
from retrieval.sandbox import Limits, run

TIGHT = Limits(memory_mb=512, timeout_s=10, max_output_bytes=1_000_000)
PACKAGE = "tests.retrieval.misbehaving"


def call(function: str, limits: Limits = TIGHT, **options: Any) -> tuple[dict[str, Any], bytes]:
    return run(f"{PACKAGE}:{function}", b"abc", options, limits, "f.pdf")


def test_the_result_comes_back() -> None:
    assert call("echo", level=3) == ({"level": 3}, b"cba")


def test_our_own_sentence_is_passed_on() -> None:
    with pytest.raises(SourceError, match=r"^f\.pdf can't be used: it is not to my taste\.$"):
        call("refuse")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("spin", "took longer than 1 s"),
        ("devour", "more than 512 MB"),
        ("crash", "stopped the reader"),
        ("flood", "too large"),
        ("leak", r"can't be read \(ValueError\)"),
    ],
)
def test_each_breach_is_one_sentence_without_the_files_words(function: str, words: str) -> None:
    limits = Limits(memory_mb=512, timeout_s=1, max_output_bytes=1_000_000)
    with pytest.raises(SourceError, match=words) as caught:
        call(function, limits)
    assert "Doe" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_large_payload_passes_through() -> None:
    payload = bytes(range(256)) * 40_000
    _, body = run(f"{PACKAGE}:count", payload, {}, TIGHT, "f.pdf")
    assert int(body) == len(payload)
