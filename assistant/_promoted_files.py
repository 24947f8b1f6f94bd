"""The files of an adapter that is to serve: inspected, copied into the store, checked later.

Promises that nothing but safetensors and text gets into the store: a pickle, whatever it is called,
is refused without being opened as one. Knows nothing of slots and of what an adapter computes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.errors import ModelError
from assistant.models import _chat_files
from retrieval import files

WEIGHTS = _chat_files.ADAPTER_WEIGHTS
CARD = _chat_files.CARD
NEEDED = (WEIGHTS, CARD)
_TEXT = {".json", ".md", ".txt", ".yaml", ".jinja"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What an adapter's folder holds.

    Attributes:
        name: by its card.
        card: the card.
        files: the SHA-256 digest of each file that is kept.
        digest: SHA-256 over these names and digests.
    """

    name: str
    card: Mapping[str, Any]
    files: Mapping[str, str]
    digest: str


def inspect(folder: Path) -> Facts:
    """Return what an adapter's folder holds, verified against its card.

    Raises:
        ModelError: if a file is missing, the card can't be read, the digest differs, or a file of
            weights is no safetensors file.
    """
    for needed in NEEDED:
        if not (folder / needed).is_file():
            raise ModelError(f"{folder} has no {needed}: give the folder of a trained adapter.")
    _refuse_pickles(folder)
    card = _card(folder)
    wanted = str(card["sha256"])
    digest = files.sha256(folder / WEIGHTS)
    if digest != wanted:
        raise ModelError(
            f"The adapter in {folder} is damaged: its weights have digest {digest[:12]}..., not "
            f"{wanted[:12]}... as its card says: take both files from one training."
        )
    kept = {path.name: files.sha256(path) for path in _kept(folder)}
    whole = hashlib.sha256("".join(f"{n} {d}\n" for n, d in sorted(kept.items())).encode())
    return Facts(str(card["name"]), card, kept, whole.hexdigest())


def keep(folder: Path, facts: Facts, store: Path) -> Path:
    """Copy an adapter into the store and return its place there; a copy that is whole is reused.

    Raises:
        OSError: if the store can't be written; nothing is left behind.
        ModelError: if the adapter's files have changed since they were inspected.
    """
    place = store / facts.digest[:16]
    if place.exists() and fault(place, facts.files):
        place.replace(place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.damaged"))
    if not place.exists():
        with files.atomic_folder(place) as aside:
            for name in facts.files:
                shutil.copyfile(folder / name, aside / name)
            wrong = fault(aside, facts.files)
            if wrong:
                raise ModelError(
                    f"The adapter in {folder} changed while it was copied ({wrong}): wait until "
                    "its training has ended, and promote it again."
                )
    return place


def fault(folder: Path, digests: Mapping[str, str]) -> str:
    """Return what is wrong with a copy, or "" where every file is as it was."""
    for name, digest in digests.items():
        path = folder / name
        try:
            if files.sha256(path) != digest:
                return f"{path} is damaged"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} can't be read: {error.strerror}"
    return "" if all(name in digests for name in NEEDED) else f"{folder} is incomplete"


def _kept(folder: Path) -> list[Path]:
    found = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    return sorted(p for p in found if p.name == WEIGHTS or p.suffix in _TEXT)


def _refuse_pickles(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _chat_files.PICKLES:
            raise ModelError(
                f"{path} may hold code that runs when it is loaded, so the adapter is refused: "
                "remove it, and keep weights as safetensors only."
            )
    _chat_files.check_safetensors(folder / WEIGHTS)


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        good = all(isinstance(card[key], str) for key in ("name", "task", "sha256"))
        good = good and isinstance(card["base"]["sha256"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        good, card = False, {}
    if not good:
        raise ModelError(
            f"The card in {folder} can't be read (it needs name, task, base and sha256): take "
            "card.json from the adapter's training."
        )
    return dict(card)
