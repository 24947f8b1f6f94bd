"""Discovery by file name: nothing is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retrieval import plugins
from retrieval.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A package with two parts, a helper, a folder that is a part and folders that are none."""
    name = f"parts_{abs(hash(request.node.name))}"
    root = tmp_path / name
    for folder in ("", "nested", "data", "__pycache__"):
        (root / folder).mkdir(parents=True)
    for file in ("__init__.py", "nested/__init__.py", "_helper.py", ".hidden.py", "data/x.txt"):
        (root / file).touch()
    (root / "first.py").write_text("VALUE = 1\n")
    (root / "broken.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_names_are_the_parts_sorted_without_helpers(package: str) -> None:
    assert plugins.names(package) == ["broken", "first", "nested"]


def test_listing_imports_no_part(package: str) -> None:
    plugins.names(package)
    assert not [name for name in sys.modules if name.startswith(f"{package}.")]


def test_load_imports_the_named_part_alone(package: str) -> None:
    assert plugins.load(package, "first").VALUE == 1
    assert f"{package}.broken" not in sys.modules


def test_a_new_file_is_a_new_part(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "second.py").write_text("VALUE = 2\n")
    assert plugins.load(package, "second").VALUE == 2


def test_a_part_that_fails_to_import_surfaces_as_itself(package: str) -> None:
    with pytest.raises(RuntimeError, match="imported"):
        plugins.load(package, "broken")


def test_an_unknown_name_offers_the_nearest(package: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'frist'.*Did you mean 'first'\?.*broken, first, nested"
    ):
        plugins.load(package, "frist")


@pytest.mark.parametrize("name", ["zzz", "_helper", "../first", "first.VALUE", "data", ""])
def test_a_name_that_is_no_part_is_refused(package: str, name: str) -> None:
    with pytest.raises(ConfigError, match="Unknown name"):
        plugins.load(package, name)


def test_listing_the_real_readers_loads_nothing_heavy() -> None:
    code = (
        "import sys; from retrieval import plugins; import retrieval.errors, retrieval.types;"
        "print(*plugins.names('retrieval.sources'));"
        "print(*sorted({'torch','faiss','transformers','tantivy','retrieval.sources.monograph'}"
        " & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, heavy = done.stdout.split("\n")[:2]
    assert {"monograph", "text", "beir"} <= set(names.split())
    assert heavy == ""
