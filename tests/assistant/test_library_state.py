"""The state of an installation: built, brought up to date, migrated, damaged and mended.

With an encoder of two layers, because what is looked at lies around the vectors.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant import library
from assistant.errors import InputError
from assistant.resources import Resources
from assistant.settings import Settings
from retrieval import library as starter
from retrieval.errors import IndexError_
from retrieval.index.store import Index
from tests.retrieval.conftest import _two_threads as _two_threads
from tests.retrieval.conftest import tiny_folder as tiny_folder

Open = Callable[[], "Opened"]
NOTE = "# Zorblax\nZorblax is made up for a test.\n"


class Opened:
    """Parts over a state folder that count what they embed."""

    def __init__(self, state: Path, encoder: Path) -> None:
        self.embedded = 0
        settings = Settings(state_dir=state, encoder=str(encoder))
        self.resources = Resources(settings, self._report)

    def _report(self, name: str, done: int, total: int) -> None:
        self.embedded = max(self.embedded, total)

    @property
    def index(self) -> Index:
        return library.open_index(self.resources, self.resources.collections.common)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A state folder with the starter library."""
    state = tmp_path_factory.mktemp("built")
    first = Opened(state, tiny_folder)
    assert len(first.index.documents) == len(starter.paths())
    assert first.embedded > len(starter.paths())
    return state


@pytest.fixture
def reopen(built: Path, tmp_path: Path, tiny_folder: Path) -> Open:
    """Open a copy of the state folder, anew at every call."""
    state = tmp_path / "state"
    shutil.copytree(built, state)
    return lambda: Opened(state, tiny_folder)


