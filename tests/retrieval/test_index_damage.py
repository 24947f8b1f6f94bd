"""An index that is damaged, or can't be written, is refused in one sentence and never half used."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from retrieval import chunking, files
from retrieval.errors import IndexError_
from retrieval.index import generations, store
from retrieval.index.store import Index
from retrieval.index.writer import Writer, verify
from retrieval.types import Document, Passage, Section

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(
    Document(f"d{n}", f"Title {n}", (Section("Part", "", f"Text number {n} of the index."),))
    for n in range(4)
)
EXTRA = Document("extra", "Extra", (Section("", "", "One more text, extra."),), kind="condition")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, index_child: ModuleType) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    light = index_child.WordsEncoder()
    Index.build(folder, DOCUMENTS, light)
    with Writer(folder, light) as writer:
        writer.commit([DOCUMENTS[2], EXTRA], ["d3"])
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "index")


def parts(folder: Path) -> list[Path]:
    """Every file that a reader needs."""
    generation = folder / store.current(folder)
    return sorted(p for p in generation.rglob("*") if p.is_file() and p.suffix != ".lock")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(bytes(data))


def refused(folder: Path, encoder: Any) -> str:
    with pytest.raises(IndexError_, match="auscult ingest --rebuild") as caught:
        Index.open(folder, encoder)
    return str(caught.value)


def test_a_flipped_bit_in_any_file_is_refused_by_name(folder: Path, light: Any) -> None:
    kinds = set()
    for path in parts(folder):
        if path.name == "manifest.json":
            continue
        kinds.add(path.suffix or path.name)
        if not path.stat().st_size:
            continue
        for at in (0, path.stat().st_size // 2, path.stat().st_size - 1):
            flip(path, at)
            assert path.name in refused(folder, light)
            flip(path, at)
    assert {".f16", ".jsonl", ".json", ".idx", ".term", ".bin", ".tsv"} <= kinds
    assert sorted(Index.open(folder, light).documents.ids()) == ["d0", "d1", "d2", "extra"]


def test_a_file_that_is_cut_or_gone_is_refused(folder: Path, light: Any) -> None:
    for path in parts(folder):
        data = path.read_bytes()
        if data:
            path.write_bytes(data[:-1])
            refused(folder, light)
        path.unlink()
        refused(folder, light)
        path.write_bytes(data)
    assert len(Index.open(folder, light).documents) == 4


@pytest.mark.parametrize("seed", [1])
def test_sixty_flips_and_cuts_anywhere_are_each_refused(
    folder: Path, light: Any, seed: int
) -> None:
    damaged_at_random(folder, light, 60, seed)


@pytest.mark.slow
def test_three_hundred_flips_and_cuts_anywhere(folder: Path, light: Any) -> None:
    damaged_at_random(folder, light, 300, 2)


def damaged_at_random(folder: Path, encoder: Any, times: int, seed: int) -> None:
    draw = random.Random(seed)
    files = [*parts(folder), folder / "CURRENT"]
    files = [path for path in files if path.stat().st_size]
    for turn in range(times):
        path = files[turn % len(files)]
        data = path.read_bytes()
        if draw.random() < 0.3:
            path.write_bytes(data[: draw.randrange(len(data.rstrip()))])
        else:
            # Not the line's end of CURRENT: whatever it is, it says the same.
            at = draw.randrange(len(data.rstrip()))
            path.write_bytes(
                data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
            )
        refused(folder, encoder)
        assert verify(folder) != []
        path.write_bytes(data)
    assert verify(folder) == []


def test_a_damaged_record_of_a_large_file_is_refused_when_it_is_read(
    folder: Path, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "LARGE_BYTES", 0)
    path = next((folder / store.current(folder)).glob("s0001/documents.bin"))
    places = range(0, path.stat().st_size, 7)
    refusals = []
    for at in places:
        flip(path, at)
        index = Index.open(folder, light)
        wrong = 0
        for row, passage in enumerate(whole_passages()):
            try:
                assert index.passages[row] == passage
            except IndexError_ as error:
                wrong += "ingest --rebuild" in str(error)
        refusals.append(wrong)
        flip(path, at)
    # A bit that only pads a compressed stream changes no document.
    assert set(refusals) <= {0, 1}
    assert sum(refusals) > 0.9 * len(places)


def whole_passages() -> list[Passage]:
    return list(chunking.passages(DOCUMENTS))


@pytest.mark.parametrize(
    "change",
    [{"format": 3}, {"format": None}, {"encoder": None}, {"digests": None}, {"digests": []},
     {"digests": {}}],
    ids=str,
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(
    folder: Path, light: Any, change: dict[str, object]
) -> None:
    path = folder / store.current(folder) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(folder, light)
    digest = files.sha256(path)  # as a manifest that somebody wrote so
    (folder / "CURRENT").write_text(f"{store.current(folder)} sha256:{digest}\n")
    assert "manifest" in refused(folder, light)


def test_an_index_of_the_first_format_is_refused_with_the_mending_command(
    tmp_path: Path, light: Any
) -> None:
    (tmp_path / "g000001").mkdir()
    (tmp_path / "g000001" / "manifest.json").write_text('{"format": 1, "encoder": "x"}')
    (tmp_path / "CURRENT").write_text("g000001\n")
    assert "format 1" in refused(tmp_path, light)
    assert len(Index.build(tmp_path, DOCUMENTS, light).documents) == 4


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "", "{", "{}", "\x00"])
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, light: Any, text: str) -> None:
    (folder / store.current(folder) / "manifest.json").write_text(text)
    assert "manifest" in refused(folder, light)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"g000009\n",
        b"..",
        b".",
        b"/",
        b"/etc",
        b"g000001/lexical",
        b"\xff\xfe",
        b"a\x00b",
    ],
)
def test_a_pointer_to_nothing_is_refused(folder: Path, light: Any, data: bytes) -> None:
    (folder / "CURRENT").write_bytes(data)
    refused(folder, light)


def test_an_absent_or_empty_folder_is_refused(tmp_path: Path, light: Any) -> None:
    assert "no usable index" in refused(tmp_path, light)
    assert "no usable index" in refused(tmp_path / "absent", light)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["CURRENT", "manifest.json", "vectors.f16", "documents.bin"])
def test_a_damaged_index_is_made_anew(folder: Path, light: Any, name: str) -> None:
    path = next(p for p in folder.rglob(name) if "g000001" not in p.parts)
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    embedded: list[int] = []
    index = Index.build(folder, DOCUMENTS, light, progress=lambda done, _: embedded.append(done))
    assert embedded[-1] == 4, "vectors of a damaged index must not be taken over"
    assert list(Index.open(folder, light).passages) == list(index.passages)
    assert verify(folder) == []


@pytest.mark.parametrize("place", ["index", "index/below"])
def test_a_file_in_place_of_the_folder_is_one_clear_sentence(
    tmp_path: Path, light: Any, place: str
) -> None:
    (tmp_path / "index").write_text("kept")
    with pytest.raises(IndexError_, match=r"can't be written to .*AUSCULT_STATE_DIR"):
        Index.build(tmp_path / place, DOCUMENTS, light)
    assert (tmp_path / "index").read_text() == "kept"


FULL_DISK = """
import resource, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from index_child import WordsEncoder
from retrieval.errors import IndexError_
from retrieval.index import store
from retrieval.index.store import Index
from retrieval.index.writer import Writer, verify
from retrieval.types import Document, Section

