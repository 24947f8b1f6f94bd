"""`auscult ingest` and `auscult library`: what they print, what they change, what they exit with.

Called in this process, over a state folder whose encoder has two layers.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.errors import InputError
from assistant.resources import Resources
from assistant.settings import Settings
from retrieval.sources import documents
from retrieval.types import Document, Section
from tests.retrieval.conftest import _two_threads as _two_threads
from tests.retrieval.conftest import tiny_folder as tiny_folder
from ui.commands import ingest, library

Out = Callable[[], tuple[str, str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    from assistant import library as parts

    state = tmp_path_factory.mktemp("built")
    resources = Resources(Settings(state_dir=state, encoder=str(tiny_folder)))
    parts.open_index(resources, resources.collections.common)
    return state


@pytest.fixture(autouse=True)
def state(built: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "state"
    shutil.copytree(built, copy)
    monkeypatch.setenv("AUSCULT_STATE_DIR", str(copy))
    monkeypatch.setenv("AUSCULT_ENCODER", str(tiny_folder))
    monkeypatch.chdir(tmp_path)
    return copy


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Out:
    return lambda: (said := capsys.readouterr()) and (said.out, said.err)


def place(collection: str = "", user: str = "") -> library.Place:
    return library.Place(None, collection, user)


def papers(path: Path, count: int = 3) -> Path:
    held = [
        Document(
            f"pmid:{n}", f"On fever {n}", (Section("Results", "results", f"Fever number {n}."),),
            kind="article", year=2010 + n, language="en", journal="J Fever", evidence="trial",
            authors=("A. Author",), identifiers=(f"pmid:{n}",), mesh=("Fever",), source="PubMed",
            status="retracted" if n == 1 else "", notices=("Retraction in: PMID 9",) if n == 1 else (),
        )
        for n in range(count)
    ]  # fmt: skip
    path.write_text("\n".join(map(documents.line, held)) + "\n", encoding="utf-8")
    return path


def test_an_ingestion_says_what_it_did_and_where_the_rest_is(tmp_path: Path, out: Out) -> None:
    (tmp_path / "in").mkdir()
    papers(tmp_path / "in" / "papers.jsonl")
    (tmp_path / "in" / "film.png").write_bytes(b"\x89PNG")
    assert ingest.run(None, ("in",)) == 0
    said, errors = out()
    assert said.startswith("3 documents: 3 new, 1 left out.\n")
    assert "passages are in the index.\n" in said
    assert "skipped in/film.png: " in errors
    report = Path(errors.split("All that was left out is in ")[1].strip().rstrip("."))
    assert report.is_file()
    assert ingest.run(None, ("in",)) == 0
    assert out()[0].startswith("3 documents: 3 unchanged, 1 left out.\n")


def test_a_trial_describes_and_writes_nothing(tmp_path: Path, state: Path, out: Out) -> None:
    papers(tmp_path / "papers.jsonl")
    before = sorted(state.rglob("*"))
    assert ingest.run(None, ("papers.jsonl",), dry_run=True) == 0
    said, _ = out()
    assert "3 documents can be read: 3 new." in said
    assert "Years: 2010 to 2012" in said
    assert "Languages: 3 en." in said
    assert "Evidence: 3 trial." in said
    assert "on disk and" in said
    assert said.endswith("Nothing was written.\n")
    assert [p for p in sorted(state.rglob("*")) if p.name != ".lock"] == [
        p for p in before if p.name != ".lock"
    ]


@pytest.mark.parametrize(
    ("what", "options", "word"),
    [
        ((), ingest.Options(), "Nothing to ingest"),
        (("nowhere",), ingest.Options(), "nowhere"),
        (("pubmed",), ingest.Options(), "no query"),
        (("papers.jsonl",), ingest.Options(maximum=3), "--max"),
        (("papers.jsonl",), ingest.Options(columns="title"), "--map"),
        (("papers.jsonl",), ingest.Options(collection="../x"), "can't be the name"),
        (("papers.jsonl",), ingest.Options(owner="ann"), "--collection"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, what: tuple[str, ...], options: ingest.Options, word: str
) -> None:
    papers(tmp_path / "papers.jsonl")
    with pytest.raises(InputError, match=word):
        ingest.run(None, what, options)


def test_a_collection_is_listed_shown_and_kept_from_others(tmp_path: Path, out: Out) -> None:
    papers(tmp_path / "papers.jsonl")
    ingest.run(None, ("papers.jsonl",), ingest.Options("ward", "ann"))
    out()
    library.list_documents(place("ward", "ann"), "", 2, as_json=False)
    said, _ = out()
    assert "pmid:0  On fever 0  2010  PubMed  1 passages\n" in said
    assert "pmid:1  On fever 1  2011  PubMed  1 passages  RETRACTED\n" in said
    assert said.endswith("3 documents, the first 2 are shown.\n")
    library.list_documents(place("ward", "ann"), "FEVER 2", 9, as_json=True)
    assert json.loads(out()[0])["id"] == "pmid:2"
    library.show(place("ward", "ann"), "pmid:1", as_json=False)
    said, _ = out()
    for line in ("Status: RETRACTED", "Notices: Retraction in: PMID 9", "Authors: A. Author",
                 "MeSH: Fever", "Results\nFever number 1."):  # fmt: skip
        assert line in said
    for other in ("bob", ""):
        with pytest.raises(InputError, match="no collection 'ward'"):
            library.list_documents(place("ward", other), "", 9, as_json=False)
        library.collections(place(user=other), as_json=False)
        assert "ward" not in out()[0]
    library.collections(place(user="ann"), as_json=True)
    rows = [json.loads(line) for line in out()[0].splitlines()]
    assert [(r["collection"], r["owner"]) for r in rows] == [("common", ""), ("ward", "ann")]
    assert rows[1]["documents"] == 3
    library.drop(place("ward", "ann"))
    with pytest.raises(InputError, match="no collection 'ward'"):
        library.verify(place("ward", "ann"))


def test_a_removal_says_what_went_and_a_trial_of_it_changes_nothing(out: Out) -> None:
    library.remove(place(), ("gout", "absent"), dry_run=True)
    assert out() == (
        "gout would be removed.\n",
        "auscult: absent: there is no such document.\n",
    )
    library.remove(place(), ("gout",), dry_run=False)
    assert out()[0] == "gout is removed.\n"
    for use in (
        lambda: library.show(place(), "gout", as_json=False),
        lambda: library.remove(place(), ("gout",), dry_run=False),
    ):
        with pytest.raises(InputError):
            use()


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
def test_an_export_can_be_taken_in_again(tmp_path: Path, out: Out, name: str) -> None:
    papers(tmp_path / "papers.jsonl")
    ingest.run(None, ("papers.jsonl",), ingest.Options("one"))
    library.export(place("one"), tmp_path / name)
    ingest.run(None, (name,), ingest.Options("two"))
    library.export(place("two"), tmp_path / f"again-{name}")
    first, second = (tmp_path / name).read_bytes(), (tmp_path / f"again-{name}").read_bytes()
    if name.endswith(".gz"):
        first, second = gzip.decompress(first), gzip.decompress(second)
    assert first.splitlines()[1:] == second.splitlines()[1:]
    assert len(first.splitlines()) == 4
    with pytest.raises(InputError, match="can't be written"):
        library.export(place("one"), tmp_path / "papers.jsonl" / "x.jsonl")


def test_verify_finds_a_flipped_bit_and_says_what_mends_it(state: Path, out: Out) -> None:
    assert library.verify(place()) == 0
    assert "as it was written" in out()[0]
    vectors = next(state.rglob("vectors.f16"))
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(data)
    assert library.verify(place()) == 4
    errors = out()[1]
    assert "vectors.f16" in errors
    assert "auscult ingest --rebuild" in errors


def test_compacting_gives_space_back_and_keeps_the_rest(tmp_path: Path, out: Out) -> None:
    papers(tmp_path / "papers.jsonl", 200)
    ingest.run(None, ("papers.jsonl",), ingest.Options("ward"))
    library.remove(place("ward"), tuple(f"pmid:{n}" for n in range(40)), dry_run=False)
    out()
    assert library.compact(place("ward")) == 0
    assert "before" in out()[0]
    assert library.verify(place("ward")) == 0
    library.list_documents(place("ward"), "", 1, as_json=False)
    assert "160 documents" in out()[0]


def test_a_pubmed_query_is_taken_in_and_said(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.retrieval import eutils_server

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    eutils = eutils_server.Eutils.of(12)
    running = eutils_server.Running(eutils)
    monkeypatch.setenv("AUSCULT_PUBMED_URL", eutils.url)
    try:
        options = ingest.Options("trials", maximum=5)
        assert ingest.run(None, ("pubmed", "salt intake"), options) == 0
        said, errors = out()
        assert said.startswith("5 documents: 5 new.\n")
        assert "5 of 12 records for 'salt intake'." in errors
        assert ingest.run(None, ("pubmed", "salt intake"), options) == 0
        assert "5 unchanged" in out()[0]
    finally:
        running.stop()
