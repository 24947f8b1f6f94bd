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
    "content",
    [b"", b" \n\t", b"---\n***\n", b"words\x00words", b"\xff\xfew", b"\xff\xfe", b"caf\xe9"],
)
def test_what_is_no_text_is_refused_with_the_next_step(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"a\.txt .*: (save|name)"):
        read(tmp_path / "a.txt", content)


def test_a_long_heading_takes_no_long_time(tmp_path: Path) -> None:
    begun = time.process_time()
    document = read(tmp_path / "a.md", "# a" + " " * 1000 + "b\n\nWords.")
    assert document.sections[0].text == "Words."
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_an_encoding_that_the_file_names_is_read(tmp_path: Path, encoding: str) -> None:
    document = read(tmp_path / "a.txt", "# Fièvre\r\n哮喘 37 °C\r\n".encode(encoding))
    assert document.sections == (Section("Fièvre", "", "哮喘 37 °C"),)


def test_a_yaml_head_gives_facts_and_is_no_text(tmp_path: Path) -> None:
    document = read(
        tmp_path / "a.md",
        "---\ntitle: Ward guide\nauthor: [A. One, B. Two]\ndate: 2021-03-04\nlang: en-GB\n"
        "doi: https://doi.org/10.1000/X.1\ntags: [fever, ward]\nlayout: {a: b}\n---\n\n"
        "Words.\n\n## Dose\n\nTwo.\n",
    )
    assert (document.title, document.year, document.language) == ("Ward guide", 2021, "en")
    assert document.authors == ("A. One", "B. Two")
    assert document.identifiers == ("doi:10.1000/x.1",)
    assert document.metadata == (("tags", "fever; ward"),)
    assert document.sections == (Section("", "", "Words."), Section("Dose", "dose", "Two."))


@pytest.mark.parametrize(
    "head",
    [
        "---\n- a\n- b\n---\n",
        "---\na: [\n---\n",
        "---\na: &x [b]\nc: [*x, *x, *x]\n---\n",
        "---\nno end\n",
        "---\ndate: 2021-99-99\n---\n",
    ],
)
def test_what_is_no_yaml_head_is_text(tmp_path: Path, head: str) -> None:
    document = read(tmp_path / "a.md", head + "Words.\n")
    assert document.sections[0].text.startswith("---")
    assert document.sections[-1].text.endswith("Words.")


def test_rules_between_paragraphs_are_no_head(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", "---\na: b\n---\nWords.").sections[0].text.startswith("---")


@pytest.mark.parametrize("content", [b"a" * 40_000_000, b"word " * 300_000])
def test_a_file_without_end_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(SourceError, match=r"a\.txt .*: (split|save)"):
        read(tmp_path / "a.txt", content)
    assert time.process_time() - begun < 5.0
