"""What every tool, chat model and eval task promises, asked of each file that there is.

A newcomer is tested unasked: put the file in its folder and it is found.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.errors import ConfigError
from assistant.resources import Resources
from assistant.settings import Settings
from assistant.tools import ToolResult, TurnContext
from retrieval import plugins

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("assistant.tools", "assistant.models", "assistant.vision.classifiers", "evals.tasks",
            "retrieval.sources")  # fmt: skip
PARTS = [(package, name) for package in PACKAGES for name in plugins.names(package)]
TOOLS = plugins.names("assistant.tools")
MODELS = plugins.names("assistant.models")
TASKS = plugins.names("evals.tasks")
HEAVY = {
    "torch", "transformers", "peft", "faiss", "tantivy", "langchain", "langchain_core", "langgraph",
    "pydicom", "pandas", "scipy", "sklearn", "gradio", "numpy", "PIL", "fastapi",
}  # fmt: skip


@pytest.fixture
def resources() -> Resources:
    """Parts of which none is loaded."""
    return Resources(Settings())


def test_the_parts_that_ship_are_found() -> None:
    assert {"literature", "image", "record"} <= set(TOOLS)
    assert {"extractive", "scripted"} <= set(MODELS)
    assert {"retrieval", "answers"} <= set(TASKS)


@pytest.mark.parametrize(("package", "name"), PARTS)
def test_a_part_says_in_one_line_what_it_is(package: str, name: str) -> None:
    lines = (plugins.load(package, name).__doc__ or "").strip().splitlines()
    assert lines, "the module opens without a docstring"
    assert len(lines[0]) <= 110
    assert lines[0][:1].isupper()
    assert len(lines) == 1 or not lines[1].strip() or lines[0][-1] not in ".:"


@pytest.mark.parametrize(("package", "name"), PARTS)
def test_a_part_exposes_build_with_a_docstring(package: str, name: str) -> None:
    build = plugins.load(package, name).build
    assert callable(build)
    assert inspect.getdoc(build)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_named_by_its_file_and_tells_the_model_its_use(
    resources: Resources, name: str
) -> None:
    from langchain_core.tools import BaseTool

    context = TurnContext(resources, [], "question")
    tool = plugins.load("assistant.tools", name).build(context)
    assert isinstance(tool, BaseTool)
    assert tool.name == name
    assert tool.description.strip()
    assert tool.response_format == "content_and_artifact"  # type: ignore[attr-defined]
    schema = tool.tool_call_schema.model_json_schema()  # type: ignore[union-attr]
    json.dumps(schema)
    for argument in schema.get("properties", {}):
        assert argument in tool.description, f"{argument} is not explained"


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_made_anew_for_every_turn_and_loads_nothing(
    resources: Resources, name: str
) -> None:
    module = plugins.load("assistant.tools", name)
    contexts = [TurnContext(resources, [], "question") for _ in range(2)]
    assert module.build(contexts[0]) is not module.build(contexts[1])
    assert resources._parts == {}
    assert contexts[0].evidence == {}


@pytest.mark.parametrize("name", MODELS)
def test_a_chat_model_builds_or_says_what_it_needs(resources: Resources, name: str) -> None:
    from langchain_core.language_models import BaseChatModel

    module = plugins.load("assistant.models", name)
    assert list(inspect.signature(module.build).parameters) == ["argument", "resources"]
    try:
        model = module.build("", resources)
    except ConfigError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert name in said
        return
    assert isinstance(model, BaseChatModel)
    assert type(model).bind_tools is not BaseChatModel.bind_tools
    assert model._llm_type
    assert resources._parts == {}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_dataset_solver_and_scorer(name: str) -> None:
    module = plugins.load("evals.tasks", name)
    assert list(inspect.signature(module.build).parameters) == ["settings", "seed", "arm"]
    task = module.build(Settings(), 0)
    for method in ("load", "solve", "score", "figures", "weights"):
        assert callable(getattr(task, method))
        assert inspect.getdoc(getattr(type(task), method))
    assert "Dataset" in (module.__doc__ or "")
    assert "Scorer" in (module.__doc__ or "")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_refuses_data_that_is_absent(name: str, tmp_path: Path) -> None:
    from retrieval.errors import InputError

    task = plugins.load("evals.tasks", name).build(Settings(state_dir=tmp_path), 0)
    with pytest.raises(InputError, match="absent"):
        task.load(tmp_path / "absent.jsonl", None)


def test_listing_parts_imports_nothing_heavy() -> None:
    code = (
        "import json, sys, importlib\n"
        "from retrieval import plugins\n"
        f"for package in {PACKAGES!r}:\n"
        "    importlib.import_module(package)\n"
        "    assert plugins.names(package)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert not set(json.loads(done.stdout)) & HEAVY


def test_a_new_file_is_a_new_tool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, resources: Resources
) -> None:
    """One file makes a part: it is listed, loaded and called without touching anything else."""
    import assistant.tools as package

    (tmp_path / "echo.py").write_text(
        '"""Say the words again."""\n'
        "from langchain_core.tools import StructuredTool\n"
        "from assistant.tools import ToolResult\n"
        "def build(context):\n"
        "    def echo(words: str) -> tuple:\n"
        '        """Say words again."""\n'
        "        return words, ToolResult(words, ())\n"
        "    return StructuredTool.from_function(echo, response_format='content_and_artifact')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "assistant.tools.echo", raising=False)
    from importlib import import_module

    tool = import_module("assistant.tools.echo").build(TurnContext(resources, [], ""))
    message = tool.invoke({"name": "echo", "args": {"words": "ah"}, "id": "1", "type": "tool_call"})
    assert isinstance(message.artifact, ToolResult)
    sys.modules.pop("assistant.tools.echo", None)
