"""The collections of an installation: the common library, shared ones, and those of single users.

    <state>/index                               the common library, which everybody searches
    <state>/collections/<name>-<digest>/        one folder a collection; the digest keeps owners apart
        collection.json  index/                 its name and owner; its index

Each collection is an index of its own. Isolation is physical: a folder that is not a user's is never
opened for that user, and what is not theirs is reported as what does not exist. Who somebody is, is
decided elsewhere; an owner is any text here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from retrieval import files
from retrieval.errors import IndexError_, InputError

COMMON = "common"
_NAME = re.compile(r"[a-z0-9][a-z0-9 _-]{0,63}")
_CARD = "collection.json"
_INDEX = "index"


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection.

    Attributes:
        name: "" for the common library.
        owner: whose it is; "" where everybody may search it.
        folder: where its index lies.
    """

    name: str
    owner: str
    folder: Path

    @property
    def shown(self) -> str:
        """The name for display."""
        return self.name or COMMON

    @property
    def is_built(self) -> bool:
        """Whether anything was ever put in."""
        return (self.folder / "CURRENT").exists()


class Collections:
    """Finds, makes and drops the collections of a state folder; keeps nothing in memory."""

    def __init__(self, state_dir: Path) -> None:
        self._common = CollectionInfo("", "", state_dir / "index")
        self._root = state_dir / "collections"

    @property
    def common(self) -> CollectionInfo:
        """The common library."""
        return self._common

    def visible(self, user: str = "") -> list[CollectionInfo]:
        """Return what a user may search: the common library, shared collections, and their own.

        Args:
            user: who; "" is nobody in particular and sees what is shared.
        """
        found = [info for info in self._all() if info.owner in ("", user)]
        return [self._common, *sorted(found, key=lambda info: (info.owner, info.name))]

    def find(self, name: str, user: str = "") -> CollectionInfo:
        """Return the user's collection of a name, else the shared one.

        Raises:
            InputError: if there is none that the user may see, or the name can't be one.
        """
        if name in ("", COMMON):
            return self._common
        for owner in dict.fromkeys((user, "")):
            info = self._info(_checked(name), owner)
            if info is not None:
                return info
        raise InputError(
            f"There is no collection {name!r}: 'auscult library collections' lists those there are."
        )

    def create(self, name: str, owner: str = "") -> CollectionInfo:
        """Return the owner's collection of a name; make it if there is none.

        Raises:
            InputError: if the name can't be one, or the owner's is no text.
            IndexError_: if the folder can't be written.
        """
        if name in ("", COMMON):
            if owner:
                raise InputError(
                    "The common library belongs to everybody: name a collection with --collection."
                )
            return self._common
        home = self._home(_checked(name), _checked_owner(owner))
        if (info := self._info(name, owner)) is not None:
            return info
        try:
            files.write_json(home / _CARD, {"name": name, "owner": owner})
        except OSError as error:
            raise IndexError_(
                f"The collection can't be written to {home} ({error.strerror or error}): "
                "free some space or set AUSCULT_STATE_DIR to a folder that can be written."
            ) from error
        return CollectionInfo(name, owner, home / _INDEX)

    def drop(self, name: str, owner: str = "") -> CollectionInfo:
        """Remove an owner's collection with everything in it.

        Raises:
            InputError: if the owner has none of this name; the common library can't be dropped.
        """
        if name in ("", COMMON):
            raise InputError("The common library can't be dropped: remove documents from it.")
        info = self._info(_checked(name), owner)
        if info is None:
            raise InputError(
                f"There is no collection {name!r}: "
                "'auscult library collections' lists those there are."
            )
        # Out of sight first: a drop that is interrupted leaves nothing that could be opened.
        (info.folder.parent / _CARD).unlink()
        shutil.rmtree(info.folder.parent, ignore_errors=True)
        return info

    def _all(self) -> list[CollectionInfo]:
        if not self._root.is_dir():
            return []
        found = (_read(home) for home in sorted(self._root.iterdir()))
        # A card counts only where its name and owner belong: a copied one gives nothing.
        return [
            info
            for info in found
            if info is not None and info.folder.parent == self._home(info.name, info.owner)
        ]

    def _info(self, name: str, owner: str) -> CollectionInfo | None:
        info = _read(self._home(name, owner))
        return info if info is not None and (info.name, info.owner) == (name, owner) else None

    def _home(self, name: str, owner: str) -> Path:
        digest = hashlib.sha256(f"{owner}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._root / f"{name.replace(' ', '_')}-{digest[:16]}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} can't be the name of a collection: take up to 64 lower-case letters, "
            "digits, spaces, '-' and '_', beginning with a letter or digit."
        )
    return name


def _checked_owner(owner: str) -> str:
    try:
        owner.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "The owner's name holds a character that is no text: write it in UTF-8."
        ) from error
    return owner


def _read(home: Path) -> CollectionInfo | None:
    """Return what a folder's card says, or None where there is none that can be read."""
    try:
        card = json.loads((home / _CARD).read_text(encoding="utf-8"))
        name, owner = card["name"], card["owner"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(name, str) or not isinstance(owner, str) or not _NAME.fullmatch(name):
        return None
    return CollectionInfo(name, owner, home / _INDEX)
