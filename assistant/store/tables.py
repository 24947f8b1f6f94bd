"""The tables, as the newest migration leaves them. Knows nothing of connections."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

# Values of this store alone, such as the key that turns users into pseudonyms.
setting = Table(
    "setting",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created_at", String(32), nullable=False),  # ISO 8601, UTC
    Column("owner", String(32), nullable=False),
    Column("answer_id", String(64), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("thumb", Integer, nullable=False),  # 1 or -1
    Column("correction", Text, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("claims", JSON, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("model", String(200), nullable=False),
    Column("adapters", JSON, nullable=False),
    Column("masked", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reviewer", String(100), nullable=False),
    Column("reviewed_at", String(32), nullable=False),
    Column("reviewed_text", Text, nullable=False),
    Column("dataset_version", Integer, nullable=True),
    UniqueConstraint("owner", "answer_id", name="feedback_one_an_answer"),
    Index("feedback_by_state", "state", "created_at"),
)

dataset = Table(
    "dataset",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", String(32), nullable=False),
    Column("items", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)
