"""The tables of the metadata, as SQLAlchemy knows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

HEAD = "0005"
"""The newest revision of the migrations; a test compares the two."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A point in time: with its zone in Python, as UTC in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From Python; SQLite keeps no zone."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To Python."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


workspaces = Table(
    "workspaces",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", Moment, nullable=False),
)

model_names = Table(
    "model_names",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # Outlives the models of the name, so that no version number is given twice.
    Column("last_version", Integer, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("class_name", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("wer", Float),
    Column("cer", Float),
    Column("updated_at", Moment, nullable=False),
    Column("report", Text, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    # The order in which the jobs came, whatever the clock said.
    Column("number", Integer, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_expires_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("error", Text, nullable=False),
    UniqueConstraint("workspace", "id"),
    Index(None, "state"),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    # One row for a path: a file that has changed replaces what was said of it before.
    Column("path", Text, primary_key=True),
    # How it was decoded, where not as the model does by itself.
    Column("decoding", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("words", Text, nullable=False),
    Column("audio_seconds", Float, nullable=False),
    Column("used_at", Moment, nullable=False),
    # Hash of the recording's bytes; NULL where it is not known.
    Column("content", Text),
    ForeignKeyConstraint(
        ["workspace", "model", "version"], ["models.workspace", "models.name", "models.version"], ondelete="CASCADE"
    ),
    Index("ix_transcripts_used_at", "workspace", "used_at"),
    Index("ix_transcripts_content", "workspace", "model", "version", "decoding", "content"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    # SHA-256 of the secret, which is kept nowhere.
    Column("hash", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("workspace", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("used_at", Moment),
)
