"""`auscult finetune`: trains an adapter by a recipe. The work is `finetune`'s; here it is shown."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from finetune._command import Options, execute

__all__ = ["Options", "run"]


def run(config: Path | None, recipe: str, options: Options) -> int:
    """Do what was asked for and return the exit code.

    Args:
        config: the settings file; training reads no settings, the recipe says everything.
        recipe: a shipped recipe's name, or a YAML file.
        options: the command's options.

    Raises:
        AuscultError: if something given can't be used, or the training can't go on.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("finetune").setLevel(logging.INFO)
    return execute(recipe, options, _say)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
