"""The rules of the tree, checked on the source itself: direction of imports, frameworks, size, safety."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("retrieval", "assistant", "finetune", "evals", "ui")
# What each package may import of the others; nothing imports to the right.
MAY_IMPORT = {
    "retrieval": set(),
    "assistant": {"retrieval"},
    "finetune": {"retrieval", "assistant"},
    "evals": {"retrieval", "assistant"},
    "ui": {"retrieval", "assistant", "finetune", "evals"},
}
# A heavy framework may be imported only below these paths.
FRAMEWORKS = {
    "gradio": ("ui/web",),
    "fastapi": ("ui/web",),
    "uvicorn": ("ui/web",),
    "faiss": ("retrieval/index/", "evals/bench/"),
    "tantivy": ("retrieval/index/",),
    "peft": ("finetune/", "assistant/models/"),
    "trl": ("finetune/chat/", "evals/bench/"),
    "optuna": ("finetune/search",),
    "sqlalchemy": ("assistant/store/",),
    "alembic": ("assistant/store/",),
    "typer": ("ui/cli",),
    "transformers": ("assistant/models/", "finetune/", "assistant/vision/classifiers/hub"),
    "monai": ("assistant/vision/classifiers/monai", "evals/bench/"),
    "langchain": ("assistant/",),
    "langgraph": ("assistant/",),
    "reportlab": ("assistant/vision/outputs/",),
    "highdicom": ("assistant/vision/outputs/",),
}
# Loads, for comparison, the store that it has just written itself.
PEERS = {"evals/bench/_peers.py"}
BANNED_MODULES = {"pickle", "cPickle", "joblib", "dill", "shelve", "marshal", "langchain_community"}
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.~$}])/(?:work|root|home|Users|mnt)/")
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".css", ".tsv", ".cfg"}
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), name(path))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno} is a relative import"
            yield node.module or "", node.lineno


def top_level_imports(path: Path) -> set[str]:
    """Names imported when the module is imported, not inside functions or for typing only."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return found


def test_there_is_something_to_check() -> None:
    assert {name(path).split("/")[0] for path in FILES} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_left(package: str) -> None:
    breaches = [
        f"{name(path)}:{line} imports {module}"
        for path in FILES
        if name(path).startswith(f"{package}/")
        for module, line in imports(path)
        if (other := module.split(".")[0]) in PACKAGES
        and other != package
        and other not in MAY_IMPORT[package]
    ]
    assert not breaches


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_frameworks_stay_where_they_belong(framework: str) -> None:
    breaches = [
        f"{name(path)}:{line}"
        for path in FILES
        for module, line in imports(path)
        if module.split(".")[0] == framework and not name(path).startswith(FRAMEWORKS[framework])
    ]
    assert not breaches


def test_what_help_and_discovery_import_is_light() -> None:
    light = ["ui/cli.py", "ui/failures.py", "assistant/errors.py", "retrieval/plugins.py",
             "retrieval/errors.py", "assistant/app.py", "assistant/session.py", "assistant/types.py"]  # fmt: skip
    heavy = {"torch", "transformers", "gradio", "faiss", "pydicom", "langchain", "langchain_core",
             "langgraph", "pandas", "scipy", "peft"}  # fmt: skip
    found = {path: top_level_imports(ROOT / path) & heavy for path in light}
    assert not {path: modules for path, modules in found.items() if modules}


def test_no_module_is_longer_than_400_lines() -> None:
    long = {name(p): n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert not long


def test_every_module_opens_with_what_it_promises() -> None:
    silent = [
        name(path)
        for path in FILES
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree(path))
    ]
    assert not silent


def test_nothing_unsafe_is_called() -> None:
    breaches = []
    for path in FILES:
        breaches += [
            f"{name(path)}:{node.lineno} {what}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call)
            and (what := unsafe(node))
            and not (name(path) in PEERS and "allow_dangerous_deserialization" in what)
        ]
        breaches += [
            f"{name(path)}:{line} imports {module}"
            for module, line in imports(path)
            if module.split(".")[0] in BANNED_MODULES
        ]
    assert not breaches


def unsafe(call: ast.Call) -> str:
    called = ast.unparse(call.func)
    options = {k.arg: ast.unparse(k.value) for k in call.keywords}
    if called in {"np.load", "numpy.load"} and options.get("allow_pickle") == "False":
        return ""
    if called in {"eval", "exec", "os.system", "os.popen", "torch.load", "np.load", "numpy.load",
                  "yaml.load", "yaml.unsafe_load"}:  # fmt: skip
        return called
    # Gradio's `launch(share=True)` opens a tunnel; a share of anything else is a number.
    sharing = {"share"} if called.endswith("launch") else set()
    for keyword in call.keywords:
        if keyword.arg in {"shell", "trust_remote_code", "allow_pickle",
                           "allow_dangerous_deserialization"} | sharing and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):  # fmt: skip
            return f"{called}({keyword.arg}=...)"
    return ""


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("eval('1')", True),
        ("torch.load(path)", True),
        ("subprocess.run(x, shell=True)", True),
        ("subprocess.run(x, shell=flag)", True),
        ("AutoModel.from_pretrained(x, trust_remote_code=True)", True),
        ("model.eval()", False),
        ("np.load(path, allow_pickle=False)", False),
        ("np.load(path)", True),
        ("np.load(path, allow_pickle=flag)", True),
        ("page.launch(share=False)", False),
        ("page.launch(share=True)", True),
    ],
)
def test_the_check_for_unsafe_calls_can_fail(source: str, caught: bool) -> None:
    call = ast.parse(source).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    assert bool(unsafe(call.value)) is caught


def test_no_file_names_a_path_of_one_machine() -> None:
    shown = [*FILES, *(p for p in (ROOT / "docs").rglob("*") if p.suffix in TEXT)]
    shown += [p for package in PACKAGES for p in (ROOT / package).rglob("*") if p.suffix in TEXT]
    shown += [
        p for p in ROOT.glob("*") if p.is_file() and (p.suffix in TEXT or p.name == "Makefile")
    ]
    breaches = [
        f"{name(path)}:{number}"
        for path in sorted(set(shown))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not breaches


def test_tests_are_no_packages() -> None:
    # tests/assistant/__init__.py would shadow the real package.
    assert not list((ROOT / "tests").rglob("__init__.py"))
