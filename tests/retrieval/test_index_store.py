"""Index folders: what is written is read back, in generations that are published whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from retrieval import chunking
from retrieval.errors import AuscultError, IndexError_
from retrieval.index import store
from retrieval.index.store import Index
from retrieval.types import Document, Section


def document(identity: str, *texts: str) -> Document:
    return Document(
        id=identity, title=identity.title(), kind="condition", synonyms=("a", "b"), year=2021,
        sections=tuple(Section(f"Part {n}", "causes", text) for n, text in enumerate(texts)),
        source="Here – “quoted”", url="https://example.org/x",
    )  # fmt: skip


ASTHMA = document(
    "asthma", "Asthma narrows the airways.\nLine two.", "Pollen causes 哮喘 \u2028 attacks."
)
GOUT = document("gout", "Urate crystals cause gout.")
FEVER = document("fever", "Infection causes fever.")


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


class Counter:
    """Counts the passages that a build embeds."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, done: int, total: int) -> None:
        assert 0 < done <= total
        self.done = done


def test_what_is_written_is_read_back(tmp_path: Path, light: Any) -> None:
    documents = [ASTHMA, GOUT]
    built = Index.build(tmp_path / "new" / "index", documents, light, fingerprint="f1")
    opened = Index.open(tmp_path / "new" / "index", light)
    for index in (built, opened):
        assert list(index.passages) == list(chunking.passages(documents))
        assert index.vectors.dtype == np.float32
        assert index.vectors.shape == (3, light.width)
        expected = light.embed([store.embedded_text(p) for p in index.passages])
        np.testing.assert_allclose(index.vectors, expected, atol=1e-3)
    manifest = opened.manifest
    assert (manifest["passages"], manifest["documents"]) == (3, 2)
    assert manifest["fingerprint"] == "f1"
    assert manifest["encoder"] == light.identity


def test_every_file_of_a_generation_has_its_digest(tmp_path: Path, light: Any) -> None:
    index = Index.build(tmp_path, [GOUT], light)
    generation = tmp_path / store.current(tmp_path)
    there = {
        str(p.relative_to(generation)) for p in generation.rglob("*")
        if p.is_file() and p.suffix != ".lock" and p.name != "manifest.json"
    }  # fmt: skip
    assert index.manifest["digests"].keys() == there
    segment = index.segments[0].name
    wanted = {"vectors.f16", "documents.bin", "documents.idx", "rows.bin", "segment.json"}
    assert {*(f"{segment}/{name}" for name in wanted), "lexical/meta.json"} <= there


def test_dense_search_finds_each_passage_by_its_own_vector(tmp_path: Path, light: Any) -> None:
    index = Index.build(tmp_path, [ASTHMA, GOUT, FEVER], light)
    for row, vector in enumerate(index.vectors):
        hits = index.dense(vector, 2)
        assert hits[0][0] == row
        assert hits[0][1] == pytest.approx(1.0, abs=1e-3)
        assert hits[0][1] >= hits[1][1]
    assert len(index.dense(index.vectors[0], 1000)) == len(index.passages)


def test_asking_for_nothing_gives_nothing(tmp_path: Path, light: Any) -> None:
    index = Index.build(tmp_path, [GOUT], light)
    assert index.dense(index.vectors[0], 0) == []


def test_only_new_passages_are_embedded_again(tmp_path: Path, light: Any) -> None:
    def build(*documents: Document) -> int:
        counter = Counter()
        index = Index.build(tmp_path, documents, light, progress=counter)
        expected = light.embed([store.embedded_text(p) for p in index.passages])
        np.testing.assert_allclose(index.vectors, expected, atol=1e-3)
        return counter.done

    assert build(ASTHMA, GOUT) == 3
    assert build(ASTHMA, GOUT) == 0
    assert build(FEVER, GOUT, ASTHMA) == 1
    assert build(document("gout", "Urate crystals cause gout attacks.")) == 1
    assert build(GOUT, FEVER) == 2, "only the generation before is taken over"


def test_a_passage_whose_heading_changed_is_embedded_again(tmp_path: Path, light: Any) -> None:
    Index.build(tmp_path, [GOUT], light)
    counter = Counter()
    renamed = Document(id="gout", title="Podagra", sections=GOUT.sections)
    Index.build(tmp_path, [renamed], light, progress=counter)
    assert counter.done == 1


def test_generations_are_published_in_turn_and_old_ones_dropped(tmp_path: Path, light: Any) -> None:
    for number in range(1, 5):
        index = Index.build(tmp_path, [GOUT, document("d", f"Text {number}.")], light)
        assert store.current(tmp_path) == f"g{number:06d}"
        assert index.passages[-1].text == f"Text {number}."
    assert files_in(tmp_path) == ["CURRENT", "g000003", "g000004"]


def test_an_open_reader_outlives_later_generations(tmp_path: Path, light: Any) -> None:
    old = Index.build(tmp_path, [ASTHMA, GOUT], light)
    words, vectors = old.lexical.search("gout urate", 5), old.dense(old.vectors[2], 3)
    for number in range(3):
        Index.build(tmp_path, [FEVER, document("d", f"Text {number}.")], light)
    assert not (tmp_path / "g000001").exists()
    assert old.lexical.search("gout urate", 5) == words
    assert words[0][0] == 2
    assert old.dense(old.vectors[2], 3) == vectors
    assert old.passages[2].document == "gout"


