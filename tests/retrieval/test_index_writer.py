"""Commits: documents come, change and go one generation at a time, without a rebuild."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from retrieval import chunking, works
from retrieval.errors import IndexError_
from retrieval.index import publishing, store
from retrieval.index.store import Index
from retrieval.index.writer import Commit, Writer, verify
from retrieval.types import Document, Filters, Section, Source

FULL = Document(
    id="pmid:7", title="Everything – “set”",
    sections=(Section("Methods", "", "We did.\n\nTwice."), Section("", "causes", "哮喘 is asthma.")),
    kind="condition", synonyms=("a", "b"), sources=(Source("S", "https://e.org"),),
    source="PubMed", url="https://e.org/7", year=2020, metadata=(("page", "3"), ("x", "")),
    identifiers=("pmid:7", "doi:10.1/x"), authors=("A B", "C D"), journal="J",
    publication_types=("Review",), evidence="review", language="en", mesh=("Asthma",),
    licence="CC BY 4.0", status="retracted", notices=("Retraction in: PMID 8",),
)  # fmt: skip


def held(index: Index | None) -> list[str]:
    assert index is not None
    return sorted(index.documents.ids())


def test_commits_add_update_and_remove(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        assert writer.index is None
        assert writer.commit([numbered(n) for n in range(4)]) == Commit(added=4, passages=8)
        told = writer.commit([numbered(0), numbered(1, 9), numbered(7)], ["d3", "unknown"])
        assert told == Commit(added=1, updated=1, unchanged=1, removed=1, passages=4)
        assert held(writer.index) == ["d0", "d1", "d2", "d7"]
    index = Index.open(tmp_path, light)
    assert (index.manifest["documents"], index.manifest["passages"]) == (4, 8)
    assert index.documents.get("d1") == numbered(1, 9)
    assert index.documents.get("d3") is None
    assert "d3" not in index.documents
    assert {index.passages[row].document for row, _ in index.lexical.search("version", 50)} == {
        "d0", "d1", "d2", "d7",
    }  # fmt: skip
    assert index.lexical.search("3", 5) == []
    assert index.documents.find("pmid:3") is None
    assert verify(tmp_path) == []


def test_a_document_comes_back_as_it_was_put_in(tmp_path: Path, light: Any) -> None:
    with Writer(tmp_path, light, name="papers", owner="ada") as writer:
        writer.commit([FULL])
    index = Index.open(tmp_path, light)
    assert index.documents.get(FULL.id) == FULL
    assert list(index.documents) == [FULL]
    assert index.documents.find("doi:10.1/x") == FULL.id
    assert index.documents.find(f"content:{works.content_key(FULL)}") == FULL.id
    assert (index.name, index.owner) == ("papers", "ada")
    expected = [replace(p, collection="papers") for p in chunking.passages([FULL])]
    assert list(index.passages) == expected
    assert index.documents.rows(FULL.id) == [0, 1]
    facts = index.columns
    assert facts.year.tolist() == [2020, 2020]
    assert (facts.evidence.tolist(), facts.status.tolist()) == ([4, 4], [1, 1])


def test_nothing_new_publishes_nothing(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1)], ledger={"file": "digest"}, fingerprint="f")
        before = store.current(tmp_path)
        assert writer.commit([numbered(1)], ["unknown"]) == Commit(unchanged=1)
        writer.commit(ledger={"file": "digest"}, fingerprint="f")
        assert store.current(tmp_path) == before
        writer.commit(ledger={"other": 1})
        assert store.current(tmp_path) != before
        assert writer.index is not None
        assert writer.index.manifest["ledger"] == {"other": 1}
        assert writer.index.manifest["fingerprint"] == "f"
        assert held(writer.index) == ["d1"]


def test_the_last_document_can_go(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1)])
        writer.commit(remove=["d1"])
        index = Index.open(tmp_path, light)
        assert (len(index.documents), len(index.passages)) == (0, 0)
        assert index.dense(light.embed(["x"])[0], 3) == []
        assert index.lexical.search("text", 3) == []
        assert index.vocabulary() == frozenset()
        assert verify(tmp_path) == []
        assert writer.commit([numbered(2)]).added == 1
        assert held(writer.index) == ["d2"]


def test_only_new_text_is_embedded(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1), numbered(2)])
        light.embedded = 0
        writer.commit([numbered(1, 5)])
        assert light.embedded == 1, "the other passage kept its text"
        writer.commit([replace(numbered(2), year=1950)])
        assert light.embedded == 1
        assert writer.index is not None
        assert writer.index.documents.get("d2") == replace(numbered(2), year=1950)
        rows = writer.index.documents.rows("d1")
        expected = light.embed([store.embedded_text(writer.index.passages[r]) for r in rows])
        np.testing.assert_allclose(writer.index.vectors[rows], expected, atol=1e-3)


def test_given_vectors_are_taken(tmp_path: Path, light: Any, numbered: Any) -> None:
    documents = [numbered(n) for n in range(3)]
    vectors = light.embed(["other"] * 3 + ["words"] * 3)
    light.embedded = 0
    with Writer(tmp_path, light) as writer:
        writer.commit(documents[:1], vectors=vectors[:2])
        writer.commit([*documents, Document("empty", "", ())], vectors=vectors)
        assert light.embedded == 0
        assert writer.index is not None
        np.testing.assert_allclose(writer.index.vectors[:], vectors, atol=1e-3)
        for wrong in (vectors[:4], vectors[:, :5], np.full_like(vectors, np.nan)):
            with pytest.raises(IndexError_, match="embed the documents again"):
                writer.commit([numbered(n) for n in range(7, 10)], vectors=wrong)
    assert verify(tmp_path) == []


def test_documents_that_cannot_be_kept_are_named(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        told = writer.commit([numbered(1), Document("blank", "B", (Section("", "", " \n"),))])
        assert (told.added, told.empty) == (1, ("blank",))
        with pytest.raises(IndexError_, match="'d2'"):
            writer.commit([numbered(2), numbered(2, 1)])
        with pytest.raises(IndexError_, match=r"'odd'.*surrogate"):
            writer.commit([Document("odd", "", (Section("", "", "a \ud800 b"),))])
        assert held(writer.index) == ["d1"]


def test_one_writer_at_a_time(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1)])
        with (
            pytest.raises(IndexError_, match="being written by another process: wait"),
            Writer(tmp_path, light, timeout_s=0.05),
        ):
            pass
    with Writer(tmp_path, light, timeout_s=0.05) as writer:
        assert held(writer.index) == ["d1"]


def test_readers_keep_their_generation_while_a_writer_goes_on(
    tmp_path: Path, light: Any, numbered: Any
) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(n) for n in range(5)])
        old = Index.open(tmp_path, light)
        before = [old.lexical.search("version", 9), old.dense(old.vectors[0], 9)]
        stop, seen = threading.Event(), []

        def read() -> None:
            while not stop.is_set():
                index = Index.open(tmp_path, light)
                numbers = sorted(int(i[1:]) for i in index.documents.ids())
                assert numbers == list(range(len(numbers)))
                seen.append(len(numbers))

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            for n in range(5, 25):
                writer.commit([numbered(n)])
            writer.compact()
            stop.set()
            for reader in readers:
                reader.result()
    assert seen == sorted(seen) or set(seen) <= set(range(5, 26))
    assert [old.lexical.search("version", 9), old.dense(old.vectors[0], 9)] == before
    assert held(old) == [f"d{n}" for n in range(5)]
    assert old.vocabulary() >= {"text", "version"}


def test_open_segments_are_used_again_unless_they_are_others(
    tmp_path: Path, light: Any, numbered: Any
) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(1)])
        first = Index.open(tmp_path, light)
        open_ones = {segment.name: segment for segment in first.segments}
        writer.commit([numbered(2)])
    second = Index.open(tmp_path, light, reuse=open_ones)
    assert second.segments[0] is first.segments[0]
    assert held(second) == ["d1", "d2"]
    Index.build(tmp_path, [numbered(3)], light)  # its first segment has the same name
    third = Index.open(tmp_path, light, reuse=open_ones)
    assert third.segments[0].name == first.segments[0].name
    assert held(third) == ["d3"]
    assert third.passages[0].document == "d3"


def test_fifty_threads_search_one_index(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        for start in (0, 10, 20):
            writer.commit([numbered(n) for n in range(start, start + 10)])
    index = Index.open(tmp_path, light)

    def work(n: int) -> list[Any]:
        query = light.embed([f"Text {n % 30}"])[0]
        mask = index.allowed(Filters(year_from=2000))
        words = index.lexical.search(f"number {n % 30}", 5, mask)
        return [index.dense(query, 5, mask), words, index.passages[n % 60].text]

    expected = [work(n) for n in range(60)]
    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(work, range(60))) == expected


def test_small_segments_are_merged_in_tiers(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        for n in range(20):
            writer.commit([numbered(n)])
            assert writer.index is not None
            assert len(writer.index.segments) <= publishing.MAX_SEGMENTS
        light.embedded = 0
        before = [writer.index.documents.get(f"d{n}") for n in range(20)]  # type: ignore[union-attr]
        writer.compact()
        index = writer.index
        assert index is not None
        assert len(index.segments) == 1
        assert light.embedded == 0, "vectors are copied, not made again"
        assert [index.documents.get(f"d{n}") for n in range(20)] == before
        expected = light.embed([store.embedded_text(p) for p in index.passages])
        np.testing.assert_allclose(index.vectors, expected, atol=1e-3)
    assert verify(tmp_path) == []


def test_too_many_dead_rows_are_merged_away(tmp_path: Path, light: Any, numbered: Any) -> None:
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(n) for n in range(10)])
        writer.commit(remove=["d1", "d2", "d3"])
        assert writer.index is not None
        assert len(writer.index.passages) == 20
        writer.commit(remove=["d4"])
        assert len(writer.index.passages) == 12
        assert held(writer.index) == ["d0", "d5", "d6", "d7", "d8", "d9"]
    assert verify(tmp_path) == []


def test_what_was_removed_leaves_no_word_and_no_name(
    tmp_path: Path, light: Any, numbered: Any
) -> None:
    secret = Document(
        "s", "Secretia", (Section("", "", "A canaryword here."),), "condition", ("hiddenname",)
    )
    with Writer(tmp_path, light) as writer:
        writer.commit([numbered(n) for n in range(1, 9)])
        writer.commit([secret])
        assert writer.index is not None
        assert {"canaryword", "secretia"} <= writer.index.vocabulary()
        assert "Secretia" in {named.title for named in writer.index.named()}
        for step in (lambda: writer.commit(remove=["s"]), writer.compact):
            step()
            assert not {"canaryword", "secretia"} & writer.index.vocabulary()
            assert "Secretia" not in {named.title for named in writer.index.named()}
            assert not writer.index.lexical.knows("canaryword")
            assert not writer.index.lexical.knows("hiddenname")
        named = {n.id: n for n in writer.index.named()}
        assert sorted(named) == ["d1", "d3", "d5", "d7"]
        texts = [writer.index.passages[row].document for row in named["d3"].rows]
        assert texts == ["d3", "d3"]


def test_filters_look_at_what_documents_say(tmp_path: Path, light: Any) -> None:
    def make(n: int, **facts: Any) -> Document:
        return Document(f"f{n}", "Same", (Section("", "", "The same text."),), **facts)

    documents = [
        make(0, year=1999, kind="drug", evidence="trial", source="A", language="en"),
        make(1, year=2010, kind="article", evidence="review", source="B", language="zh"),
        make(2, year=None, kind="article", source="B", status="retracted"),
        make(3, year=2020, kind="drug", evidence="trial", source="C", language="en"),
    ]
    with Writer(tmp_path, light) as writer:
        writer.commit(documents[:2])
        writer.commit(documents[2:])
        index = writer.index
        assert index is not None
        cases = {
            Filters(): {0, 1, 2, 3},
            Filters(year_from=2010): {1, 3},
            Filters(year_to=2010): {0, 1},
            Filters(year_from=1, year_to=9999): {0, 1, 3},
            Filters(kinds=("drug",)): {0, 3},
            Filters(kinds=("none",)): set(),
            Filters(evidence=("trial", "review"), sources=("A", "B")): {0, 1},
            Filters(languages=("zh",)): {1, 2},
            Filters(retracted=False): {0, 1, 3},
        }
        for filters, expected in cases.items():
            mask = index.allowed(filters)
            rows = set(range(4)) if mask is None else set(np.flatnonzero(mask).tolist())
            assert rows == expected
            query = light.embed(["same text"])[0]
            assert {row for row, _ in index.dense(query, 9, mask)} == expected
            assert {row for row, _ in index.lexical.search("same text", 9, mask)} == expected
        writer.commit(remove=["f0"])
        index = writer.index
        mask = index.allowed(Filters(kinds=("drug",)))
        assert [index.passages[r].document for r in np.flatnonzero(mask)] == ["f3"]  # type: ignore[arg-type]


class Machine(RuleBasedStateMachine):
    """An index does what a dictionary of documents does, whatever the order of changes."""

    folder: Path
    child: ModuleType

    def __init__(self) -> None:
        super().__init__()
        Machine.number += 1
        self.place = self.folder / str(Machine.number)
        self.encoder = self.child.WordsEncoder()
        self.writer = Writer(self.place, self.encoder)
        self.writer.__enter__()
        self.model: dict[str, Document] = {}

    number = 0

    @rule(
        add=st.dictionaries(st.integers(0, 7), st.integers(0, 2), max_size=4),
        gone=st.sets(st.integers(0, 7), max_size=3),
    )
    def commit(self, add: dict[int, int], gone: set[int]) -> None:
        documents = [self.child.document(n, version) for n, version in add.items()]
        same = {d.id for d in documents if self.model.get(d.id) == d}
        told = self.writer.commit(documents, [f"d{n}" for n in gone])
        there = {f"d{n}" for n in gone} & self.model.keys() - {d.id for d in documents}
        assert (told.unchanged, told.removed) == (len(same), len(there))
        for identity in there:
            del self.model[identity]
        self.model |= {d.id: d for d in documents}

    @rule()
    def compact(self) -> None:
        self.writer.compact()

    @rule()
    def reopen(self) -> None:
        self.writer.__exit__()
        self.writer = Writer(self.place, self.encoder)
        self.writer.__enter__()

    @invariant()
    def the_same_as_a_dictionary(self) -> None:
        index = self.writer.index
        if index is None:
            assert self.model == {}
            return
        assert {d.id: d for d in index.documents} == self.model
        rows = [row for identity in self.model for row in index.documents.rows(identity)]
        assert sorted(rows) == sorted(row for row, _ in index.lexical.search("title", 99))
        if rows:
            assert sorted(rows) == sorted(r for r, _ in index.dense(index.vectors[rows[0]], 99))

    def teardown(self) -> None:
        self.writer.__exit__()
        if (self.place / "CURRENT").exists():
            assert verify(self.place) == []


def test_an_index_does_what_a_dictionary_does(tmp_path: Path, index_child: ModuleType) -> None:
    Machine.folder, Machine.child = tmp_path, index_child
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=5, stateful_step_count=6, derandomize=True, deadline=None,
            suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip
