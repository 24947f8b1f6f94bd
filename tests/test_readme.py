"""What the documents say against what is there: the tree, the commands, the links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ui.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("retrieval", "assistant", "finetune", "evals", "ui")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# What a build or a run leaves, and what belongs to the reader's own machine.
# Commands that have commands of their own.
GROUPS = {"eval", "feedback", "library"}
NOT_OURS = {"build", "dist", "runs", "var"}


def tree() -> list[tuple[str, str]]:
    """Return (path, purpose) of every entry of the README's tree; a line may name several."""
    block = README.split("<!-- tree: begin -->")[1].split("<!-- tree: end -->")[0]
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith("```")]
    out, folder = [], ""
    for line in lines:
        names, _, purpose = line.strip().partition("  ")
        if not line.startswith(" "):
            folder = names if names.endswith("/") else ""
            out += [(name, purpose.strip()) for name in names.split()]
        else:
            out += [(folder + name, purpose.strip()) for name in names.split()]
    return out


def test_every_entry_of_the_tree_is_there_and_has_a_purpose() -> None:
    assert tree()
    for path, purpose in tree():
        assert purpose, f"{path} has no purpose"
        there = ROOT / path
        assert there.is_dir() if path.endswith("/") else there.is_file(), f"{path} is not there"


def test_everything_at_the_top_is_in_the_tree() -> None:
    named = {path.rstrip("/") for path, _ in tree()}
    there = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".")
        and path.name not in NOT_OURS
        and not path.name.endswith((".egg-info", ".log"))
    }
    assert there - named == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_and_module_of_a_package_is_in_the_tree(package: str) -> None:
    named = {path.rstrip("/") for path, _ in tree()}
    there = set()
    for path in (ROOT / package).iterdir():
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" or (path.is_dir() and any(path.iterdir())):
            there.add(f"{package}/{path.name}")
    assert there - named == set()


def commands() -> set[str]:
    """Return every `auscult ...` and `make ...` that a document tells its reader to run."""
    found = set()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        found |= set(
            re.findall(r"(?:^ {4}|`)((?:auscult|make) [a-z][a-z-]*(?: [a-z]+)?)", text, re.M)
        )
    return found


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_documented_command_exists(command: str) -> None:
    program, *words = command.split()
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert words[0] in targets
        return
    words = words[:2] if words[0] in GROUPS else words[:1]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_that_is_documented_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for line in re.findall(r"^ {4}(auscult .*)$", text, re.M):
        words = line.split()
        name = words[1:3] if words[1] in GROUPS else words[1:2]
        helped = CliRunner().invoke(app, [*name, "--help"], terminal_width=200).output
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line.partition("#")[0]):
            assert option in helped, f"{document.name}: {option} of {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    helped = CliRunner().invoke(app, ["--help"]).output.split("Commands:")[1]
    for name in re.findall(r"^  ([a-z]+) ", helped, re.M):
        assert f"auscult {name}" in text
