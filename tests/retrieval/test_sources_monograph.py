"""Monographs: what is read, and what is refused with the document's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import SourceError
from retrieval.sources import monograph
from retrieval.types import ASPECTS, Section, Source

HEAD = {
    "title": "Gout", "kind": "condition", "synonyms": "[podagra, urate arthritis]",
    "author": "Auscult project", "date": "2026-01-31", "reviewed": "not clinically reviewed",
    "sources": '\n  - title: "Gout (NIAMS)"\n    url: "https://www.niams.nih.gov/gout"',
}  # fmt: skip
BODY = "\n## What it is\nGout is an arthritis.\n\nIt hurts.\n\n## Treatment\nColchicine helps in gout.\n"


def text(body: str = BODY, **changes: str | None) -> str:
    head = {key: value for key, value in (HEAD | changes).items() if value is not None}
    return "---\n" + "".join(f"{k}: {v}\n" for k, v in head.items()) + "---\n" + body


def test_a_monograph_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "gout.md").write_text(text(), encoding="utf-8")
    (document,) = monograph.build().read(tmp_path / "gout.md")
    assert document.id == "gout"
    assert (document.title, document.kind, document.year) == ("Gout", "condition", 2026)
    assert document.synonyms == ("podagra", "urate arthritis")
    assert document.sources == (Source("Gout (NIAMS)", "https://www.niams.nih.gov/gout"),)
    assert document.url == "https://www.niams.nih.gov/gout"
    assert document.sections == (
        Section("What it is", "definition", "Gout is an arthritis.\n\nIt hurts."),
        Section("Treatment", "treatment", "Colchicine helps in gout."),
    )
    assert dict(document.metadata) == {
        "author": "Auscult project", "date": "2026-01-31", "reviewed": "not clinically reviewed",
    }  # fmt: skip


def test_line_ends_of_other_systems_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(text().replace("\n", "\r\n").encode())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.md").write_bytes(text().encode())
    reader = monograph.build()
    assert list(reader.read(tmp_path / "a.md")) == list(reader.read(tmp_path / "b" / "a.md"))


def test_synonyms_may_be_left_out() -> None:
    assert monograph.parse(text(synonyms=None), "gout").synonyms == ()
    assert monograph.parse(text(synonyms=""), "gout").synonyms == ()


def test_every_heading_answers_a_known_aspect() -> None:
    assert sorted(monograph.HEADINGS.values()) == sorted(set(ASPECTS))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "YAML head"),
        (BODY, "YAML head"),
        (text()[4:], "YAML head"),
        ("---\ntitle: Gout\n", "YAML head"),
        (text(title="[unclosed"), "can't be parsed"),
        (text(title="!!python/object/apply:os.system [id]"), "can't be parsed"),
        ("---\n- a\n- b\n---\n" + BODY, "mapping"),
        ("---\n\n---\n" + BODY, "mapping"),
        (text(kind="disease"), "kind 'disease' is not one of condition"),
        (text(kind=None), "kind ''"),
        (text(sources=None), "'sources' must be a list"),
        (text(sources="https://example.org"), "'sources' must be a list"),
        (text(sources="[{title: x}]"), "'sources' must be a list"),
        (text(body="Text first.\n## What it is\nGout."), "before the first"),
        (text(body="\n## History\nGout is old."), "heading 'History' is not one of"),
        # What follows is accepted today in part, or ends in another error than the reader's own.
        (text(date="someday"), "date"),
        (text(title=None), "title"),
        (text(synonyms="podagra"), "synonyms"),
        (text(synonyms="5"), "synonyms"),
        (text(sources="[]"), "sources"),
        (text(body=""), "section"),
    ],
)
def test_what_is_wrong_is_said_with_the_documents_name(content: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint) as caught:
        monograph.parse(content, "the-document")
    assert str(caught.value).startswith("the-document: ")


def test_a_year_is_none_where_no_date_stands() -> None:
    assert monograph.parse(text(date=None), "gout").year is None


def test_a_date_in_quotes_is_the_same_date() -> None:
    assert monograph.parse(text(date='"2026-01-31"'), "gout") == monograph.parse(text(), "gout")
