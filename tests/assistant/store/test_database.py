"""The store's file: its schema, its migrations, its rights, and what it says when it can't open."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from assistant.errors import ConfigError
from assistant.settings import Settings
from assistant.store import database, tables


def at(folder: Path, url: str = "") -> Settings:
    return Settings(state_dir=folder, database_url=SecretStr(url) if url else None)


def test_migrations_lead_to_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = database.open_engine(at(tmp_path))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(database.__file__).with_name("migrations")))
    assert script.get_current_head() == database.HEAD


def test_the_file_is_its_owners_only_and_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    engine = database.open_engine(at(tmp_path))
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA secure_delete")).scalar() == 1
    assert stat.S_IMODE((tmp_path / database.FILE_NAME).stat().st_mode) == 0o600
    engine.dispose()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    engine = database.open_engine(at(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="schema 9999"):
        database.open_engine(at(tmp_path))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is no database URL"),
        ("mysql://user:hidden@host/name", "SQLite and PostgreSQL"),
        ("sqlite:////proc/none/store.sqlite", "can't be opened"),
        ("postgresql://user:hidden@127.0.0.1:1/name", "can't be opened|needs the Python package"),
    ],
)
def test_a_database_that_cant_be_opened_is_named_without_its_password(
    tmp_path: Path, url: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        database.open_engine(at(tmp_path, url))
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / database.FILE_NAME).write_text("a letter, not a database " * 200)
    with pytest.raises(ConfigError, match="can't be opened"):
        database.open_engine(at(tmp_path))


def fail_in_the_middle(engine: sa.Engine) -> None:
    with database.transaction(engine) as connection:
        connection.execute(sa.insert(tables.setting).values(name="kept", value="x"))
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:word)"), {"word": "Okonkwo"})


def test_a_failed_statement_says_no_values_and_keeps_nothing(tmp_path: Path) -> None:
    engine = database.open_engine(at(tmp_path))
    with pytest.raises(ConfigError, match="nothing was stored") as caught:
        fail_in_the_middle(engine)
    assert "Okonkwo" not in str(caught.value)
    with engine.connect() as connection:
        assert connection.execute(sa.select(tables.setting)).all() == []
    engine.dispose()


def open_once(folder: str) -> str:
    engine = database.open_engine(at(Path(folder)))
    with engine.connect() as connection:
        return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar())


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_migrate_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        assert pool.map(open_once, [str(tmp_path)] * 3) == [database.HEAD] * 3
