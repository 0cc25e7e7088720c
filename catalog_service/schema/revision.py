"""Which revision of the schema a metadata database has, without changing it."""

from __future__ import annotations

import sqlalchemy as sa

from catalog_service.schema.database import Database
from thanosql.errors import DataError


def read_revision(url: str) -> str | None:
    """The revision; None: the database is empty.

    Raises:
        Unavailable: it cannot be opened.
        DataError: it is damaged, or another program's.
    """
    database = Database(url)
    try:
        with database.read() as connection:
            tables = sa.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                if tables:
                    raise DataError(
                        f"the metadata database is not this program's: it has the tables {', '.join(tables[:5])}",
                        hint="Give an empty database.",
                    )
                return None
            revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return revision
    finally:
        database.close()
