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
from assistant.session import Session
from assistant.settings import Settings

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


def live(resources: Resources) -> int:
    return int(resources.librarian.searcher.index.manifest["passages"])


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
    before = live(watched.resources)
    report = library.ingest(watched.resources, [note(tmp_path, "zorblax.md")])
    assert (report.documents, report.skipped) == (1, ())
    assert report.passages == before + 2
    found = watched.resources.librarian.find(QUESTION)
    assert found.hits[0].passage.document == "zorblax"
    assert report.tally.passages == 2  # only what is new was embedded

    # The same id from another file replaces it.
    report = library.ingest(watched.resources, [note(tmp_path, "other/zorblax.txt", "quinine")])
    assert report.passages == before + 2
    text = " ".join(passage.text for passage in passages(watched.resources, "zorblax"))
    assert "quinine" in text
    assert "rest" not in text

    # Another start finds the index current; a removal embeds nothing.
    again = opened()
    assert len(passages(again.resources, "zorblax")) == 2
    common = again.resources.collections.common
    assert library.remove(again.resources, ["zorblax"], common) == (["zorblax"], [])
    assert passages(again.resources, "zorblax") == []
    assert live(again.resources) == before
    assert again.reports == []


def test_what_can_be_read_is_taken_in_and_the_rest_set_aside_with_its_reason(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    from retrieval import library as starter

    folder, papers = tmp_path / "mixed", tmp_path / "papers"
    note(folder, "good.md")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "broken.md").write_text("---\nkind: [\n---\n", encoding="utf-8")
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
    ((where, reason),) = report.skipped
    assert Path(where).parent.name == "north"
    assert "took its place" in reason
    assert "quinine" in " ".join(p.text for p in passages(resources, "fever"))


@pytest.mark.parametrize("name", ["absent.md", "absent/", "picture.png", "hollow"])
def test_nothing_to_take_in_is_an_error_and_changes_nothing(
    opened: Callable[[], Watched], tmp_path: Path, name: str
) -> None:
    (tmp_path / "hollow").mkdir()
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    resources = opened().resources
    before = live(resources)
    with pytest.raises(InputError) as caught:
        library.ingest(resources, [tmp_path / name])
    assert "\n" not in str(caught.value)
    assert live(resources) == before


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


CANARIES = {"ann": "zanthropsin", "bob": "quilberoxin"}


def private_note(folder: Path, user: str) -> Path:
    path = folder / f"{user}-fever.md"
    path.write_text(
        f"# Glimmer fever\nGlimmer fever is made up for {user}.\n\n"
        f"## Treatment\nGlimmer fever is treated with {CANARIES[user]}.\n",
        encoding="utf-8",
    )
    return path


def test_answers_come_from_common_and_own_collections_only(
    opened: Callable[[], Watched], tmp_path: Path
) -> None:
    resources = opened().resources
    for user in CANARIES:
        request = library.Request(
            paths=(private_note(tmp_path, user),), collection="notes", owner=user
        )
        list(library.stream(resources, request))
    running = Assistant(resources.settings, resources)
    for user in (*CANARIES, ""):
        session = Session.new(user)
        answer = running.answer("How is glimmer fever treated?", session=session)
        shown = json.dumps(answer.to_json())
        for owner, word in CANARIES.items():
            assert (word in shown) is (owner == user), (user, owner)
        if user:
            citation = answer.claims[0].citations[0]
            assert CANARIES[user] in running.context(citation, session)
            assert running.context(citation) == citation.quote  # nobody else is shown its place
        # What everybody has is found by everybody.
        assert running.answer("How is gout treated?", session=Session.new(user)).claims
    # Users without a collection of their own share one librarian.
    assert resources.librarian_for("carol") is resources.librarian_for("")


def test_what_another_process_publishes_is_picked_up(
    opened: Callable[[], Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assistant import resources as module

    here, there = opened().resources, Resources(opened().resources.settings)
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.0)
    first = here.librarian
    assert here.librarian is first
    library.ingest(there, [note(tmp_path, "zorblax.md")])
    assert here.librarian is not first
    assert len(passages(here, "zorblax")) == 2
    assert first.passages("zorblax") == []  # a turn that began before keeps what it had
