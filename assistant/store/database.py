"""Opens the database and brings its schema up to date.

Promises that a store of an older version is migrated under a lock before anyone reads it, that a
newer one is refused, that no message and no log shows a statement's values, and that a password in
the URL is never printed. Knows nothing of what the tables mean.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from assistant.errors import ConfigError
from assistant.settings import Settings

FILE_NAME = "store.sqlite"
# The newest file of `migrations/versions`; a test compares the two.
HEAD = "0001"
BUSY_S = 15
_LOCK = 0x61757363  # any fixed number: PostgreSQL's lock for the time of a migration


def open_engine(settings: Settings) -> Engine:
    """Return the engine of the store that the settings name, its schema up to date.

    Raises:
        ConfigError: if the database can't be reached or was written by a newer version.
    """
    url = _url(settings)
    shown = url.render_as_string(hide_password=True)
    file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    try:
        if file is not None:
            _prepare(file)
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)
        if file is not None:
            sa.event.listen(engine, "connect", _sqlite)
        _migrate(engine, file)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{shown} needs the Python package {error.name}: install auscult[postgres]."
        ) from None
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise ConfigError(
            f"The database {shown} can't be opened ({_reason(error)}): check that it is there and "
            "may be written, or set database_url."
        ) from None
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction; it is committed at the end, or nothing is.

    Raises:
        ConfigError: if the database fails; nothing of the transaction is kept.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.IntegrityError:
        raise
    except sa.exc.SQLAlchemyError as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise ConfigError(
            f"The database {shown} failed and nothing was stored ({_reason(error)}): check its disk "
            "and that it answers, then try again."
        ) from None


def _url(settings: Settings) -> sa.URL:
    given = settings.database_url.get_secret_value() if settings.database_url else ""
    if not given:
        return sa.URL.create("sqlite", database=str(settings.state_dir / FILE_NAME))
    try:
        url = sa.make_url(given)
    except sa.exc.ArgumentError:
        raise ConfigError(
            "database_url is no database URL: write sqlite:///FILE or "
            "postgresql://user:password@host/name."
        ) from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigError(
            f"database_url names {url.get_backend_name()}: SQLite and PostgreSQL are supported."
        )
    return url


def _prepare(file: Path) -> None:
    """Make the file, for its owner only, before SQLite does with wider rights."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


def _sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # A write-ahead log lets readers read during a write; removed rows are overwritten with zeros.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_S * 1000}",
                   "foreign_keys=ON", "secure_delete=ON"):  # fmt: skip
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(engine: Engine, file: Path | None) -> None:
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with _locked(engine, file) as connection:
        version = _version(connection)
        if version == HEAD:
            return
        if version > HEAD:
            raise ConfigError(
                f"The database has schema {version} and this version knows {HEAD}: use the newer "
                "version that wrote it."
            )
        _upgrade(connection)


def _version(connection: Connection) -> str:
    """Return the schema's version, or "" for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(
        connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or ""
    )


@contextmanager
def _locked(engine: Engine, file: Path | None) -> Iterator[Connection]:
    """Yield a connection in a transaction while no other process migrates."""
    if file is not None:
        from filelock import FileLock

        with FileLock(f"{file}.lock", timeout=60), engine.begin() as connection:
            yield connection
        return
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


def _upgrade(connection: Connection) -> None:
    # Alembic costs some tenths of a second, so it is loaded where there is something to migrate.
    import alembic.command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, HEAD)


def _reason(error: BaseException) -> str:
    """Return the driver's own words in one line, without the statement."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:200] or type(error).__name__
