"""A LangChain vector store in the place of the index's own dense search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from retrieval.encoder import Encoder
from retrieval.errors import ConfigError, IndexError_
from retrieval.index import vector_store
from retrieval.index.store import Index
from retrieval.index.vector_store import VectorStores, collection, stores
from retrieval.index.writer import Writer
from retrieval.search import Searcher
from retrieval.types import Document, Filters

QUESTIONS = (
    "side effects of metformin", "how is an asthma attack treated", "red flags of chest pain",
    "what does a raised troponin mean", "warfarin and vitamin K", "gout diet",
)  # fmt: skip


class Made:
    """A factory that remembers its stores and what was sent to them."""

    def __init__(self) -> None:
        self.stores: dict[str, InMemoryVectorStore] = {}
        self.sent: list[int] = []
        self.deleted: list[int] = []

    def __call__(self, embedding: Any, name: str) -> InMemoryVectorStore:
        made = self

        class Store(InMemoryVectorStore):
            def add_documents(self, documents: Any, ids: Any = None, **more: Any) -> list[str]:
                made.sent.append(len(documents))
                return super().add_documents(documents, ids, **more)

            def delete(self, ids: Any = None, **more: Any) -> None:
                made.deleted.append(len(ids))
                super().delete(ids, **more)

        # A server keeps what it has when the client is made anew.
        if name not in self.stores:
            self.stores[name] = Store(embedding)
        return self.stores[name]


@pytest.fixture
def made() -> Made:
    return Made()


def _vectors(encoder: Encoder) -> list[Any]:
    return [encoder.embed([question])[0] for question in QUESTIONS]


def _same(ours: list[tuple[int, float]], theirs: list[tuple[int, float]]) -> None:
    """Compare rows exactly, and scores up to the rounding of sums of another size."""
    assert [row for row, _ in ours] == [row for row, _ in theirs]
    assert [score for _, score in ours] == pytest.approx([s for _, s in theirs], abs=1e-6)


def test_the_same_top_ten_as_the_index_itself(index: Index, encoder: Encoder, made: Made) -> None:
    dense = VectorStores(made, encoder)(index)
    for vector in _vectors(encoder):
        _same(dense.dense(vector, 10), index.dense(vector, 10))


def test_a_whole_search_is_the_same(index: Index, encoder: Encoder, made: Made) -> None:
    own = Searcher(index, encoder)
    theirs = Searcher(index, encoder, dense=VectorStores(made, encoder))
    filters = Filters(kinds=("drug",))
    for question in QUESTIONS:
        for more in ({}, {"mode": "dense"}, {"filters": filters}):
            expected = [h.passage.id for h in own.search(question, 10, **more)]  # type: ignore[arg-type]
            assert [h.passage.id for h in theirs.search(question, 10, **more)] == expected  # type: ignore[arg-type]


def test_vectors_are_taken_from_the_index_not_made_again(
    index: Index, made: Made, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a text was embedded again")

    monkeypatch.setattr(Encoder, "embed", refuse)
    done = VectorStores(made, encoder).sync(index)
    assert (done.added, done.removed, done.kept) == (len(index.passages), 0, 0)


@pytest.mark.parametrize("few", [0, 2_000])
def test_a_filter_never_empties_the_list(
    index: Index, encoder: Encoder, made: Made, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_store, "FEW_ROWS", few)
    dense = VectorStores(made, encoder)(index)
    gout = np.zeros(len(index.passages), dtype=np.bool_)
    gout[index.documents.rows("gout")] = True
    for vector in _vectors(encoder):
        _same(dense.dense(vector, 5, gout), index.dense(vector, 5, gout))
    assert dense.dense(_vectors(encoder)[0], 5, np.zeros_like(gout)) == []
    assert dense.dense(_vectors(encoder)[0], 0) == []


@pytest.fixture
def writer(tmp_path: Path, tiny: Encoder, monographs: tuple[Document, ...]) -> Iterator[Writer]:
    with Writer(tmp_path / "index", tiny) as opened:
        opened.commit(monographs)
        yield opened


def _of(writer: Writer) -> Index:
    assert writer.index is not None
    return writer.index


def _held(made: Made) -> set[str]:
    (store,) = made.stores.values()
    return {entry["metadata"]["passage"] for entry in store.store.values()}


def test_the_store_follows_the_index(
    writer: Writer, tiny: Encoder, made: Made, monographs: tuple[Document, ...]
) -> None:
    hook = VectorStores(made, tiny)
    hook(_of(writer))
    whole = len(_of(writer).passages)
    gout = next(d for d in monographs if d.id == "gout")
    asthma = next(d for d in monographs if d.id == "asthma")
    gone = len(_of(writer).documents.rows("gout"))
    changed = replace(asthma, sections=asthma.sections[:2], title="Asthma, shortened")
    before = len(_of(writer).documents.rows("asthma"))
    writer.commit([changed], remove=[gout.id])
    done = hook.sync(_of(writer))
    after = len(_of(writer).documents.rows("asthma"))
    assert (done.added, done.removed) == (after, gone + before)
    assert done.kept == whole - gone - before
    assert _held(made) == {
        p.id for d in _of(writer).documents.ids() for p in _passages(_of(writer), d)
    }
    assert hook.sync(_of(writer)).added == 0


def _passages(index: Index, document: str) -> list[Any]:
    return [index.passages[row] for row in index.documents.rows(document)]


def test_a_new_generation_is_searched_without_being_told(
    writer: Writer, tiny: Encoder, made: Made
) -> None:
    hook = VectorStores(made, tiny)
    old = _of(writer)
    target = old.documents.rows("gout")[0]
    vector = old.vectors[target]
    assert hook(old).dense(vector, 1)[0][0] == target
    writer.commit(remove=["gout"])
    rows = [row for row, _ in hook(_of(writer)).dense(vector, 10)]
    assert len(rows) == 10
    assert all(_of(writer).passages[row].document != "gout" for row in rows)


def test_what_a_store_holds_beyond_the_index_is_never_found(
    writer: Writer, tiny: Encoder, made: Made
) -> None:
    hook = VectorStores(made, tiny)
    dense = hook(_of(writer))
    (store,) = made.stores.values()
    for number, metadata in enumerate(
        ({}, {"document": "gout"}, {"document": "gout", "number": 0, "digest": "0" * 32},
         {"document": "nobody", "number": 0, "digest": ""}, {"document": 5, "number": "x"})
    ):  # fmt: skip
        store.store[f"foreign-{number}"] = {
            "id": f"foreign-{number}", "vector": _of(writer).vectors[0].tolist(),
            "text": "", "metadata": metadata,
        }  # fmt: skip
    _same(dense.dense(_of(writer).vectors[0], 10), _of(writer).dense(_of(writer).vectors[0], 10))


def test_collections_have_stores_of_their_own(
    tmp_path: Path, tiny: Encoder, made: Made, monographs: tuple[Document, ...]
) -> None:
    hook = VectorStores(made, tiny)
    opened = []
    for number, (name, owner) in enumerate(
        [("", ""), ("notes", "ada"), ("notes", "bob"), ("Notes!", "ada")]
    ):
        folder = tmp_path / str(number)
        opened.append(
            Index.build(folder, monographs[number : number + 1], tiny, name=name, owner=owner)
        )
        hook(opened[-1])
    assert len(made.stores) == 4
    assert all(name.replace("-", "").isalnum() for name in made.stores)
    for index in opened:
        told = {e["metadata"]["document"] for e in made.stores[collection(index)].store.values()}
        assert told == set(index.documents.ids())


def test_a_server_is_not_filled_twice(
    writer: Writer, tiny: Encoder, made: Made, tmp_path: Path
) -> None:
    VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))
    again = VectorStores(made, tiny, tmp_path / "ledgers")
    done = again.sync(_of(writer))
    assert (done.added, done.removed, done.kept) == (0, 0, len(_of(writer).passages))


def test_an_emptied_server_is_filled_anew(
    writer: Writer, tiny: Encoder, made: Made, tmp_path: Path
) -> None:
    VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))
    made.stores.clear()
    done = VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))
    assert done.added == len(_of(writer).passages)


def test_a_filling_that_was_broken_off_goes_on(
    writer: Writer, tiny: Encoder, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.index._filling.BATCH", 4)
    hook = VectorStores(made, tiny, tmp_path / "ledgers")
    hook.sync(_of(writer))
    for store in made.stores.values():
        store.store.clear()
    (tmp_path / "ledgers").joinpath(f"{collection(_of(writer))}.sqlite").unlink()

    class Tired(InMemoryVectorStore):
        def add_documents(self, documents: Any, ids: Any = None, **more: Any) -> list[str]:
            if len(self.store) > 20:
                raise ConnectionError("the server went away")
            return super().add_documents(documents, ids, **more)

    (name,) = made.stores
    made.stores[name].__class__ = Tired
    with pytest.raises(IndexError_, match=r"Tired failed \(ConnectionError\): see that its server"):
        VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))
    sent = len(made.stores[name].store)
    assert 20 < sent < len(_of(writer).passages)
    made.stores[name].__class__ = InMemoryVectorStore
    done = VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))
    assert (done.kept, done.added) == (sent, len(_of(writer).passages) - sent)


def test_a_damaged_ledger_is_one_sentence(
    writer: Writer, tiny: Encoder, made: Made, tmp_path: Path
) -> None:
    path = tmp_path / "ledgers" / f"{collection(_of(writer))}.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"not a database at all, whatever the suffix says" * 40)
    with pytest.raises(IndexError_, match="remove that file, and the store is filled anew"):
        VectorStores(made, tiny, tmp_path / "ledgers").sync(_of(writer))


# The setting


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("site_vectors")
    monkeypatch.setitem(sys.modules, "site_vectors", made)
    return made


def test_the_setting_finds_the_factory(module: ModuleType, tiny: Encoder, writer: Writer) -> None:
    module.store = lambda embedding, name: InMemoryVectorStore(embedding)  # type: ignore[attr-defined]
    hook = stores("langchain:site_vectors:store", tiny)
    assert hook is not None
    vector = _of(writer).vectors[3]
    _same(hook(_of(writer)).dense(vector, 10), _of(writer).dense(vector, 10))
    assert stores("faiss", tiny) is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("qdrant", "write faiss, or langchain:<module>:<factory>"),
        ("langchain:", "write faiss"),
        ("langchain:site_vectors", "write faiss"),
        ("langchain:site_vectors:a b", "write faiss"),
        ("langchain:no_such_module:make", "'no_such_module' of setting 'vectors' can't be imp"),
        ("langchain:site_vectors:missing", "There is no function 'missing' in the module"),
    ],
)
@pytest.mark.usefixtures("module")
def test_a_setting_that_names_nothing_is_refused(tiny: Encoder, spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        stores(spec, tiny)


def test_a_factory_that_makes_no_store_is_refused(
    module: ModuleType, tiny: Encoder, writer: Writer
) -> None:
    module.number = lambda embedding, name: 5  # type: ignore[attr-defined]
    module.broken = lambda embedding, name: 1 / 0  # type: ignore[attr-defined]
    for name, said in (
        ("number", "returned a int, not a"),
        ("broken", "failed .ZeroDivisionError"),
    ):
        hook = stores(f"langchain:site_vectors:{name}", tiny)
        assert hook is not None
        with pytest.raises(ConfigError, match=said):
            hook(_of(writer))


def test_a_store_that_fails_while_searching_is_one_sentence(
    writer: Writer, tiny: Encoder, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = VectorStores(made, tiny)(_of(writer))

    def fail(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(InMemoryVectorStore, "similarity_search_by_vector", fail)
    with pytest.raises(IndexError_, match=r"The vector store Store failed \(TimeoutError\)"):
        dense.dense(_of(writer).vectors[0], 5)


@pytest.mark.slow
def test_a_qdrant_store_finds_the_same(
    index: Index, encoder: Encoder, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    qdrant_client = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    langchain_qdrant = pytest.importorskip("langchain_qdrant", reason="not installed")
    client = qdrant_client.QdrantClient(path=str(tmp_path / "qdrant"))

    def factory(embedding: Any, name: str) -> Any:
        models = qdrant_client.models
        if not client.collection_exists(name):
            client.create_collection(
                name,
                vectors_config=models.VectorParams(
                    size=encoder.width, distance=models.Distance.COSINE
                ),
            )
        return langchain_qdrant.QdrantVectorStore(client, name, embedding)

    hook = VectorStores(factory, encoder, tmp_path / "ledgers")
    dense = hook(index)
    for vector in _vectors(encoder):
        _same(dense.dense(vector, 10), index.dense(vector, 10))
    client.close()
