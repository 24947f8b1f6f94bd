"""`auscult doctor`: what works here, what does not, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

from assistant import doctor, settings
from assistant.errors import ConfigError


def run(config: Path | None) -> int:
    """Print every check; return 1 if something essential is missing."""
    from ui import render

    try:
        loaded, origins = settings.load(config)
    except ConfigError as error:
        checks = [doctor.Check("settings", False, str(error), "auscult settings", True)]
        checks += doctor.checks(settings.Settings())
    else:
        used = sorted({origin for origin in origins.values() if origin != "default"})
        detail = "defaults" + "".join(f", {origin}" for origin in used)
        checks = [doctor.Check("settings", True, detail), *doctor.checks(loaded)]
    console = render.console()
    for check in checks:
        console.print(render.check(check))
    failed = [check for check in checks if not check.ok and check.essential]
    console.print()
    console.print(
        f"{len(failed)} of {len(checks)} checks failed."
        if failed
        else f"All {len(checks)} checks that matter passed."
    )
    return 1 if failed else 0
