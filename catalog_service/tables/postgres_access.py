"""Whether a PostgreSQL server can be reached with the configured login, without changing anything there."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from catalog_service.tables.postgres_login import OLDEST, Url
from thanosql.errors import Unavailable

_CONNECT_SECONDS = 5


def describe_server(url: Url) -> str:
    """The server's release, the database, and under whose login users' statements will run.

    Raises:
        Unavailable: it cannot be reached, or is too old.
    """
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})
    where = url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            release = str(connection.scalar(sa.text("SHOW server_version")))
            makes_roles = connection.scalar(
                sa.text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user")
            )
    except DBAPIError as error:
        raise Unavailable(
            f"the tables' database {where} cannot be reached: {error.orig}",
            hint="Is the server running, and are address, login and password right?",
        ) from error
    finally:
        engine.dispose()
    if int(release.split(".")[0]) < OLDEST:
        raise Unavailable(
            f"the tables need PostgreSQL {OLDEST} or newer; this is {release}", hint="Upgrade the server."
        )
    login = "a login of their own" if makes_roles else "the configured login, which must have no more rights than that"
    return f"PostgreSQL {release.split()[0]}, {where}; users' statements run under {login}"
