"""Plain text and free Markdown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from retrieval.errors import SourceError
from retrieval.sources import text
from retrieval.types import Document, Section


def read(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (document,) = text.build().read(path)
    return document


def test_plain_text_is_one_section_named_by_its_file(tmp_path: Path) -> None:
    document = read(tmp_path / "ward_round-notes.txt", "\n First line.\nSecond line.\n\n")
    assert document.id == "ward_round-notes"
    assert document.title == "ward round notes"
    assert document.sections == (Section("", "", "First line.\nSecond line."),)
    assert (document.kind, document.source) == ("article", "ward_round-notes.txt")


def test_headings_make_sections_and_the_first_is_the_title(tmp_path: Path) -> None:
    document = read(
        tmp_path / "a.md",
        "Before.\n\n# Asthma guide #\nIntro.\n\n## Treatment\nInhalers.\n### red flags\nSilence.\n## Empty\n",
    )
    assert document.title == "Asthma guide"
    assert document.sections == (
        Section("", "", "Before."),
        Section("Asthma guide", "", "Intro."),
        Section("Treatment", "treatment", "Inhalers."),
        Section("red flags", "red_flags", "Silence."),
    )


@pytest.mark.parametrize("line", ["#hashtag here", "a # b", "####### seven", "5 #"])
def test_a_hash_that_makes_no_heading_is_text(tmp_path: Path, line: str) -> None:
    document = read(tmp_path / "a.md", f"Words.\n{line}\nMore.")
    assert document.sections == (Section("", "", f"Words.\n{line}\nMore."),)


def test_a_heading_is_one_line(tmp_path: Path) -> None:
    document = read(tmp_path / "a.md", "Words.\n#\n\nThis is a paragraph and no heading.\n")
    assert "This is a paragraph" in " ".join(section.text for section in document.sections)


def test_a_byte_order_mark_and_other_line_ends_are_no_text(tmp_path: Path) -> None:
    document = read(tmp_path / "a.md", b"\xef\xbb\xbf# Gout\r\nUrate.\r\n")
    assert document.title == "Gout"
    assert document.sections == (Section("Gout", "", "Urate."),)


def test_chinese_is_text(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", "哮喘是一种病。").sections[0].text == "哮喘是一种病。"


@pytest.mark.parametrize(
    "content", [b"", b" \n\t", b"---\n***\n", b"words\x00words", b"\xff\xfew\x00", b"caf\xe9"]
)
def test_what_is_no_text_is_refused_with_the_next_step(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"a\.txt .*: (save|name)"):
        read(tmp_path / "a.txt", content)


def test_a_long_heading_takes_no_long_time(tmp_path: Path) -> None:
    begun = time.process_time()
    document = read(tmp_path / "a.md", "# a" + " " * 1000 + "b\n\nWords.")
    assert document.sections[0].text == "Words."
    assert time.process_time() - begun < 1.0
