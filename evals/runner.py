"""Runs one evaluation: load, solve, score, and write three files at once.

    <out>/predictions.jsonl   one object a sample
    <out>/metrics.json        task, n, metrics with intervals, environment, digests
    <out>/report.html         the same for reading

The data is checked whole before anything is computed, and the folder appears only when all three
files are complete. Knows nothing of what a task measures.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from assistant.settings import Settings
from evals import report
from evals.types import Dataset, Prediction, Progress, Task
from retrieval import files, plugins
from retrieval.errors import InputError

PACKAGE = "evals.tasks"
FILES = ("predictions.jsonl", "metrics.json", "report.html")
LIBRARIES = ("auscult", "torch", "numpy", "scipy", "faiss-cpu", "tantivy", "tokenizers")
# Sets of many files get one digest of all, not a line each.
MANY = 20


def names() -> list[str]:
    """Return the names of the tasks, without importing any."""
    return plugins.names(PACKAGE)


def run(
    task: str,
    data: Path | None,
    limit: int | None,
    out: Path,
    settings: Settings,
    seed: int = 0,
) -> Path:
    """Run an evaluation and return the folder of its results.

    Args:
        task: one of `names()`.
        data: the task's data; None takes its small built-in set.
        limit: samples at most, the first ones; None takes all.
        out: folder for the results; results of an earlier run in it are replaced.
        settings: what the assistant's parts are run with.
        seed: of the bootstrap and of everything that a solver draws.

    Raises:
        ConfigError: if there is no such task.
        InputError: if the data can't be used, or `out` can't be written; nothing is left behind.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit is {limit}: give a number of samples of at least 1.")
    _check_out(out)
    part: Task = plugins.load(PACKAGE, task).build(settings, seed)
    dataset = part.load(data, limit)
    set_threads(settings)
    started, clock = datetime.now(UTC), time.monotonic()
    with progress(task) as shown:
        predictions = list(part.solve(dataset, shown))
    seconds = time.monotonic() - clock
    result = {
        "task": task,
        "n": len(predictions),
        "metrics": {name: m.to_json() for name, m in part.score(predictions).items()},
        **_curves(part, predictions),
        "dataset": dataset.name,
        "unit": dataset.unit,
        "environment": {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "seed": seed,
            "limit": limit,
            **environment(settings),
        },
        "digests": digests(dataset, part.weights()),
    }
    _write(out, result, dataset, predictions)
    return out


def _curves(part: Task, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return the curves of a task that has some, for file and report."""
    drawn = getattr(part, "curves", None)
    return {} if drawn is None else {"curves": drawn(predictions)}


def set_threads(settings: Settings) -> None:
    """Hold torch to the threads that are set."""
    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)


def environment(settings: Settings) -> dict[str, Any]:
    """Return the machine, the libraries' versions and the models that a run had."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": settings.threads or "default",
        "encoder": settings.encoder,
        "chat_model": settings.chat_model,
        **versions,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((ln.partition(":")[2].strip() for ln in lines if ln.startswith("model name")), "")


def digests(dataset: Dataset, weights: Sequence[Path]) -> dict[str, str]:
    """Return SHA-256 digests; many data files are put under one digest of their digests."""
    import hashlib

    out = {f"data/{path.name}": files.sha256(path) for path in dataset.files[:MANY]}
    if len(dataset.files) > MANY:
        rest = hashlib.sha256()
        for path in dataset.files[MANY:]:
            rest.update(files.sha256(path).encode())
        out[f"data/ and {len(dataset.files) - MANY} more"] = rest.hexdigest()
    for path in weights:
        out[f"weights/{path.parent.name}/{path.name}"] = files.sha256(path)
    return out


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder for the results.")
    if out.is_dir():
        foreign = [p.name for p in out.iterdir() if p.name not in FILES]
        if foreign:
            raise InputError(
                f"{out} holds other files ({foreign[0]}): give a new folder for the results."
            )


def _write(
    out: Path, result: dict[str, Any], dataset: Dataset, predictions: Sequence[Prediction]
) -> None:
    page = report.render(result, dataset.name, dataset.unit, predictions)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as name:
            aside = Path(name) / "new"
            with files.atomic_folder(aside) as folder:
                with (folder / FILES[0]).open("w", encoding="utf-8") as stream:
                    for row in predictions:
                        stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
                text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
                (folder / FILES[1]).write_text(text + "\n", encoding="utf-8")
                (folder / FILES[2]).write_text(page, encoding="utf-8")
            if out.exists():
                out.replace(Path(name) / "old")
            aside.replace(out)
            out.chmod(0o755)
            files.sync_folder(out.parent)
            shutil.rmtree(Path(name) / "old", ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"The results can't be written to {out} ({error.strerror or error}): give another --out."
        ) from error


@contextmanager
def progress(name: str) -> Iterator[Progress]:
    """Show a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(line, completed=done, total=total)
