"""What an index remembers of how it came about: files taken in whole, and the starter library.

It is kept in the manifest and published together with the documents, so that it never says more
than what is in the index. Only large files are remembered: small ones cost nothing to read again,
and what is in already is recognised document by document.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from retrieval import files

REMEMBERED_FROM_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that was taken in to its end.

    Attributes:
        path: where it lay.
        size: in bytes.
        mtime_ns: when it was last changed.
        how: reader and mapping that read it, as `key` gives them.
    """

    path: str
    size: int
    mtime_ns: int
    how: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """An index's memory.

    Attributes:
        taken: files by their SHA-256.
        starter: ids of the monographs that the installation itself put in.
        withdrawn: ids of monographs that were removed on purpose.
    """

    taken: Mapping[str, FileEntry] = field(default_factory=dict)
    starter: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()

    @classmethod
    def of(cls, manifest: Mapping[str, Any] | None) -> Ledger:
        """Return the ledger of a manifest; an empty one where there is none."""
        kept = (manifest or {}).get("ledger") or {}
        return cls(
            taken={digest: FileEntry(**row) for digest, row in kept.get("taken", {}).items()},
            starter=frozenset(kept.get("starter", ())),
            withdrawn=frozenset(kept.get("withdrawn", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as the manifest keeps it."""
        return {
            "taken": {
                digest: {"path": e.path, "size": e.size, "mtime_ns": e.mtime_ns, "how": e.how}
                for digest, e in self.taken.items()
            },
            "starter": sorted(self.starter),
            "withdrawn": sorted(self.withdrawn),
        }

    def has(self, path: Path, how: str) -> bool:
        """Whether a file was taken in to its end and is what it was then."""
        seen = path.stat()
        if seen.st_size < REMEMBERED_FROM_BYTES:
            return False
        alike = {d: e for d, e in self.taken.items() if (e.size, e.how) == (seen.st_size, how)}
        here = str(path.resolve())
        if any((e.path, e.mtime_ns) == (here, seen.st_mtime_ns) for e in alike.values()):
            return True
        return bool(alike) and files.sha256(path) in alike

    def with_files(self, entries: Mapping[str, FileEntry]) -> Ledger:
        """Return a ledger that remembers more files."""
        return replace(self, taken={**self.taken, **entries})

    def without_files(self) -> Ledger:
        """Return a ledger that remembers no file: after a removal, all may be taken in again."""
        return replace(self, taken={})

    def without_starter(self, ids: Collection[str]) -> Ledger:
        """Return a ledger in which monographs with these ids are no longer the installation's."""
        return replace(
            self,
            starter=self.starter.difference(ids),
            withdrawn=self.withdrawn.difference(ids),
        )


def entry(path: Path, how: str) -> dict[str, FileEntry]:
    """Return what to remember of a file that was read to its end; nothing for a small one."""
    seen = path.stat()
    if seen.st_size < REMEMBERED_FROM_BYTES:
        return {}
    kept = FileEntry(str(path.resolve()), seen.st_size, seen.st_mtime_ns, how)
    return {files.sha256(path): kept}


def key(source: str | None, mapping: Mapping[str, str] | None) -> str:
    """Return how a file is read, in short: the reader that was asked for and the column mapping."""
    columns = ",".join(f"{name}={column}" for name, column in sorted((mapping or {}).items()))
    return " ".join(part for part in (source or "", columns) if part)
