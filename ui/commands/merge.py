"""`auscult merge`: an adapter and its base as one model, for any server that loads safetensors."""

from __future__ import annotations

import sys
from pathlib import Path


def run(config: Path | None, adapter: Path, out: Path, bits: int) -> int:
    """Merge and say what was written; return the exit code.

    Args:
        config: settings file; nothing in it matters here.
        adapter: a chat adapter's folder.
        out: folder to write; must not exist.
        bits: 16, 8 or 4.

    Raises:
        AuscultError: as `finetune.chat.export.merge`.
    """
    from finetune.chat import export

    card = export.merge(adapter, out, bits)
    size = sum((out / name).stat().st_size for name in card["files"])
    sys.stdout.write(
        f"{out}: {card['name']}, {bits} bits a weight, {size / 1e6:,.1f} MB of weights.\n"
    )
    return 0