def write(path: Path, text: str = NOTE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_monographs_are_brought_up_to_date_and_no_more(
    reopen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "library"
    shutil.copytree(starter.folder(), changed, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    gout = changed / "conditions" / "gout.md"
    gout.write_text(gout.read_text("utf-8").replace("Gout is", "GOUT IS"), encoding="utf-8")
    (changed / "conditions" / "asthma.md").rename(changed / "conditions" / "asthma-new.md")
    (changed / "conditions" / "acne.md").unlink()
    opened = reopen()
    own = write(tmp_path / "in" / "migraine.md", "# Migraine\nOur own page on migraine.\n")
    library.ingest(opened.resources, [own])
    before = opened.index
    monkeypatch.setattr(starter, "folder", lambda: changed)

    later = reopen()
    after = later.index
    assert {"asthma", "acne"} & set(after.documents.ids()) == set()
    assert after.documents.get("asthma-new") is not None
    found = after.documents.get("gout")
    assert found is not None
    assert any("GOUT IS" in section.text for section in found.sections)
    assert after.documents.get("migraine") == before.documents.get("migraine")
    # Only changed stretches were embedded, in one generation.
    assert 0 < later.embedded < 30
    assert int(after.generation[1:]) == int(before.generation[1:]) + 1
    again = reopen()
    assert again.index.generation == after.generation
    assert again.embedded == 0


def test_removing_an_own_page_brings_the_monograph_back(reopen: Open, tmp_path: Path) -> None:
    opened = reopen()
    monograph = opened.index.documents.get("gout")
    assert (
        library.ingest(
            opened.resources, [write(tmp_path / "gout.md", "# Gout\nOurs.\n")]
        ).tally.updated
        == 1
    )
    common = opened.resources.collections.common
    assert library.remove(opened.resources, ["gout", "absent"], common) == (["gout"], ["gout"])
    assert opened.index.documents.get("gout") == monograph
    # A monograph itself stays away once it was removed.
    assert library.remove(opened.resources, ["gout"], common) == (["gout"], [])
    assert reopen().index.documents.get("gout") is None


def test_the_state_of_an_older_version_is_taken_over_once(
    built: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    state = tmp_path / "old"
    generation = state / "index" / "g000001"
    generation.mkdir(parents=True)
    (generation / "manifest.json").write_text('{"format": 1}')
    (state / "index" / "CURRENT").write_text("g000001\n")
    document = Opened(built, tiny_folder).index.documents.get("gout")
    assert document is not None
    own = dataclasses.replace(document, id="ours", title="Ours", identifiers=("doi:10.1/x",))
    row = {
        name: value
        for name, value in dataclasses.asdict(own).items()
        if name in ("id", "title", "sections", "kind", "synonyms", "sources", "source", "url",
                    "year", "metadata")
    }  # fmt: skip
    row["sections"] = [{"title": "", "aspect": "", "text": "Words of our own on gout."}]
    (state / "documents.jsonl").write_text(json.dumps(row) + "\n")
    opened = Opened(state, tiny_folder)
    index = opened.index
    assert len(index.documents) == len(starter.paths()) + 1
    kept = index.documents.get("ours")
    assert kept is not None
    assert kept.sections[0].text == "Words of our own on gout."
    assert not (state / "documents.jsonl").exists()
    assert (state / "documents.jsonl.migrated").is_file()
    assert Opened(state, tiny_folder).index.generation == index.generation


def test_older_documents_that_are_damaged_are_named(reopen: Open) -> None:
    opened = reopen()
    (opened.resources.settings.state_dir / "documents.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(IndexError_, match=r"documents\.jsonl"):
        _ = opened.index


def files_of(opened: Opened) -> list[Path]:
    folder = opened.resources.collections.common.folder
    generation = folder / (folder / "CURRENT").read_text("utf-8").split()[0]
    return sorted(p for p in generation.rglob("*") if p.is_file() and p.stat().st_size)


def test_a_damaged_index_is_refused_and_a_rebuild_mends_it(reopen: Open, tmp_path: Path) -> None:
    opened = reopen()
    library.ingest(opened.resources, [write(tmp_path / "zorblax.md")])
    vectors = max(
        (p for p in files_of(opened) if p.name == "vectors.f16"), key=lambda p: p.stat().st_size
    )
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(data)
    with pytest.raises(IndexError_, match="auscult ingest --rebuild"):
        _ = reopen().index
    mended = reopen()
    report = library.ingest(mended.resources, [], rebuild=True)
    assert report.documents == 0
    index = reopen().index
    assert len(index.documents) == len(starter.paths()) + 1
    assert "zorblax" in index.documents
    # The monographs are the installation's again, so that the next version may change them.
    assert len(index.manifest["ledger"]["starter"]) == len(starter.paths())


@pytest.mark.slow
def test_when_nothing_can_be_saved_the_starter_library_is_back(reopen: Open) -> None:
    opened = reopen()
    for path in files_of(opened):
        path.write_bytes(b"\0" * path.stat().st_size)
    report = library.ingest(opened.resources, [], rebuild=True)
    assert report.lost
    assert len(reopen().index.documents) == len(starter.paths())


def test_a_trial_run_changes_nothing(reopen: Open, tmp_path: Path) -> None:
    opened = reopen()
    before = (opened.resources.collections.common.folder / "CURRENT").read_text()
    request = library.Request(paths=(write(tmp_path / "in" / "zorblax.md"),), collection="new")
    result, notes = library.dry_run(opened.resources, request)
    assert (result.documents, result.new, notes) == (1, 1, ())
    assert (opened.resources.collections.common.folder / "CURRENT").read_text() == before
    assert not (opened.resources.settings.state_dir / "collections").exists()


def test_what_is_left_out_is_in_a_report(reopen: Open, tmp_path: Path) -> None:
    write(tmp_path / "in" / "zorblax.md")
    (tmp_path / "in" / "film.png").write_bytes(b"\x89PNG")
    request = library.Request(paths=(tmp_path / "in",), collection="notes", owner="ann")
    opened = reopen()
    steps = library.stream(opened.resources, request)
    report = None
    while report is None:
        try:
            assert next(steps).tally.read <= 1
        except StopIteration as stop:
            report = stop.value
    assert (report.tally.added, report.tally.skipped, report.passages) == (1, 1, 1)
    assert report.file.parent == opened.resources.settings.state_dir / "reports"
    (row,) = map(json.loads, report.file.read_text("utf-8").splitlines())
    assert (row["what"], Path(row["where"]).name) == ("skipped", "film.png")
    # The collection holds nothing else, and is not the common library.
    info = opened.resources.collections.find("notes", "ann")
    assert list(library.open_index(opened.resources, info).documents.ids()) == ["zorblax"]
    assert "zorblax" not in opened.index.documents


def test_the_common_library_has_no_owner(reopen: Open, tmp_path: Path) -> None:
    request = library.Request(paths=(write(tmp_path / "a.md"),), owner="ann")
    with pytest.raises(InputError, match="--collection"):
        list(library.stream(reopen().resources, request))
