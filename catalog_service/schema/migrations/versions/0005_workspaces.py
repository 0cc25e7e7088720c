"""Models, jobs and transcripts belong to workspaces; what there is belongs to the first one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FIRST = "default"


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "workspaces",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workspaces"),
    )
    op.execute(f"INSERT INTO workspaces (name, created_at) VALUES ('{_FIRST}', CURRENT_TIMESTAMP)")
    if op.get_bind().dialect.name == "sqlite":
        _write_anew()
    else:
        _alter()
    op.create_index("ix_transcripts_used_at", "transcripts", ["workspace", "used_at"])
    columns = ["workspace", "model", "version", "decoding", "content"]
    op.create_index("ix_transcripts_content", "transcripts", columns)


def _alter() -> None:
    op.drop_constraint("fk_transcripts_model_models", "transcripts", type_="foreignkey")
    keys = {
        "model_names": ["workspace", "name"],
        "models": ["workspace", "name", "version"],
        "transcripts": ["workspace", "model", "version", "path", "decoding"],
    }
    for table in (*keys, "jobs"):
        op.add_column(table, sa.Column("workspace", sa.Text, nullable=False, server_default=_FIRST))
        op.alter_column(table, "workspace", server_default=None)
    for table, columns in keys.items():
        op.drop_constraint(f"pk_{table}", table, type_="primary")
        op.create_primary_key(f"pk_{table}", table, columns)
    op.drop_constraint("uq_jobs_id", "jobs", type_="unique")
    op.create_unique_constraint("uq_jobs_workspace", "jobs", ["workspace", "id"])
    op.create_foreign_key(
        "fk_transcripts_workspace_models",
        "transcripts",
        "models",
        ["workspace", "model", "version"],
        ["workspace", "name", "version"],
        ondelete="CASCADE",
    )
    op.drop_index("ix_transcripts_used_at", "transcripts")
    op.drop_index("ix_transcripts_content", "transcripts")


def _write_anew() -> None:
    """SQLite changes no key of a table.

    Alembic's batches would copy the transcripts twice, and lose them meanwhile: to drop `models` deletes what refers
    to its rows. So all are copied under other names, once, before anything is dropped.
    """
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "model_names_new",
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", name="pk_model_names"),
    )
    op.create_table(
        "models_new",
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("wer", sa.Float),
        sa.Column("cer", sa.Float),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name="pk_models"),
    )
    op.create_table(
        "jobs_new",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("lease_expires_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.UniqueConstraint("workspace", "id", name="uq_jobs_workspace"),
    )
    op.create_table(
        "transcripts_new",
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("decoding", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified_ns", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("audio_seconds", sa.Float, nullable=False),
        sa.Column("used_at", moment, nullable=False),
        sa.Column("content", sa.Text),
        # The name of `models_new` follows its table when that is renamed.
        sa.ForeignKeyConstraint(
            ["workspace", "model", "version"],
            ["models_new.workspace", "models_new.name", "models_new.version"],
            name="fk_transcripts_workspace_models",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace", "model", "version", "path", "decoding", name="pk_transcripts"),
    )
    columns = {
        "model_names": "name, last_version",
        "models": "name, version, class_name, base, state, wer, cer, updated_at, report",
        "jobs": "number, id, spec, state, owner, lease_expires_at, attempts, created_at, updated_at, error",
        "transcripts": "model, version, path, decoding, size, modified_ns, text, confidence, words, audio_seconds, "
        "used_at, content",
    }
    for table, names in columns.items():
        op.execute(f"INSERT INTO {table}_new (workspace, {names}) SELECT '{_FIRST}', {names} FROM {table}")
    for table in reversed(columns):
        op.drop_table(table)
    for table in columns:
        op.rename_table(f"{table}_new", table)
    op.create_index("ix_jobs_state", "jobs", ["state"])
