"""Transcripts are found by the content of their recording too, so that a file may be moved, copied or touched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    # NULL in what is there: so neither SQLite nor PostgreSQL copies a table of a million transcripts.
    op.add_column("transcripts", sa.Column("content", sa.Text))
    op.create_index("ix_transcripts_content", "transcripts", ["model", "version", "decoding", "content"])
