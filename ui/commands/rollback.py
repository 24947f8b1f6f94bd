"""`auscult rollback`: returns a slot to the adapter that served before."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.promotions import Entry


def run(config: Path | None, slot: str, *, as_json: bool) -> int:
    """Return to the adapter before, print what was ever done in the slot, and return 0.

    Raises:
        ConfigError: if there is no such slot.
        InputError: if no adapter is promoted there.
        ModelError: if the register can't be read.
    """
    from assistant import settings
    from assistant.promotions import Promotions

    loaded, _ = settings.load(config)
    registry = Promotions(loaded.state_dir)
    back = registry.rollback(slot)
    history = registry.history(slot)
    if as_json:
        value = {
            "slot": slot,
            "serves": asdict(back) if back is not None else None,
            "history": [asdict(entry) for entry in history],
        }
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        return 0
    from ui import render

    console = render.console()
    head = ("when", "who", "what", "adapter", "digest", "decision")
    console.print(render.table(head, [_row(entry) for entry in history]))
    now = (
        f"the adapter {back.name!r} (digest {back.digest[:12]})"
        if back is not None
        else "what the product ships"
    )
    console.print(render.plain_text(f"In the slot {slot!r}, {now} serves now."))
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.when,
        entry.who,
        entry.action + (" by force" if entry.forced else ""),
        entry.name or "shipped",
        entry.digest[:12] or "-",
        entry.decision or "-",
    )
