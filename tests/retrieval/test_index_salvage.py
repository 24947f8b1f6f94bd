"""A damaged index is rebuilt from every record that is still sound."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexError_
from retrieval.index import records, store
from retrieval.index.store import Index
from retrieval.index.writer import Writer, rebuild, verify
from retrieval.types import Document, Section, Source


@pytest.fixture
def folder(tmp_path: Path, light: Any, numbered: Any) -> Path:
    """Two segments; d2 was changed and d5 removed."""
    with Writer(tmp_path / "index", light, name="papers", owner="ada") as writer:
        writer.commit([numbered(n) for n in range(8)])
        writer.commit([numbered(2, 1), numbered(9)], ["d5"], ledger={"f": 1})
    light.embedded = 0
    return tmp_path / "index"


KEPT = ["d0", "d1", "d2", "d3", "d4", "d6", "d7", "d9"]


def damage(folder: Path, name: str) -> None:
    path = folder / store.current(folder) / name
    data = path.read_bytes()
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def sound(folder: Path, light: Any) -> list[str]:
    assert verify(folder) == []
    index = Index.open(folder, light)
    assert (index.name, index.owner) == ("papers", "ada")
    assert index.documents.get("d2").sections[0].text == "Text 2 in version 1."  # type: ignore[union-attr]
    return sorted(index.documents.ids())


def test_a_sound_index_is_rebuilt_without_embedding(folder: Path, light: Any) -> None:
    told = rebuild(folder, light)
    assert (told.documents, told.passages, told.embedded, told.lost) == (8, 16, 0, ())
    assert sound(folder, light) == KEPT
    assert light.embedded == 0


@pytest.mark.parametrize(
    ("name", "embedded", "lost"),
    [
        ("s0001/vectors.f16", 12, 0),
        ("s0002/vectors.f16", 4, 0),
        ("lexical/meta.json", 0, 0),
        ("s0001/names.jsonl", 0, 0),
    ],
)
def test_what_can_be_made_again_is_no_loss(
    folder: Path, light: Any, name: str, embedded: int, lost: int
) -> None:
    damage(folder, name)
    with pytest.raises(IndexError_, match="ingest --rebuild"):
        Index.open(folder, light)
    told = rebuild(folder, light)
    assert (told.embedded, len(told.lost)) == (embedded, lost)
    assert sound(folder, light) == KEPT


def test_a_damaged_record_alone_is_lost_and_named(folder: Path, light: Any) -> None:
    damage(folder, "s0001/documents.bin")
    told = rebuild(folder, light)
    assert len(told.lost) == 1
    assert "s0001" in told.lost[0]
    assert len(sound(folder, light)) == 7


@pytest.mark.parametrize("name", ["s0001/documents.idx", "s0001/rows.bin", "s0001/segment.json"])
def test_without_tables_the_records_are_read_one_by_one(
    folder: Path, light: Any, name: str
) -> None:
    damage(folder, name)
    told = rebuild(folder, light)
    assert "may be back" in told.lost[0]
    assert set(sound(folder, light)) == {*KEPT, "d5"}


def test_unknown_tombstones_bring_back_rather_than_lose(folder: Path, light: Any) -> None:
    damage(folder, "live-s0001.bin")
    told = rebuild(folder, light)
    assert told.lost == ("What was removed from s0001 is unknown: it may be back.",)
    assert set(sound(folder, light)) == {*KEPT, "d5"}


def test_a_damaged_manifest_and_pointer_lose_no_document(folder: Path, light: Any) -> None:
    (folder / "CURRENT").write_bytes(b"g0x")
    told = rebuild(folder, light)
    assert "CURRENT" in told.lost[0]
    assert sound(folder, light) == KEPT
    for path in folder.rglob("manifest.json"):
        path.write_bytes(b"{")
    rebuild(folder, light)
    index = Index.open(folder, light)
    assert sorted(index.documents.ids()) == KEPT


def test_another_encoder_embeds_everything_again(
    folder: Path, light: Any, index_child: Any
) -> None:
    other = index_child.WordsEncoder("other@1")
    told = rebuild(folder, other)
    assert (told.embedded, told.lost) == (16, ())
    assert sound(folder, other) == KEPT


def test_where_nothing_can_be_saved_the_next_step_is_named(tmp_path: Path, light: Any) -> None:
    with pytest.raises(IndexError_, match=r"Nothing can be saved.*ingest"):
        rebuild(tmp_path / "none", light)


def test_random_damage_never_loses_another_document(folder: Path, light: Any) -> None:
    draw = random.Random(4)
    path = folder / store.current(folder) / "s0001" / "documents.bin"
    whole = path.read_bytes()
    expected = dict(_found(whole))
    for _ in range(100):
        at = draw.randrange(len(whole))
        data = whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :]
        found = _found(data)
        assert len(found) >= len(expected) - 1
        assert all(expected[offset] == text for offset, text in found)


def _found(data: bytes) -> list[tuple[int, bytes]]:
    return list(records.scan(data))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DOCUMENTS = st.builds(
    Document,
    id=TEXT, title=TEXT, kind=TEXT, url=TEXT, journal=TEXT, language=TEXT, licence=TEXT,
    sections=st.lists(st.builds(Section, TEXT, TEXT, TEXT), max_size=3).map(tuple),
    sources=st.lists(st.builds(Source, TEXT, TEXT), max_size=2).map(tuple),
    metadata=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    authors=st.lists(TEXT, max_size=3).map(tuple), mesh=st.lists(TEXT, max_size=3).map(tuple),
    year=st.none() | st.integers(-3000, 3000),
)  # fmt: skip


@settings(max_examples=100, derandomize=True, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_any_document_is_packed_and_unpacked(one: Document, other: Document) -> None:
    data = records.encode(one)
    record = records.pack(data)
    assert records.decode(records.unpack(record, records.digest(data))) == one
    assert (records.encode(other) == data) == (other == one)
    with pytest.raises(records.DamagedRecordError):
        records.unpack(record[:-1])
    if other != one:
        with pytest.raises(records.DamagedRecordError):
            records.unpack(record, records.digest(records.encode(other)))
