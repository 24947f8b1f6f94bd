"""`auscult settings`: every setting with its value, its origin and what it is for."""

from __future__ import annotations

from pathlib import Path

from assistant import settings


def run(config: Path | None) -> int:
    """Print the settings in force; secrets are masked."""
    from ui import render

    loaded, origins = settings.load(config)
    # pydantic masks a SecretStr in its JSON form.
    values = loaded.model_dump(mode="json")
    console = render.console()
    for name, field in type(loaded).model_fields.items():
        console.print(render.setting(name, _shown(values[name]), origins[name]))
        console.print(render.note(field.description or ""))
    return 0


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return "(empty)" if value == "" else str(value)
