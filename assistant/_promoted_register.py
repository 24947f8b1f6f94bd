"""The register of promoted adapters as a value: read from its file, changed, written back whole.

Promises that what it returns has the right types, however the file came to be. Knows nothing of the
adapters' own files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assistant.errors import ModelError
from retrieval import files

SLOTS = ("entities", "rerank", "support", "verdict", "embed", "chat")
FORMAT = 1
_PLACE = re.compile(r"store/[a-z]+/[0-9a-f]{16}")
_FILE = re.compile(r"[A-Za-z0-9_][\w.-]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done in a slot.

    Attributes:
        slot: where.
        action: "promote" or "rollback".
        name: of the adapter that serves since, by its card; "" for the shipped one.
        digest: SHA-256 over the digests of all its files, or "".
        folder: its copy, below the folder of the register, or "".
        files: the SHA-256 digest of each of its files.
        when: UTC, ISO 8601.
        who: the account that did it.
        forced: whether the gate had refused it.
        decision: the folder of the gate's decision, below the folder of the register, or "".
    """

    slot: str
    action: str
    name: str
    digest: str
    folder: str
    files: Mapping[str, str]
    when: str
    who: str
    forced: bool
    decision: str


@dataclass(frozen=True, slots=True)
class Register:
    """What serves in each slot (the last of its stack), and everything that was done."""

    in_force: Mapping[str, tuple[Entry, ...]]
    done: tuple[Entry, ...]

    def stack(self, slot: str) -> tuple[Entry, ...]:
        """Return what was promoted in a slot and not rolled back, oldest first."""
        return self.in_force.get(slot, ())

    def history(self, slot: str) -> tuple[Entry, ...]:
        """Return what was done in a slot, oldest first."""
        return tuple(entry for entry in self.done if entry.slot == slot)

    def slots(self) -> tuple[str, ...]:
        """Return the slots in which anything was done."""
        return tuple(slot for slot in SLOTS if self.history(slot))

    def pushed(self, made: Entry) -> Register:
        """Return the register with an adapter promoted."""
        stack = (*self.stack(made.slot), made)
        return replace(self, in_force={**self.in_force, made.slot: stack}, done=(*self.done, made))

    def rolled_back(self, done: Entry, rest: tuple[Entry, ...]) -> Register:
        """Return the register with a slot's stack cut to `rest`."""
        return replace(self, in_force={**self.in_force, done.slot: rest}, done=(*self.done, done))


def read(path: Path) -> Register:
    """Return the register; an empty one where there is no file yet.

    Raises:
        ModelError: if the file can't be read or does not hold a register.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r}")
        in_force = {
            str(slot): tuple(_entry(item, slot) for item in items)
            for slot, items in value["in_force"].items()
        }
        return Register(in_force, tuple(_entry(item) for item in value["done"]))
    except (FileNotFoundError, NotADirectoryError):
        return Register({}, ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"The register of promoted adapters {path} can't be read ({type(error).__name__}): "
            "restore it from a backup, or move it away and promote again."
        ) from error


def write(path: Path, register: Register) -> None:
    """Replace the register's file atomically."""
    files.write_json(
        path,
        {
            "format": FORMAT,
            "in_force": {
                slot: [asdict(entry) for entry in stack]
                for slot, stack in register.in_force.items()
            },
            "done": [asdict(entry) for entry in register.done],
        },
    )


def _entry(item: Any, slot: str | None = None) -> Entry:
    made = Entry(**item)
    texts = ("action", "name", "digest", "when", "who", "decision")
    good = (
        made.slot in SLOTS
        and slot in (None, made.slot)
        and all(isinstance(item[key], str) for key in texts)
        and isinstance(item["forced"], bool)
        and isinstance(item["files"], dict)
        # These become paths: nothing outside the store is ever named by them.
        and (_PLACE.fullmatch(made.folder) or (slot is None and made.folder == ""))
        and all(_FILE.fullmatch(n) and isinstance(d, str) for n, d in item["files"].items())
    )
    if not good:
        raise ValueError("an entry")
    return made
