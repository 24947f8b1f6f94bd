"""Choosing a reader, walking folders, and archives: safe, member by member, nothing left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import sys
import tarfile
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retrieval import sources
from retrieval.errors import ConfigError, InputError, SourceError
from retrieval.sources import Skipped, _archive, _packed
from retrieval.types import Document

TIGHT = _packed.Limits(members=50, member_bytes=1 << 20, total_bytes=4 << 20, slack_bytes=1 << 20)


@pytest.fixture(autouse=True)
def leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give archives a temporary folder of their own, and see that it is empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(
    path: Path, members: dict[str, bytes], mode: str = "", form: int = tarfile.PAX_FORMAT
) -> Path:
    with tarfile.open(path, f"w{mode}", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def parted(items: Iterator[sources.Item]) -> tuple[list[Document], list[Skipped]]:
    found = list(items)
    documents = [item for item in found if isinstance(item, Document)]
    return documents, [item for item in found if isinstance(item, Skipped)]


MEMBERS = {
    "notes/a.txt": b"Urate crystals.",
    "notes/b.md": b"# Gout\n\nText.",
    "rows.csv": b"id,text\nr1,One\nr2,\n",
    "rows2.csv.gz": gzip.compress(b"id,text\nr3,Three\n"),
    "film.png": b"\x89PNG\r\n\x1a\n",
    "bad.txt": b"\xff\xff",
    ".hidden.txt": b"Hidden.",
    "__MACOSX/a.txt": b"Junk.",
    "long/" + "n" * 180 + ".txt": b"Long name.",
    "\u54ee\u5598.txt": b"Asthma.",
}


@pytest.mark.parametrize(
    "pack",
    [
        lambda p: zipped(p / "all.zip", MEMBERS),
        lambda p: zipped(p / "all.zip", MEMBERS, zipfile.ZIP_STORED),
        lambda p: tarred(p / "all.tar", MEMBERS),
        lambda p: tarred(p / "all.tar.gz", MEMBERS, ":gz"),
        lambda p: tarred(p / "all.tgz", MEMBERS, ":gz", tarfile.GNU_FORMAT),
        lambda p: tarred(p / "all.download", MEMBERS, ":gz"),
    ],
    ids=["zip", "stored", "tar", "tar.gz", "gnu tgz", "no suffix"],
)
def test_members_are_read_one_by_one(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    path = pack(tmp_path)
    documents, skipped = parted(sources.read(path))
    assert [d.id for d in documents] == ["a", "b", "r1", "r3", "n" * 180, "哮喘"]
    told = [(item.where, item.reason) for item in skipped]
    assert [where for where, _ in told] == [
        f"{path.name}/rows.csv row 3", f"{path.name}/film.png", f"{path.name}/bad.txt"
    ]  # fmt: skip
    assert "film.png has no reader" in told[1][1]
    assert "bad.txt is not UTF-8" in told[2][1]
    assert str(tempfile.tempdir) not in str(skipped)


def test_a_package_is_read_by_its_text_alone(tmp_path: Path) -> None:
    article = b"<!DOCTYPE article><article><front/></article>"
    members = {f"PMC1/{n}": b"x" for n in ("fig.jpg", "main.pdf", "supplement.txt")}
    path = tarred(tmp_path / "PMC1.tar.gz", {"PMC1/main.nxml": article, **members}, ":gz")
    names = [m.name for m in _archive._tar_members(path, _packed.Limits())]
    packages = _archive._packages(_archive._tar_members(path, _packed.Limits()))
    assert [n for n in names if not _archive._passed_over(n, packages)] == ["PMC1/main.nxml"]
    for name, data in {"main.nxml": article, "main.pdf": b"x", "notes.txt": b"x"}.items():
        (tmp_path / "open").mkdir(exist_ok=True)
        (tmp_path / "open" / name).write_bytes(data)
    assert [p.name for p in sources.expand([tmp_path / "open"])] == ["main.nxml"]


def test_a_benchmarks_queries_are_no_documents(tmp_path: Path) -> None:
    row = json.dumps({"_id": "q", "title": "", "text": "words"}).encode()
    path = zipped(tmp_path / "set.zip", {"set/queries.jsonl": row, "set/corpus.jsonl": row})
    documents, skipped = parted(sources.read(path))
    assert (len(documents), skipped) == (1, [])


@pytest.mark.parametrize(
    "name", ["/etc/a.txt", "../a.txt", "x/../../a.txt", "C:\\a.txt", "..\\a.txt"]
)
def test_a_name_that_leads_out_is_left_out(tmp_path: Path, name: str) -> None:
    for path in (
        tarred(tmp_path / "a.tar", {name: b"Evil.", "b.txt": b"Good."}),
        zipped(tmp_path / "a.zip", {name: b"Evil.", "b.txt": b"Good."}),
    ):
        documents, skipped = parted(sources.read(path))
        assert [d.id for d in documents] == ["b"]
        assert "leads out of the archive" in skipped[0].reason
    assert not list(tmp_path.parent.glob("a.txt"))


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"l{kind.decode()}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("folder.txt")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    zipped(tmp_path / "a.zip", {})
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        entry = zipfile.ZipInfo("link.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    for name, count in (("a.tar", 4), ("a.zip", 1)):
        documents, skipped = parted(sources.read(tmp_path / name))
        assert documents == []
        assert ["link or a device" in item.reason for item in skipped] == [True] * count


def test_an_archive_within_an_archive_is_left_out(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.txt": b"Words."}).read_bytes()
    path = zipped(tmp_path / "outer.zip", {"inner.zip": inner, "b.txt": b"Words."})
    documents, skipped = parted(sources.read(path))
    assert [d.id for d in documents] == ["b"]
    assert "within an archive: unpack it first" in skipped[0].reason


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", {"a.txt": b"Words."}).read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    (tmp_path / "a.zip").write_bytes(bytes(data))
    documents, (skipped,) = parted(sources.read(tmp_path / "a.zip"))
    assert documents == []
    assert "encrypted" in skipped.reason


def test_a_damaged_member_costs_that_member(tmp_path: Path) -> None:
    text = os.urandom(40).hex().encode()
    data = bytearray(zipped(tmp_path / "a.zip", {"a.txt": text, "b.txt": b"Good."}).read_bytes())
    data[data.index(b"a.txt") + 15] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(bytes(data))
    documents, (skipped,) = parted(sources.read(tmp_path / "a.zip"))
    assert [d.id for d in documents] == ["b"]
    assert skipped.where == "a.zip/a.txt"


@pytest.mark.parametrize("cut", [1, 300, 700, 1500])
def test_a_tar_cut_short_gives_what_it_has_and_says_so(tmp_path: Path, cut: int) -> None:
    path = tarred(
        tmp_path / "a.tar", {"a.txt": b"Words.", "b.txt": b"More."}, form=tarfile.USTAR_FORMAT
    )
    path.write_bytes(path.read_bytes()[:cut])
    stream = sources.read(path)
    if cut > 1024:
        assert next(stream).id == "a"  # type: ignore[union-attr]
    with pytest.raises(SourceError, match=r"a\.tar is damaged or cut short"):
        list(stream)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz", "a.txt.gz"])
@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 2000, b"\x1f\x8b\x08\x00", b"PK\x03\x04" + b"\0" * 50]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match="a\\."):
        list(sources.read(tmp_path / name))


def zip_bomb(path: Path) -> Path:
    return zipped(path / "a.zip", {f"{n}.txt": b"a " * 5_000_000 for n in range(2)})


def tar_bomb(path: Path) -> Path:
    return tarred(path / "a.tar.gz", {"a.txt": b"a " * 5_000_000}, ":gz")


def total_bomb(path: Path) -> Path:
    return tarred(path / "a.tar", {f"{n}.txt": b"ab " * 300_000 for n in range(8)})


def crowd(path: Path) -> Path:
    return zipped(path / "a.zip", {f"{n}.txt": b"Words." for n in range(60)})


def tar_crowd(path: Path) -> Path:
    return tarred(path / "a.tar", {f"{n}.txt": b"Words." for n in range(60)})


def lying_header(path: Path) -> Path:
    info = tarfile.TarInfo("a.txt")
    info.size, info.type = 4 << 30, tarfile.XHDTYPE
    (path / "a.tar").write_bytes(info.tobuf() + b"9" * 9000)
    return path / "a.tar"


def gzip_bomb(path: Path) -> Path:
    (path / "a.txt.gz").write_bytes(gzip.compress(b"a " * 5_000_000))
    return path / "a.txt.gz"


@pytest.mark.parametrize(
    "make", [zip_bomb, tar_bomb, total_bomb, crowd, tar_crowd, lying_header, gzip_bomb]
)
def test_bombs_are_stopped(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    kind = _archive.GzipReader if path.name == "a.txt.gz" else _archive.ArchiveReader
    begun = time.process_time()
    tracemalloc.start()
    said = ""
    try:
        _, skipped = parted(kind(limits=TIGHT).read(path))
        said = " ".join(item.reason for item in skipped)
    except SourceError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert any(words in said for words in ("bomb", "larger than", "more than", "header of"))
    assert time.process_time() - begun < 5
    assert peak < 30_000_000


def test_a_packed_file_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ward_notes.md.gz"
    path.write_bytes(gzip.compress(b"# Gout\n\nText."))
    (document,) = sources.read(path)
    assert isinstance(document, Document)
    assert (document.id, document.title, document.source) == ("ward_notes", "Gout", "ward_notes.md")


def test_content_is_believed_before_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"<!doctype html><p>Not a table.")
    assert sources.pick(path)[0] == "html"
    path.write_bytes(b"id,text\n1,x\n")
    assert sources.pick(path)[0] == "table"
    assert sources.pick(path, "text")[0] == "text"


@pytest.mark.parametrize("name", ["a.docx", "a.gz", "a", "a.png.gz"])
def test_what_has_no_reader_is_refused_with_what_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 office")
    with pytest.raises(InputError, match=r"a.* has no reader: .*\.csv.*\.pdf.*\.zip"):
        list(sources.read(tmp_path / name))


def test_an_unknown_reader_is_refused(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", {"a.txt": b"Words."})
    with pytest.raises(ConfigError, match=r"Did you mean 'text'"):
        sources.read(tmp_path / "a.zip", "txt")


def test_folders_are_walked_in_order_and_hidden_files_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("b/2.txt", "b/1.txt", "a.txt", ".git/x.txt", "c/.x.txt", "set/corpus.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "loop").symlink_to(root)
    found = [p.relative_to(root).as_posix() for p in sources.expand([root, root / "a.txt"])]
    assert found == ["a.txt", "b/1.txt", "b/2.txt", "set", "a.txt"]
    with pytest.raises(InputError, match="no file or folder"):
        list(sources.expand([root / "absent"]))


def test_one_new_file_is_a_new_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "rhyme.py").write_text(
        '"""Rhymes."""\n'
        "from retrieval.types import Document, Section\n"
        "SUFFIXES = ('.rhyme',)\n"
        "class R:\n"
        "    def read(self, path):\n"
        "        yield Document(path.stem, 'Rhyme', (Section('', '', path.read_text()),))\n"
        "def build():\n"
        "    return R()\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
    monkeypatch.setattr(
        "retrieval.plugins.names",
        lambda package, names=sources.plugins.names: sorted([*names(package), "rhyme"]),
    )
    (tmp_path / "a.rhyme").write_text("Roses are red.")
    sources._modules.cache_clear()
    try:
        (document,) = sources.read(tmp_path / "a.rhyme")
    finally:
        sources._modules.cache_clear()
        sys.modules.pop("retrieval.sources.rhyme", None)
    assert isinstance(document, Document)
    assert document.title == "Rhyme"
