"""The library of an installation: what is ingested, replaced, set aside, and when it is rebuilt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assistant import library
from assistant.app import Assistant
from assistant.errors import InputError
from assistant.resources import Resources
from assistant.settings import Settings
from retrieval.errors import IndexError_

if TYPE_CHECKING:
    from retrieval.types import Passage

QUESTION = "How is zorblax syndrome treated?"
NOTE = (
    "# Zorblax syndrome\nZorblax syndrome is made up for a test.\n\n"
    "## Treatment\nZorblax syndrome is treated with {}.\n"
)


@dataclass
class Watched:
    """Parts over a state folder, with every report of progress."""

    resources: Resources
    reports: list[tuple[str, int, int]] = field(default_factory=list)


@pytest.fixture
def opened(assistant: Assistant, tmp_path: Path) -> Callable[[], Watched]:
    """Open the library of a copy of the built state folder, anew at every call."""
    state = tmp_path / "state"
    shutil.copytree(assistant.settings.state_dir, state)

    def make() -> Watched:
        watched = Watched(Resources(Settings(state_dir=state)))
        watched.resources = Resources(
            watched.resources.settings, lambda *report: watched.reports.append(report)
        )
        return watched

    return make


def note(folder: Path, name: str, drug: str = "rest") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTE.format(drug), encoding="utf-8")
    return path


def passages(resources: Resources, document: str) -> list[Passage]:
    return resources.librarian.passages(document)


def test_an_index_that_is_current_is_opened_without_embedding(
    opened: Callable[[], Watched],
) -> None:
    watched = opened()
    assert len(passages(watched.resources, "gout")) > 3
    assert watched.reports == []


def test_a_note_is_taken_in_found_replaced_and_dropped(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    watched = opened()
    before = len(watched.resources.librarian.searcher.index.passages)
    current = library.fingerprint(watched.resources)
    report = library.ingest(watched.resources, [note(tmp_path, "zorblax.md")])
    assert (report.documents, report.skipped) == (1, ())
    assert report.passages == before + 2
    assert library.fingerprint(watched.resources) != current
    found = watched.resources.librarian.find(QUESTION)
    assert found.hits[0].passage.document == "zorblax"
    assert {total for _, _, total in watched.reports} == {2}  # only what is new was embedded

    # The same id from another file replaces it.
    report = library.ingest(watched.resources, [note(tmp_path, "other/zorblax.txt", "quinine")])
    assert report.passages == before + 2
    text = " ".join(passage.text for passage in passages(watched.resources, "zorblax"))
    assert "quinine" in text
    assert "rest" not in text

    # Another start finds the index current; without the document it is rebuilt from known vectors.
    again = opened()
    assert len(passages(again.resources, "zorblax")) == 2
    assert again.reports == []
    (again.resources.settings.state_dir / "documents.jsonl").unlink()
    without = opened()
    assert passages(without.resources, "zorblax") == []
    assert len(without.resources.librarian.searcher.index.passages) == before
    assert without.reports == []


def test_what_can_be_read_is_taken_in_and_the_rest_set_aside_with_its_reason(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    from retrieval import library as starter

    folder, papers = tmp_path / "mixed", tmp_path / "papers"
    note(folder, "good.md")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "broken.md").write_text("---\ntitle: [\n---\n", encoding="utf-8")
    (folder / ".hidden.txt").write_text("Not looked at.", encoding="utf-8")
    gout = (starter.folder() / "conditions" / "gout.md").read_text(encoding="utf-8")
    (folder / "gout.md").write_text(gout.replace("Gout is", "GOUT IS"), encoding="utf-8")
    papers.mkdir()
    rows = [{"_id": f"p{n}", "title": f"Paper {n}", "text": f"Zebra number {n}."} for n in range(3)]
    lines = "\n".join(json.dumps(row) for row in rows)
    (papers / "corpus.jsonl").write_text(lines, encoding="utf-8")

    resources = opened().resources
    before = {passage.id for passage in passages(resources, "gout")}
    report = library.ingest(resources, [folder, papers])
    assert report.documents == 5
    reasons = {Path(path).name: reason for path, reason in report.skipped}
    assert set(reasons) == {"empty.txt", "picture.png", "broken.md"}
    assert "no reader" in reasons["picture.png"]
    assert "no readable text" in reasons["empty.txt"]
    assert "broken" in reasons["broken.md"]
    assert passages(resources, "p1")[0].text == "Zebra number 1."
    # A monograph of the starter library is replaced by one of its id.
    replaced = passages(resources, "gout")
    assert {passage.id for passage in replaced} == before
    assert replaced[0].kind == "condition"
    assert any("GOUT IS" in passage.text for passage in replaced)


def test_two_files_of_one_name_are_not_merged_in_silence(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    folder = tmp_path / "wards"
    note(folder, "north/fever.md", "rest")
    note(folder, "south/fever.md", "quinine")
    resources = opened().resources
    report = library.ingest(resources, [folder])
    kept = " ".join(p.text for p in resources.librarian.searcher.index.passages[-4:])
    assert report.skipped or ("rest" in kept and "quinine" in kept)


@pytest.mark.parametrize("name", ["absent.md", "absent/", "picture.png", "hollow"])
def test_nothing_to_take_in_is_an_error_and_changes_nothing(
    opened: Callable[[], Watched], tmp_path: Path, name: str
) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    resources = opened().resources
    with pytest.raises(InputError) as caught:
        library.ingest(resources, [tmp_path / name])
    assert "\n" not in str(caught.value)
    assert not (resources.settings.state_dir / "documents.jsonl").exists()


def damage(state: Path, name: str) -> Path:
    generation = state / "index" / (state / "index" / "CURRENT").read_text("utf-8").strip()
    path = generation / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["vectors.faiss", "passages.jsonl"])
def test_a_damaged_index_is_refused_with_the_way_out(
    opened: Callable[[], Watched], name: str
) -> None:
    watched = opened()
    damage(watched.resources.settings.state_dir, name)
    with pytest.raises(IndexError_, match=rf"damaged.*{name}.*auscult ingest --rebuild"):
        _ = watched.resources.librarian


def test_ingested_documents_that_are_damaged_are_named(opened: Callable[[], Watched]) -> None:
    watched = opened()
    path = watched.resources.settings.state_dir / "documents.jsonl"
    path.write_text('{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(IndexError_, match=r"documents\.jsonl"):
        _ = watched.resources.librarian


@pytest.mark.slow
def test_a_rebuild_mends_a_damaged_index(opened: Callable[[], Watched]) -> None:
    watched = opened()
    damage(watched.resources.settings.state_dir, "vectors.faiss")
    report = library.ingest(watched.resources, [], rebuild=True)
    assert report.documents == 0
    assert watched.reports[-1][1] == watched.reports[-1][2] == report.passages
    assert opened().resources.librarian.find("What is gout?").hits[0].passage.document == "gout"


def test_a_turn_after_an_ingestion_sees_the_new_document(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    resources = opened().resources
    running = Assistant(resources.settings, resources)
    assert running.answer(QUESTION).abstained
    running.ingest([note(tmp_path, "zorblax.md", "quinine")])
    answer = running.answer(QUESTION)
    assert "quinine" in answer.answer
    assert {c.document for claim in answer.claims for c in claim.citations} == {"zorblax"}
