"""`auscult finetune` as a user meets it; the other commands of training have help."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval.errors import ConfigError
from tests.ui.conftest import Run
from ui import cli

COMMANDS = ("finetune", "promote", "rollback", "optimize", "merge", "feedback", "feedback export",
            "feedback review")  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_training_has_help(command: str) -> None:
    done = CliRunner().invoke(cli.app, [*command.split(), "--help"], prog_name="auscult")
    assert done.exit_code == 0
    assert f"Usage: auscult {command}" in done.output


def test_recipe_and_options_reach_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.commands import finetune

    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(finetune, "run", lambda *given: seen.append(given) or 0)
    words = "finetune mine.yaml --set rank=4 --set seed=2 --data d --out o --run r --dry-run --fresh --search 3 --no-tensorboard"
    done = CliRunner().invoke(cli.app, words.split(), obj=cli.Invocation())
    assert done.exit_code == 0, done.output
    (given,) = seen
    options = finetune.Options(
        changes=("rank=4", "seed=2"), data=Path("d"), out=Path("o"), run=Path("r"), dry_run=True,
        fresh=True, search=3, tensorboard=False,
    )  # fmt: skip
    assert given == (None, "mine.yaml", options)


def test_explain_and_an_unknown_recipe_from_the_shell(auscult: Run) -> None:
    done = auscult("finetune", "rerank", "--explain")
    assert done.returncode == 0, done.stderr
    assert "rank: whole number" in done.stdout
    wrong = auscult("finetune", "rerankk")
    assert wrong.returncode == ConfigError.exit_code
    (line,) = wrong.stderr.splitlines()
    assert line.startswith("auscult: There is no recipe 'rerankk'. Did you mean 'rerank'?")
