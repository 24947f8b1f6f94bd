"""The ingestion: what is taken in, updated, recognised as the same work, set aside and resumed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval import _ingest_ledger as ledgers
from retrieval import ingest as pipeline
from retrieval import works
from retrieval._ingest_trial import trial
from retrieval.errors import InputError
from retrieval.index.writer import Writer
from retrieval.ingest import Item, Note, Reading, Tally
from retrieval.sources import Removed, Skipped, documents
from retrieval.types import Document, Section
from tests.retrieval.hashed import HashedWords


def paper(name: str, text: str = "", **more: object) -> Document:
    body = text or f"Findings of {name}: the treatment of {name} works in most adults."
    given = {"title": f"On {name}", "sections": (Section("", "", body),), "kind": "article"}
    return Document(id=name, **(given | more))  # type: ignore[arg-type]


def take(folder: Path, items: Iterable[Item]) -> tuple[Tally, list[Note]]:
    notes: list[Note] = []
    with Writer(folder, HashedWords()) as writer:
        steps = list(pipeline.ingest(items, writer, note=notes.append))
    return steps[-1].tally, notes


def take_files(folder: Path, *paths: Path, **reading: object) -> tuple[Tally, list[Note]]:
    notes: list[Note] = []
    with Writer(folder, HashedWords()) as writer:
        ledger = ledgers.Ledger.of(writer.index.manifest if writer.index else None)
        items = pipeline.read(paths, Reading(**reading), ledger)  # type: ignore[arg-type]
        steps = list(pipeline.ingest(items, writer, note=notes.append))
    return steps[-1].tally, notes


def held(folder: Path) -> dict[str, Document]:
    with Writer(folder, HashedWords()) as writer:
        return {d.id: d for d in writer.index.documents} if writer.index else {}


def test_new_updated_and_unchanged_documents_are_told_apart(tmp_path: Path) -> None:
    first = [paper("a"), paper("b"), paper("c")]
    assert take(tmp_path, first)[0].added == 3
    tally, notes = take(tmp_path, [first[0], paper("b", "Another text altogether."), paper("d")])
    assert (tally.read, tally.unchanged, tally.updated, tally.added) == (3, 1, 1, 1)
    assert notes == []
    assert held(tmp_path)["b"].sections[0].text == "Another text altogether."
    assert len(held(tmp_path)) == 4


def test_a_second_run_publishes_nothing(tmp_path: Path) -> None:
    items = [paper(f"p{n}") for n in range(7)]
    take(tmp_path, items)
    before = (tmp_path / "CURRENT").read_text()
    assert take(tmp_path, items)[0].unchanged == 7
    assert (tmp_path / "CURRENT").read_text() == before


LONG = "A long text on the same work, with everything that the short one says and more."


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_of_one_work_the_fuller_text_is_kept_and_the_other_is_reported(
    tmp_path: Path, order: tuple[int, int], together: bool
) -> None:
    both = [
        paper("pmid:1", "A short text.", identifiers=("pmid:1", "doi:10.1/x"), year=2020),
        paper("pmcid:pmc9", LONG, identifiers=("pmcid:pmc9", "doi:10.1/x")),
    ]
    given = [both[n] for n in order]
    runs = [given] if together else [[item] for item in given]
    results = [take(tmp_path, run) for run in runs]
    (kept,) = held(tmp_path).values()
    assert (kept.id, kept.sections[0].text) == ("pmcid:pmc9", LONG)
    assert (kept.year, set(kept.identifiers)) == (2020, {"pmid:1", "doi:10.1/x", "pmcid:pmc9"})
    (note,) = [note for _, notes in results for note in notes]
    assert note.where == "pmid:1"
    assert "doi:10.1/x" in note.reason
    assert sum(tally.duplicates for tally, _ in results) == 1
    # Taking both in again changes nothing.
    before = (tmp_path / "CURRENT").read_text()
    take(tmp_path, given)
    assert (tmp_path / "CURRENT").read_text() == before


def test_a_retraction_reaches_the_full_text_of_the_work(tmp_path: Path) -> None:
    record = paper("pmid:1", "A short text.", identifiers=("pmid:1",))
    full = paper("pmcid:pmc9", LONG, identifiers=("pmcid:pmc9", "pmid:1"))
    take(tmp_path, [record, full])
    take(tmp_path, [replace(record, status="retracted", notices=("Retraction in: PMID 7",))])
    (kept,) = held(tmp_path).values()
    assert (kept.id, kept.status, kept.notices) == (
        "pmcid:pmc9",
        "retracted",
        ("Retraction in: PMID 7",),
    )
    # Reading the full text once more, which knows nothing of it, does not undo it.
    take(tmp_path, [full])
    assert held(tmp_path)["pmcid:pmc9"].status == "retracted"


def test_copies_of_one_text_are_recognised_whatever_their_layout(tmp_path: Path) -> None:
    text = "Colchicine eases acute gout.\n\nIt is given early."
    tally, notes = take(
        tmp_path,
        [
            paper("first", text, title="Gout"),
            paper("copy", text.replace("\n\n", " ").upper(), title="GOUT"),
            paper("other", text, title="Another title"),
        ],
    )
    assert (tally.added, tally.duplicates) == (2, 1)
    assert [note.where for note in notes] == ["copy"]
    assert set(held(tmp_path)) == {"first", "other"}


def test_records_with_pubmed_ids_of_their_own_are_different_works(tmp_path: Path) -> None:
    same = "This article has been corrected; see the full text for the details of it."
    items = [
        paper(f"pmid:{n}", same, title="Correction", identifiers=(f"pmid:{n}", "doi:10.1/all"))
        for n in range(3)
    ]
    assert take(tmp_path, items)[0].added == 3


def test_what_a_publisher_deletes_is_removed(tmp_path: Path) -> None:
    take(tmp_path, [paper("pmid:1"), paper("pmid:2")])
    items: list[Item] = [
        Removed("pmid:1", "deleted"),
        paper("pmid:3"),
        Removed("pmid:3"),
        Removed("pmid:99"),
    ]
    tally, notes = take(tmp_path, items)
    assert set(held(tmp_path)) == {"pmid:2"}
    assert tally.removed == 1
    assert ("pmid:1", "deleted") in [(note.where, note.reason) for note in notes]


def test_a_bad_item_is_noted_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [
        paper("empty", "  \n"),
        paper("   "),
        paper("x" * 600),
        paper("a\x00\x07b", "Sound \ud83d text."),
    ]
    items = [Skipped("file line 3", "not a document"), *bad, paper("good")]
    tally, notes = take(tmp_path, pipeline.clean(items))
    assert tally.skipped == 4
    assert {note.reason for note in notes} == {
        "not a document",
        "it holds no text",
        "it has no id",
        "its id is longer than 512 bytes",
    }
    assert set(held(tmp_path)) == {"good", "ab"}
    assert held(tmp_path)["ab"].sections[0].text == "Sound ? text."


def corpus(path: Path, names: Iterable[str], *, broken_at: int = -1) -> Path:
    lines = [documents.header(), *(documents.line(paper(name)) for name in names)]
    if broken_at >= 0:
        lines.insert(broken_at, '{"id": "cut')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_large_file_is_remembered_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "REMEMBERED_FROM_BYTES", 200)
    index, file = tmp_path / "index", corpus(tmp_path / "in" / "a.jsonl", ["a", "b"])
    assert take_files(index, file)[0].added == 2
    tally, _ = take_files(index, file)
    assert (tally.known, tally.read) == (1, 0)
    # Elsewhere it is the same file; with --again or another text it is read.
    moved = file.rename(tmp_path / "moved.jsonl")
    assert take_files(index, moved)[0].known == 1
    assert take_files(index, moved, again=True)[0].unchanged == 2
    corpus(moved, ["a", "b", "c"])
    assert take_files(index, moved)[0].added == 1
    # After a removal the file brings the document back.
    with Writer(index, HashedWords()) as writer:
        assert pipeline.remove(writer, ["b", "nothing"], lambda _: []) == (["b"], [])
    assert "b" not in held(index)
    assert take_files(index, moved)[0].added == 1


def test_a_file_that_breaks_off_keeps_what_came_before_and_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "REMEMBERED_FROM_BYTES", 1)
    file = corpus(tmp_path / "a.jsonl", ["a", "b"], broken_at=2)
    other = tmp_path / "b.txt"
    other.write_bytes(b"\x00\x01")
    tally, notes = take_files(tmp_path / "index", file, other)
    assert (tally.added, tally.skipped) == (2, 2)
    assert any("line 3" in note.where for note in notes)
    assert any("b.txt" in note.where for note in notes)
    assert len(ledgers.Ledger.of(manifest(tmp_path / "index")).taken) == 1


def manifest(folder: Path) -> dict[str, object]:
    with Writer(folder, HashedWords()) as writer:
        assert writer.index is not None
        return dict(writer.index.manifest)


def test_a_path_or_reader_that_is_absent_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        list(pipeline.read([tmp_path / "nowhere"], Reading()))
    (tmp_path / "a.txt").write_text("Words.")
    with pytest.raises(Exception, match="Did you mean"):
        list(pipeline.read([tmp_path / "a.txt"], Reading(source="texts")))


def test_memory_does_not_grow_with_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH_DOCUMENTS", 30)
    body = "Many words on a subject that nobody has to read to the end of. " * 30

    def stream(count: int) -> Iterator[Document]:
        for n in range(count):
            yield paper(f"d{n}", f"{body} Number {n}.")

    with Writer(tmp_path, HashedWords()) as writer:
        peaks = []
        tracemalloc.start()
        for step in pipeline.ingest(stream(300), writer):
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
            assert step.tally.read % 30 == 0
        tracemalloc.stop()
    # All documents hold 0.6 MB of text several times over; a batch stays what it was.
    assert max(peaks[6:]) < 1.3 * max(peaks[1:4]) + 200_000


def test_progress_says_how_much_of_the_input_was_read(tmp_path: Path) -> None:
    files = [
        corpus(tmp_path / "in" / f"{n}.jsonl", [f"{n}-{i}" for i in range(50)]) for n in (1, 2)
    ]
    position = pipeline.Position([tmp_path / "in"])
    assert position.fraction() == 0
    position.begin(files[0])
    assert position.fraction() == pytest.approx(0.5, abs=0.01)
    with files[1].open("rb") as stream:
        stream.seek(files[1].stat().st_size // 2)
        assert position.fraction() == pytest.approx(0.75, abs=0.01)
    assert position.fraction() == 1


def test_a_trial_counts_and_writes_nothing(tmp_path: Path) -> None:
    index = tmp_path / "index"
    take(index, [paper("a"), paper("b", year=2001)])
    before = sorted(tmp_path.rglob("*"))
    items: list[Item] = [
        paper("a"),
        paper("b", "Another text.", year=2002, language="en"),
        paper("c", year=2010, evidence="trial", language="en"),
        paper("d", paper("c").sections[0].text, title="On c"),
        Skipped("x", "no document"),
    ]
    notes: list[Note] = []
    with Writer(index, HashedWords()) as writer:
        found = trial(items, writer.index, HashedWords(), notes.append)  # type: ignore[arg-type]
    assert (found.documents, found.new, found.updates, found.unchanged) == (4, 1, 1, 1)
    assert (found.duplicates, found.skipped) == (1, 1)
    assert (found.languages, found.years) == ({"en": 2}, {2002: 1, 2010: 1})
    assert found.passages == 2
    assert found.disk_bytes > 100
    assert found.seconds > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_merging_twice_changes_nothing() -> None:
    kept, other = paper("a", LONG), paper("b", status="concern", mesh=("Gout",), year=1999)
    once = works.merge(kept, other)
    assert (once.status, once.mesh, once.year) == ("concern", ("Gout",), 1999)
    assert works.merge(once, other) == once
    assert works.merge(kept, once) == once


def test_the_ledger_comes_back_from_json() -> None:
    ledger = ledgers.Ledger(
        {"f00": ledgers.FileEntry("a.xml", 3, 4, "table")}, frozenset({"gout"}), frozenset({"x"})
    )
    assert ledgers.Ledger.of({"ledger": json.loads(json.dumps(ledger.to_json()))}) == ledger
