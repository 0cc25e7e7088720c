"""Runs migrations inside the transaction of the connection that `migrate.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from catalog_service.schema.definitions import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by writing it anew.
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
