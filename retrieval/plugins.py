"""Discovery of parts by file name.

A part is one file in a package; the file's name is its registered name. `names` lists files without
importing them, `load` imports one. Nothing here knows what the parts do.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.resources
from types import ModuleType

from retrieval.errors import ConfigError


def names(package: str) -> list[str]:
    """Return the sorted names of the parts in `package` without importing any of them.

    Files that begin with an underscore are helpers, not parts.
    """
    root = importlib.resources.files(package)
    found: list[str] = []
    for entry in root.iterdir():
        name = entry.name
        if name.startswith(("_", ".")):
            continue
        if name.endswith(".py"):
            found.append(name.removesuffix(".py"))
        elif entry.is_dir() and entry.joinpath("__init__.py").is_file():
            found.append(name)
    return sorted(found)


def load(package: str, name: str) -> ModuleType:
    """Import the part `name` of `package`.

    Raises:
        ConfigError: if there is no such part; the message offers the nearest names.
    """
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        kind = package.rpartition(".")[2]
        raise ConfigError(f"Unknown name {name!r} in {kind}.{hint} Known: {', '.join(known)}.")
    return importlib.import_module(f"{package}.{name}")