folder, light = Path(sys.argv[1]), WordsEncoder()
documents = [
    Document(f"d{n}", f"Title {n}", (Section("Part", "", f"Other text number {n} " + "word " * 50),))
    for n in range(30)
]

def change(folder):
    with Writer(folder, light) as writer:
        writer.commit(documents, ["extra"])

def names(folder):
    return sorted(p.name for p in folder.iterdir())

before = names(folder)
spare = folder.with_name("spare")
shutil.copytree(folder, spare)
change(spare)
made = (p for p in (spare / store.current(spare)).rglob("*") if p.is_file())
sizes = {p.stat().st_size for p in made if p.stat().st_nlink == 1} - {0}
for limit in sorted({0, *(size - 1 for size in sizes)}):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        change(folder)
        outcome = "built"
    except IndexError_ as error:
        outcome = "refused" if "can't be written" in str(error) else str(error)
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    whole = sorted(Index.open(folder, light).documents.ids()) == ["d0", "d1", "d2", "extra"]
    print(limit, outcome, names(folder) == before, whole and not verify(folder), sep="|")
change(folder)
print("end", store.current(folder), sep="|")
"""


def test_a_disk_that_is_full_at_any_file_leaves_the_old_index(folder: Path) -> None:
    # The limit on a file's size fails a write where a full disk would, at each file in turn.
    before = store.current(folder)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), str(Path(__file__).parent)],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, end = done.stdout.split("\n")[:-1]
    assert len(lines) > 6
    wrong = [line for line in lines if not line.endswith("|refused|True|True")]
    assert wrong == []
    assert end == f"end|g{int(before[1:]) + 1:06d}"
