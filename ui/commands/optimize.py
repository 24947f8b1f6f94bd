"""`auscult optimize`: measures the forms of the encoder's adapters here and chooses the fastest."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.settings import Settings
from retrieval.errors import ConfigError

if TYPE_CHECKING:
    from finetune.optimize import Measured

TEXTS = 160
# The form that merging alone gives.
NAMES = {"merged": "float32"}


def run(
    config: Path | None,
    names: Sequence[str],
    *,
    out: Path | None,
    forms: Sequence[str],
    as_json: bool,
) -> int:
    """Measure, choose for serving, and with `out` write merged models; print what was found.

    Raises:
        ConfigError: if there is no such form, or a merged model exists already.
        ModelError: if an adapter can't be used.
    """
    from assistant import settings as reading
    from finetune import optimize
    from retrieval.encoder import Encoder, locate

    settings, _ = reading.load(config)
    wanted = [NAMES.get(form, form) for form in forms] or ["bf16", "int8"]
    encoder = Encoder.load(settings.encoder)
    rows: list[Measured] = []
    texts = _texts()
    chosen_from = list(names) or _shipped()
    for name in chosen_from:
        rows += optimize.measure(encoder, name, texts, wanted)
    choice = optimize.choose(rows)
    written: list[Path] = []
    if out is not None:
        for name in chosen_from:
            for form in wanted:
                if form != "int8":
                    base = locate(settings.encoder)
                    written.append(optimize.export(encoder, name, form, out, rows, base))
    path = optimize.keep(settings.state_dir, rows, choice)
    if as_json:
        value = {"measured": [asdict(r) for r in rows], "forms": choice, "file": str(path),
                 "written": [str(p) for p in written]}  # fmt: skip
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
    else:
        _show(settings, rows, choice, written)
    return 0


def _shipped() -> list[str]:
    from retrieval import adapters

    found = sorted(path.parent.name for path in adapters.WEIGHTS.glob("*/card.json"))
    if not found:
        raise ConfigError("No adapter is shipped with this installation: name one's folder.")
    return found


def _texts() -> list[str]:
    """Return passages of the starter library, spread evenly over it."""
    from retrieval import chunking, library

    found = [passage.text for passage in chunking.passages(library.documents())]
    return found[:: max(1, len(found) // TEXTS)][:TEXTS]


def _show(
    settings: Settings, rows: Sequence[Measured], choice: Mapping[str, str], written: Sequence[Path]
) -> None:
    from ui import render

    body = [
        (
            row.adapter,
            row.form + (" (chosen)" if choice.get(row.task) == row.form else ""),
            f"{row.texts_per_s:,.0f}",
            f"{row.speed:.2f}",
            f"{row.agreement:.4f} {row.measure}",
        )
        for row in rows
    ]
    head = ("adapter", "form", "texts/s", "times float32", "agreement with float32")
    console = render.console()
    console.print(render.table(head, body))
    for path in written:
        console.print(f"Merged model: {path}")
    console.print(
        f"Serving computes in the chosen forms from its next start ({settings.state_dir})."
    )
