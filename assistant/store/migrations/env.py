"""What Alembic runs to migrate: on the connection that `assistant.store.database` hands it."""

from __future__ import annotations

from alembic import context

from assistant.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    # SQLite can't alter a column: Alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
