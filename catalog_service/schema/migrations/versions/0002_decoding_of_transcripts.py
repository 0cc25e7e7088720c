"""Transcripts that were decoded otherwise, such as with hotwords, are others: their decoding is part of the key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    # SQLite changes no primary key: Alembic copies the table there, and the transcripts with it.
    with op.batch_alter_table("transcripts", recreate="auto") as table:
        table.add_column(sa.Column("decoding", sa.Text, nullable=False, server_default=""))
        table.drop_constraint("pk_transcripts", type_="primary")
        table.create_primary_key("pk_transcripts", ["model", "version", "path", "decoding"])
    with op.batch_alter_table("transcripts") as table:
        table.alter_column("decoding", server_default=None)
