"""An index that is damaged, or can't be written, is refused in one sentence and never half used."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.encoder import Encoder
from retrieval.errors import IndexError_
from retrieval.index import store
from retrieval.index.store import Index
from retrieval.types import Document, Section

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(
    Document(f"d{n}", f"Title {n}", (Section("Part", "", f"Text number {n} of the index."),))
    for n in range(3)
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, tiny: Encoder) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    Index.build(folder, DOCUMENTS, tiny)
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


def refused(folder: Path, encoder: Encoder) -> str:
    with pytest.raises(IndexError_, match="auscult ingest --rebuild") as caught:
        Index.open(folder, encoder)
    return str(caught.value)


def test_a_flipped_bit_in_any_file_is_refused_by_name(folder: Path, tiny: Encoder) -> None:
    kinds = set()
    for path in parts(folder):
        if path.name == "manifest.json":
            continue
        kinds.add(path.suffix or path.name)
        for at in (0, path.stat().st_size // 2, path.stat().st_size - 1):
            flip(path, at)
            assert path.name in refused(folder, tiny)
            flip(path, at)
    assert {".faiss", ".jsonl", ".json", ".idx", ".term", ".store"} <= kinds
    assert len(Index.open(folder, tiny).passages) == 3


def test_a_file_that_is_cut_or_gone_is_refused(folder: Path, tiny: Encoder) -> None:
    for path in parts(folder):
        data = path.read_bytes()
        path.write_bytes(data[:-1] if path.name != "manifest.json" else data[: len(data) // 2])
        refused(folder, tiny)
        path.unlink()
        refused(folder, tiny)
        path.write_bytes(data)
    assert len(Index.open(folder, tiny).passages) == 3


def test_a_flipped_bit_in_the_manifest_never_changes_what_is_found(
    folder: Path, tiny: Encoder
) -> None:
    path = folder / store.current(folder) / "manifest.json"
    whole = Index.open(folder, tiny).passages
    refusals = 0
    for at in range(0, path.stat().st_size, 5):
        flip(path, at)
        try:
            assert Index.open(folder, tiny).passages == whole
        except IndexError_:
            refusals += 1
        flip(path, at)
    assert refusals > 100


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"format": None}, {"encoder": None}, {"digests": None}, {"digests": []},
     {"digests": {}}],
    ids=str,
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(
    folder: Path, tiny: Encoder, change: dict[str, object]
) -> None:
    path = folder / store.current(folder) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused(folder, tiny)


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "", "{", "{}", "\x00"])
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, tiny: Encoder, text: str) -> None:
    (folder / store.current(folder) / "manifest.json").write_text(text)
    assert "manifest" in refused(folder, tiny)


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
def test_a_pointer_to_nothing_is_refused(folder: Path, tiny: Encoder, data: bytes) -> None:
    (folder / "CURRENT").write_bytes(data)
    refused(folder, tiny)


def test_an_absent_or_empty_folder_is_refused(tmp_path: Path, tiny: Encoder) -> None:
    assert "no usable index" in refused(tmp_path, tiny)
    assert "no usable index" in refused(tmp_path / "absent", tiny)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["CURRENT", "manifest.json", "vectors.faiss", "passages.jsonl"])
def test_a_damaged_index_is_made_anew(folder: Path, tiny: Encoder, name: str) -> None:
    path = next(folder.rglob(name))
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    embedded = []
    index = Index.build(folder, DOCUMENTS, tiny, progress=lambda done, _: embedded.append(done))
    assert embedded[-1] == 3, "vectors of a damaged index must not be taken over"
    assert Index.open(folder, tiny).passages == index.passages


@pytest.mark.parametrize("place", ["index", "index/below"])
def test_a_file_in_place_of_the_folder_is_one_clear_sentence(
    tmp_path: Path, tiny: Encoder, place: str
) -> None:
    (tmp_path / "index").write_text("kept")
    with pytest.raises(IndexError_, match=r"can't be written to .*AUSCULT_STATE_DIR"):
        Index.build(tmp_path / place, DOCUMENTS, tiny)
    assert (tmp_path / "index").read_text() == "kept"


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from retrieval.encoder import Encoder
from retrieval.errors import IndexError_
from retrieval.index import store
from retrieval.index.store import Index
from retrieval.types import Document, Section

torch.set_num_threads(1)
folder, tiny = Path(sys.argv[1]), Encoder.load(sys.argv[2], bf16=False)
documents = [
    Document(f"d{n}", f"Title {n}", (Section("Part", "", f"Other text number {n} " + "word " * 50),))
    for n in range(30)
]
before = sorted(p.name for p in folder.iterdir())
spare = folder.with_name("spare")
Index.build(spare, documents, tiny)
sizes = {p.stat().st_size for p in spare.rglob("*") if p.is_file()} - {0}
for limit in sorted({0, *(size - 1 for size in sizes)}):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        Index.build(folder, documents, tiny)
        outcome = "built"
    except IndexError_ as error:
        outcome = "refused" if "can't be written" in str(error) else str(error)
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    after = sorted(p.name for p in folder.iterdir())
    whole = len(Index.open(folder, tiny).passages) == 3
    print(limit, outcome, after == before, whole, sep="|")
Index.build(folder, documents, tiny)
print("end", store.current(folder), sep="|")
"""


def test_a_disk_that_is_full_at_any_file_leaves_the_old_index(
    folder: Path, tiny_folder: Path, tmp_path: Path, pristine: Path
) -> None:
    # The limit on a file's size fails a write where a full disk would, at each file in turn.
    folder = tmp_path / "index"
    manifest = folder / store.current(folder) / "manifest.json"
    named = json.loads(manifest.read_text())
    assert named["encoder"].startswith(str(tiny_folder))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), str(tiny_folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, end = done.stdout.split("\n")[:-1]
    assert len(lines) > 6
    wrong = [line for line in lines if not line.endswith("|refused|True|True")]
    assert wrong == []
    assert end == "end|g000002"
