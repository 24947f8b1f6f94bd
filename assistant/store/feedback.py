"""The rows of feedback: written, read, reviewed. Values only; whoever writes has masked them.

Promises that a user's rows are found by that user's pseudonym alone, that one user has one row for
an answer, and that a reviewed row is only changed by another review or by its user. Knows nothing of
de-identification or of files.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, RowMapping

from assistant.errors import ConfigError
from assistant.settings import Settings
from assistant.store import database, tables

State = Literal["pending", "accepted", "rejected"]
_TABLE = tables.feedback
_KEY = "owner_key"


@dataclass(frozen=True, slots=True)
class Entry:
    """One user's word on one answer, without identifiers.

    Attributes:
        id: of the entry.
        created_at: ISO 8601, UTC.
        owner: the user's pseudonym in this store.
        answer_id: of the answer.
        turn: the answer's place in its conversation, from 1.
        question: what was asked.
        answer: what was said, with citation marks.
        thumb: 1 for up, -1 for down.
        correction: what it should have said, or "".
        reasons: of `assistant.feedback.REASONS`.
        claims: text, support and citation keys of each.
        passages: key, title, section, url and text of each passage that was shown.
        model: the chat model.
        adapters: what served in each slot.
        masked: how many identifiers of each kind were taken out.
        state: pending, accepted or rejected.
        reviewer: who decided, or "".
        reviewed_at: when, or "".
        reviewed_text: the text that was accepted where it isn't the user's or the answer, else "".
        dataset_version: the first dataset that holds it, or None.
    """

    id: str
    created_at: str
    owner: str
    answer_id: str
    turn: int
    question: str
    answer: str
    thumb: int
    correction: str
    reasons: tuple[str, ...]
    claims: tuple[dict[str, Any], ...]
    passages: tuple[dict[str, str], ...]
    model: str
    adapters: dict[str, str]
    masked: dict[str, int]
    state: State = "pending"
    reviewer: str = ""
    reviewed_at: str = ""
    reviewed_text: str = ""
    dataset_version: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)

    @property
    def target(self) -> str:
        """What the answer should have been: the reviewer's text, the correction, or the answer."""
        return self.reviewed_text or self.correction or (self.answer if self.thumb > 0 else "")


class FeedbackStore:
    """Reads and writes the rows; safe to use from any number of threads.

    Args:
        settings: name the database.
    """

    def __init__(self, settings: Settings) -> None:
        self._engine: Engine = database.open_engine(settings)
        self._secret = self._owner_key()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def owner(self, user: str) -> str:
        """Return a user's pseudonym: the same in this store always, and of no use elsewhere."""
        return hmac.new(self._secret, user.encode(), hashlib.sha256).hexdigest()[:32]

    def put(self, entry: Entry) -> Entry:
        """Write an entry; a second word of the same user on the same answer replaces the first."""
        own = (_TABLE.c.owner == entry.owner) & (_TABLE.c.answer_id == entry.answer_id)
        try:
            return self._put(entry, own)
        except sa.exc.IntegrityError:
            # Another thread wrote the first word between our look and our write.
            return self._put(entry, own)

    def _put(self, entry: Entry, own: Any) -> Entry:
        with database.transaction(self._engine) as connection:
            there = connection.execute(sa.select(_TABLE.c.id).where(own)).scalar()
            if there is not None:
                entry = replace(entry, id=str(there))
                values = _row(entry)
                connection.execute(sa.update(_TABLE).where(_TABLE.c.id == there).values(values))
            else:
                connection.execute(sa.insert(_TABLE).values(_row(entry)))
        return entry

    def get(self, identity: str) -> Entry | None:
        """Return an entry whose id begins so, if there is exactly one."""
        safe = identity.replace("%", "").replace("_", "")
        if not safe:
            return None
        with database.transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(_TABLE).where(_TABLE.c.id.startswith(safe)).limit(2)
            )
            found = [_entry(row) for row in rows.mappings()]
        return found[0] if len(found) == 1 else None

    def entries(
        self, *, state: State | None = None, owner: str | None = None, since: str = ""
    ) -> list[Entry]:
        """Return entries, the oldest first.

        Args:
            state: only those in it.
            owner: only those of this pseudonym.
            since: only those from this ISO 8601 time on.
        """
        query = sa.select(_TABLE).order_by(_TABLE.c.created_at, _TABLE.c.id)
        if state is not None:
            query = query.where(_TABLE.c.state == state)
        if owner is not None:
            query = query.where(_TABLE.c.owner == owner)
        if since:
            query = query.where(_TABLE.c.created_at >= since)
        with database.transaction(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query).mappings()]

    def remove(self, identity: str, owner: str) -> bool:
        """Remove an entry of an owner; return whether there was one."""
        chosen = (_TABLE.c.id == identity) & (_TABLE.c.owner == owner)
        with database.transaction(self._engine) as connection:
            return connection.execute(sa.delete(_TABLE).where(chosen)).rowcount > 0

    def newest_dataset(self) -> int:
        """Return the number of the newest dataset, 0 if there is none."""
        with database.transaction(self._engine) as connection:
            found = connection.execute(sa.select(sa.func.max(tables.dataset.c.version))).scalar()
        return int(found or 0)

    def note_dataset(self, version: int, created_at: str, digest: str, ids: list[str]) -> None:
        """Note a dataset and mark the entries that it is the first to hold.

        Raises:
            ConfigError: if the database fails, or another export has taken the version.
        """
        try:
            self._note(version, created_at, digest, ids)
        except sa.exc.IntegrityError:
            raise ConfigError(
                f"Another export took version {version} at the same time: run this one again."
            ) from None

    def _note(self, version: int, created_at: str, digest: str, ids: list[str]) -> None:
        values = {"version": version, "created_at": created_at, "items": len(ids), "digest": digest}
        with database.transaction(self._engine) as connection:
            connection.execute(sa.insert(tables.dataset).values(values))
            for first in range(0, len(ids), 500):
                chosen = _TABLE.c.id.in_(ids[first : first + 500])
                unmarked = chosen & _TABLE.c.dataset_version.is_(None)
                connection.execute(
                    sa.update(_TABLE).where(unmarked).values(dataset_version=version)
                )

    def _owner_key(self) -> bytes:
        """Return the key of the pseudonyms; the first one to open a store makes it."""
        with database.transaction(self._engine) as connection:
            found = _setting(connection, _KEY)
        if found is None:
            try:
                with database.transaction(self._engine) as connection:
                    values = {"name": _KEY, "value": secrets.token_hex(32)}
                    connection.execute(sa.insert(tables.setting).values(values))
            except sa.exc.IntegrityError:
                pass  # another process was first
            with database.transaction(self._engine) as connection:
                found = _setting(connection, _KEY)
        return bytes.fromhex(str(found))


def _setting(connection: Connection, name: str) -> str | None:
    wanted = sa.select(tables.setting.c.value).where(tables.setting.c.name == name)
    return connection.execute(wanted).scalar()


def _row(entry: Entry) -> dict[str, Any]:
    values = asdict(entry)
    for name in ("reasons", "claims", "passages"):
        values[name] = list(values[name])
    return values


def _entry(row: RowMapping) -> Entry:
    values = dict(row)
    for name in ("reasons", "claims", "passages"):
        values[name] = tuple(values[name])
    return Entry(**values)
