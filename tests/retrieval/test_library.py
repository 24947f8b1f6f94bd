"""The starter library: every monograph keeps the form, and none of it is copied."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from retrieval import library
from retrieval.sources import monograph
from retrieval.types import Document

# Names that rightly stand for two subjects: the condition and its emergency.
SHARED_NAMES = {
    "acute angle closure", "acute diarrhea", "acute ischemic stroke", "angle-closure glaucoma",
    "asthma exacerbation", "brain attack", "cerebrovascular accident", "closed-angle glaucoma", "cva",
    "narrow-angle glaucoma", "stroke",
}  # fmt: skip
FOLDERS = {
    "conditions": {"condition", "topic"},
    "drugs": {"drug"},
    "emergencies": {"emergency"},
    "symptoms": {"symptom"},
    "tests": {"test", "procedure"},
}


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """The checks that authors run, loaded by path: tests are no package."""
    path = Path(__file__).with_name("library_check.py")
    spec = importlib.util.spec_from_file_location("library_check", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def documents(whole_library: tuple[Document, ...]) -> list[Document]:
    return list(whole_library)


def test_the_library_is_large_and_holds_every_kind(documents: list[Document]) -> None:
    assert len(documents) >= 150
    assert len(documents) == len(library.paths())
    assert {document.kind for document in documents} == set(monograph.KINDS)


def test_every_monograph_keeps_the_form(check: ModuleType, documents: list[Document]) -> None:
    wrong = [f"{d.id}: {problem}" for d in documents for problem in check.problems(d)]
    assert wrong == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("## Treatment\n", "lacks Treatment"),
        ("It is also common.", "not self-contained"),
        ("- A list of five words here.", "is a list"),
        ("Too short.", "2 words"),
    ],
)
def test_the_check_sees_what_it_is_there_for(check: ModuleType, broken: str, problem: str) -> None:
    path = library.folder() / "conditions" / "asthma.md"
    text = path.read_text(encoding="utf-8")
    if broken.startswith("##"):
        before, _, after = text.partition(broken)
        text = before + after.partition("\n## ")[1] + after.partition("\n## ")[2]
    else:
        text = text.replace("## Causes\n", f"## Causes\n{broken}\n", 1)
    found = list(check.problems(monograph.parse(text, "asthma")))
    assert any(problem in line for line in found)


def test_ids_and_titles_are_unique(documents: list[Document]) -> None:
    for values in ([d.id for d in documents], [d.title.lower() for d in documents]):
        assert len(set(values)) == len(values)
    assert all(document.title.strip() for document in documents)


def test_a_name_belongs_to_one_subject(documents: list[Document]) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for document in documents:
        for name in (document.title, *document.synonyms):
            owners[name.lower()].add(document.id)
    shared = {name: sorted(ids) for name, ids in owners.items() if len(ids) > 1}
    assert shared.keys() <= SHARED_NAMES
    assert all(len(ids) == 2 for ids in shared.values())


def test_no_subject_names_itself_twice(documents: list[Document]) -> None:
    for document in documents:
        names = [name.lower() for name in (document.title, *document.synonyms)]
        assert len(set(names)) == len(names), document.id
        assert all(name == name.strip() and name for name in names), document.id


def test_a_file_lies_in_the_folder_of_its_kind(documents: list[Document]) -> None:
    by_id = {document.id: document for document in documents}
    for path in library.paths():
        assert by_id[path.stem].kind in FOLDERS[path.parent.name], path
        assert path.stem == path.stem.lower()


def test_sources_are_pages_of_public_bodies(documents: list[Document]) -> None:
    for document in documents:
        assert document.sources, document.id
        for source in document.sources:
            parts = urlsplit(source.url)
            host = parts.hostname or ""
            assert parts.scheme in ("http", "https"), source
            assert parts.port is None, source
            assert parts.username is None, source
            assert host.endswith((".gov", ".int", ".edu", ".org", ".nhs.uk")), source
            assert all(label and label.strip("-") == label for label in host.split(".")), source
            assert "wikipedia" not in host, source
            assert source.title.strip(), source
        urls = [source.url for source in document.sources]
        assert len(set(urls)) == len(urls), document.id


def test_the_text_is_clean(documents: list[Document]) -> None:
    for document in documents:
        for section in document.sections:
            where = f"{document.id}: {section.title}"
            assert section.text == section.text.strip(), where
            assert section.text.endswith("."), where
            assert "  " not in section.text, where
            assert not set(section.text) & set("\t\u00a0\ufffd{}<>|_`"), where
            assert "TODO" not in section.text, where


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(900)
def test_no_run_of_eight_words_stands_in_the_shared_data(
    check: ModuleType, documents: list[Document], shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_DATA", str(shared_data))
    assert check.copied(documents) == []
