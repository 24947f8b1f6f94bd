"""`auscult ingest`: literature into the index."""

from __future__ import annotations

import sys
from pathlib import Path

from assistant.errors import InputError
from ui.commands.opening import open_assistant
from ui.failures import say


def run(config: Path | None, paths: tuple[Path, ...], *, rebuild: bool) -> int:
    """Index the files; return 3 if any of them could not be read.

    Raises:
        InputError: if there is nothing to do, or a path does not exist.
    """
    if not paths and not rebuild:
        raise InputError("Nothing to ingest: name files or folders, or give --rebuild.")
    for path in paths:
        if not path.exists():
            raise InputError(f"There is no file or folder {path}: check the path.")
    report = open_assistant(config).ingest(paths, rebuild=rebuild)
    for name, reason in report.skipped:
        say(f"skipped {name}: {reason}")
    sys.stdout.write(
        f"{report.documents} documents, {report.passages} passages are in the index.\n"
    )
    return InputError.exit_code if report.skipped else 0
