"""`auscult eval`: lists and runs the evaluation tasks."""

from __future__ import annotations

import ast
import importlib.resources
import sys
from pathlib import Path

from retrieval import plugins

TASKS = "evals.tasks"


def list_tasks() -> int:
    """Print each task's name and the first line of its module, without importing any."""
    names = plugins.names(TASKS)
    width = max((len(name) for name in names), default=0)
    for name in names:
        sys.stdout.write(f"{name:<{width}}  {_purpose(name)}\n")
    return 0


def run_task(
    config: Path | None, task: str, data: Path | None, limit: int | None, out: Path
) -> int:
    """Run one task and print where its report is.

    Raises:
        ConfigError: if there is no such task.
        InputError: if the data can't be read.
    """
    from assistant import settings
    from evals import runner

    loaded, _ = settings.load(config)
    report = runner.run(task, data, limit, out, loaded, seed=0)
    sys.stdout.write(f"{report}\n")
    return 0


def _purpose(name: str) -> str:
    root = importlib.resources.files(TASKS)
    for entry in (root.joinpath(f"{name}.py"), root.joinpath(name, "__init__.py")):
        if entry.is_file():
            doc = ast.get_docstring(ast.parse(entry.read_text(encoding="utf-8")))
            return (doc or "").split("\n", 1)[0]
    return ""
