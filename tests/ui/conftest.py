"""The command line as a user meets it, and the state folder with the run's one index."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from assistant.app import Assistant

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "ui.cli"]


def environment(state: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUSCULT_")}
    return kept | {"AUSCULT_STATE_DIR": str(state), "PYTHONWARNINGS": "ignore"} | more


@pytest.fixture
def auscult(tmp_path: Path) -> Run:
    """Run `auscult` in an empty folder with a state folder of its own, unless one is given."""

    def run(
        *arguments: object, state: Path | None = None, timeout: float = 280, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=timeout,
            env=environment(state or tmp_path / "state", **more),
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def state(assistant: Assistant) -> Path:
    """Return a state folder that holds the index; read it, never change it."""
    return assistant.settings.state_dir
