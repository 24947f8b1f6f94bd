"""Opens the assistant for a command: settings, then parts on first use, progress on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.app import Assistant


def open_assistant(config: Path | None, overrides: dict[str, Any] | None = None) -> Assistant:
    """Return an assistant by the settings in force.

    Raises:
        ConfigError: if a setting can't be used.
    """
    from assistant import settings
    from assistant.app import Assistant

    loaded, _ = settings.load(config, overrides)
    return Assistant.create(loaded, progress=progress)


def progress(name: str, done: int, total: int) -> None:
    """Show how far a long step is, on one line of stderr that is wiped at its end."""
    if not sys.stderr.isatty() or total <= 0:
        return
    line = f"{name}: {done} of {total} ({100 * done // total}%)"
    sys.stderr.write("\r\x1b[K" if done >= total else f"\r\x1b[K{line}")
    sys.stderr.flush()
