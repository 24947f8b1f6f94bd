"""Which trained adapter serves in which place: promoted, rolled back, verified.

    <state>/adapters/promoted.json                what serves in each slot, and everything that was done
    <state>/adapters/store/<slot>/<digest16>/     copies of the adapters that were promoted

`promoted.json` is replaced whole, under a lock that every process takes. A copy is checked against
the digests that were noted when it was promoted, each time that it or the register has changed; what
does not match is not served, and the adapter that came with the product serves instead. Knows nothing
of how an adapter was judged.
"""

from __future__ import annotations

import getpass
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant import _promoted_files as stored
from assistant import _promoted_register as register
from assistant._promoted_register import SLOTS, Entry
from assistant.errors import ConfigError, InputError, ModelError

__all__ = ["SLOTS", "Entry", "Fixed", "Promotions"]

log = logging.getLogger(__name__)
_LOCK_S = 60.0
Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found at a look: the files' signature, the answer, what is wrong, and what to watch."""

    signature: Signature
    folder: Path | None
    problem: str = ""
    watched: Path | None = None


class Promotions:
    """The register of promoted adapters in a state folder; safe for threads and processes."""

    def __init__(self, state_dir: Path) -> None:
        """Read nothing yet; the folder need not exist."""
        self.folder = state_dir / "adapters"
        self.file = self.folder / "promoted.json"
        self._seen: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def current(self, slot: str) -> Path | None:
        """Return the folder of the adapter that is promoted, or None where the shipped one serves.

        Costs a few `stat` calls unless something has changed. A damaged register or copy gives None
        and is logged once; `problem` says what is wrong.
        """
        return self._look(slot).folder

    def problem(self, slot: str) -> str:
        """Return one sentence on why the promoted adapter of a slot can't serve, or ""."""
        return self._look(slot).problem

    def entry(self, slot: str) -> Entry | None:
        """Return what is noted on the adapter that is promoted.

        Raises:
            ModelError: if the register can't be read.
        """
        in_force = register.read(self.file).stack(_known(slot))
        return in_force[-1] if in_force else None

    def history(self, slot: str) -> tuple[Entry, ...]:
        """Return everything that was done in a slot, oldest first; errors as in `entry`."""
        return register.read(self.file).history(_known(slot))

    def promote(self, slot: str, folder: Path, decision: Mapping[str, Any]) -> Entry:
        """Copy an adapter into the store and let it serve in a slot.

        Args:
            slot: one of `SLOTS`.
            folder: the adapter's; its files are checked against its card first.
            decision: why, as JSON; its "forced" and "file" are noted with the entry.

        Raises:
            ModelError: if the adapter is damaged, holds anything but safetensors as weights, or the
                register can't be read.
            InputError: if it serves already, or the store can't be written. Nothing has changed then.
        """
        facts = stored.inspect(folder)
        with self._writing() as held:
            before = held.stack(_known(slot))
            if before and before[-1].digest == facts.digest and not self.problem(slot):
                raise InputError(
                    f"The adapter in {folder} serves in the slot {slot!r} already: nothing to do."
                )
            try:
                place = stored.keep(folder, facts, self.folder / "store" / slot)
                made = Entry(
                    slot=slot,
                    action="promote",
                    name=facts.name,
                    digest=facts.digest,
                    folder=place.relative_to(self.folder).as_posix(),
                    files=facts.files,
                    when=now(),
                    who=who(),
                    forced=bool(decision.get("forced", False)),
                    decision=str(decision.get("file", "")),
                )
                register.write(self.file, held.pushed(made))
            except OSError as error:
                raise _unwritable(self.folder, error) from error
        return made

    def rollback(self, slot: str) -> Entry | None:
        """Return to the adapter that served before, or to the shipped one (None).

        One before that is damaged is passed over, so that a bad adapter can always be left.

        Raises:
            InputError: if the shipped one serves already, or the register can't be written.
            ModelError: if the register can't be read.
        """
        with self._writing() as held:
            in_force = held.stack(_known(slot))
            if not in_force:
                raise InputError(
                    f"No adapter is promoted in the slot {slot!r}: the shipped one serves already."
                )
            rest = list(in_force[:-1])
            while rest and stored.fault(self.folder / rest[-1].folder, rest[-1].files):
                rest.pop()
            back = rest[-1] if rest else None
            done = Entry(
                slot=slot,
                action="rollback",
                name=back.name if back else "",
                digest=back.digest if back else "",
                folder=back.folder if back else "",
                files=back.files if back else {},
                when=now(),
                who=who(),
                forced=False,
                decision="",
            )
            try:
                register.write(self.file, held.rolled_back(done, tuple(rest)))
            except OSError as error:
                raise _unwritable(self.folder, error) from error
        return back

    def slots(self) -> tuple[str, ...]:
        """Return the slots in which an adapter was ever promoted; errors as in `entry`."""
        return register.read(self.file).slots()

    def _look(self, slot: str) -> _Seen:
        known = self._seen.get(_known(slot))
        if known is not None and known.signature == self._signature(known.watched):
            return known
        with self._lock:
            known = self._seen.get(slot)
            if known is not None and known.signature == self._signature(known.watched):
                return known
            seen = self._read(slot)
            if seen.problem and (known is None or known.problem != seen.problem):
                log.warning("%s", seen.problem)
            self._seen[slot] = seen
        return seen

    def _read(self, slot: str) -> _Seen:
        # Taken before reading: what changes meanwhile is looked at again.
        before = _stamp(self.file)
        try:
            in_force = register.read(self.file).stack(slot)
        except ModelError as error:
            return _Seen((before,), None, f"{error} Shipped adapters serve until then.")
        if not in_force:
            return _Seen((before,), None)
        folder = self.folder / in_force[-1].folder
        stamps = tuple(_stamp(path) for path in _watched(folder))
        fault = stored.fault(folder, in_force[-1].files)
        if not fault:
            return _Seen((before, *stamps), folder, watched=folder)
        return _Seen(
            (before, *stamps),
            None,
            f"The adapter promoted in the slot {slot!r} can't serve ({fault}), so the shipped one "
            f"does: run 'auscult rollback {slot}', or promote it again.",
            folder,
        )

    def _signature(self, folder: Path | None) -> Signature:
        watched = _watched(folder) if folder is not None else ()
        return (_stamp(self.file), *(_stamp(path) for path in watched))

    @contextmanager
    def _writing(self) -> Iterator[register.Register]:
        """Yield the register while no other process writes it."""
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=_LOCK_S):
                yield register.read(self.file)
        except Timeout:
            raise InputError(
                f"Another process has been writing {self.folder} for {_LOCK_S:.0f} s: try again."
            ) from None
        except PermissionError as error:
            raise _unwritable(self.folder, error) from error


class Fixed(Promotions):
    """A register in which some slots are given and stay so: what an evaluation serves."""

    def __init__(self, state_dir: Path, adapters: Mapping[str, str]) -> None:
        """Take the adapters of slots: a folder, or "" for none but the shipped one."""
        super().__init__(state_dir)
        self._given = {
            _known(slot): Path(name) if name else None for slot, name in adapters.items()
        }

    def current(self, slot: str) -> Path | None:
        """Return the given adapter, else what the register says."""
        return self._given[slot] if slot in self._given else super().current(slot)


def of(state_dir: Path, adapters: Mapping[str, str]) -> Promotions:
    """Return the register of a state folder, with the adapters of some slots given where any are."""
    return Fixed(state_dir, adapters) if adapters else Promotions(state_dir)


def _known(slot: str) -> str:
    if slot not in SLOTS:
        raise ConfigError(
            f"There is no slot {slot!r} for adapters: name one of {', '.join(SLOTS)}."
        )
    return slot


def _watched(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / name for name in stored.NEEDED)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"The promoted adapters can't be written to {folder} ({error.strerror or error}): make "
        "room or give it write permission; what serves is unchanged."
    )


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def who() -> str:
    """Return the name of the account that this process runs under."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"