def test_a_failing_source_leaves_the_published_index(tmp_path: Path, light: Any) -> None:
    Index.build(tmp_path, [GOUT], light)

    def broken() -> Iterator[Document]:
        yield ASTHMA
        raise ValueError("half a source")

    with pytest.raises(ValueError, match="half a source"):
        Index.build(tmp_path, broken(), light)
    assert files_in(tmp_path) == ["CURRENT", "g000001"]
    assert Index.open(tmp_path, light).passages[0].document == "gout"


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_index(
    tmp_path: Path, light: Any
) -> None:
    def unreadable() -> Iterator[Document]:
        yield GOUT
        (tmp_path / "absent.txt").read_text()

    with pytest.raises((OSError, AuscultError)) as caught:
        Index.build(tmp_path / "index", unreadable(), light)
    assert "index can't be written" not in str(caught.value)


@pytest.mark.parametrize("documents", [[], [document("empty")], [document("blank", " \n", "")]])
def test_nothing_to_index_is_refused(tmp_path: Path, light: Any, documents: list[Document]) -> None:
    with pytest.raises(IndexError_, match="nothing to index"):
        Index.build(tmp_path, documents, light)
    with pytest.raises(IndexError_, match="no usable index"):
        Index.open(tmp_path, light)


def test_two_documents_of_one_id_never_share_a_passage_id(tmp_path: Path, light: Any) -> None:
    # Two text files called notes.txt in two folders have one id.
    try:
        index = Index.build(tmp_path, [GOUT, document("gout", "Another text.")], light)
    except AuscultError as error:
        assert "gout" in str(error)  # noqa: PT017 - refusing and renaming are both right
    else:
        ids = [passage.id for passage in index.passages]
        assert len(set(ids)) == len(ids)


def test_a_passage_with_a_lone_surrogate_is_indexed_or_refused(tmp_path: Path, light: Any) -> None:
    odd = document("odd", "A text with \ud800 inside.")
    try:
        Index.build(tmp_path, [odd], light)
    except AuscultError as error:
        assert "odd" in str(error)  # noqa: PT017 - both are right, a traceback is not


def test_another_encoders_index_is_refused_and_made_anew(
    tmp_path: Path, light: Any, index_child: ModuleType
) -> None:
    other = index_child.WordsEncoder("other@1")
    Index.build(tmp_path, [GOUT, FEVER], light)
    with pytest.raises(IndexError_, match=r"made by the encoder .*ingest --rebuild"):
        Index.open(tmp_path, other)
    counter = Counter()
    index = Index.build(tmp_path, [GOUT, FEVER], other, progress=counter)
    assert counter.done == 2
    np.testing.assert_allclose(
        index.vectors, other.embed([store.embedded_text(p) for p in index.passages]), atol=1e-3
    )


def test_builders_at_once_take_turns(tmp_path: Path, light: Any) -> None:
    texts = [f"Text {number}." for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda t: Index.build(tmp_path, [document("d", t)], light), texts))
    assert store.current(tmp_path) == "g000004"
    assert Index.open(tmp_path, light).passages[0].text in texts


def test_readers_on_threads_see_a_whole_index_while_it_is_replaced(
    tmp_path: Path, light: Any
) -> None:
    first = Index.build(tmp_path, [ASTHMA, GOUT], light)
    allowed = {tuple(first.passages), tuple(chunking.passages([FEVER, GOUT]))}
    stop, opened = threading.Event(), []

    def read() -> set[tuple[object, ...]]:
        seen: set[tuple[object, ...]] = set()
        while not (stop.is_set() and seen):
            index = Index.open(tmp_path, light)
            rows = {row for row, _ in index.lexical.search("gout crystals", 5)}
            assert [index.passages[row].document for row in rows] == ["gout"]
            assert index.dense(index.vectors[0], 1)[0][0] == 0
            seen.add(tuple(index.passages))
            opened.append(1)
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        Index.build(tmp_path, [FEVER, GOUT], light)
        stop.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen <= allowed
    assert len(opened) >= 3


def test_threads_share_one_open_index(tmp_path: Path, light: Any) -> None:
    index = Index.build(tmp_path, [ASTHMA, GOUT, FEVER], light)
    words, dense = index.lexical.search("gout fever", 5), index.dense(index.vectors[1], 4)

    def work(_: int) -> bool:
        return (index.lexical.search("gout fever", 5), index.dense(index.vectors[1], 4)) == (
            words,
            dense,
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


def test_the_text_that_stands_for_a_passage_names_its_subject() -> None:
    passages = list(chunking.passages([ASTHMA, Document("x", "", (Section("", "", "Bare."),))]))
    assert store.embedded_text(passages[0]).startswith("Asthma: Part 0. Asthma narrows")
    assert store.embedded_text(passages[-1]) == "Bare."


def test_the_manifest_is_plain_json(tmp_path: Path, light: Any) -> None:
    index = Index.build(tmp_path, [GOUT], light)
    path = tmp_path / store.current(tmp_path) / "manifest.json"
    assert json.loads(path.read_text(encoding="utf-8")) == index.manifest
    assert index.manifest["format"] == 2
