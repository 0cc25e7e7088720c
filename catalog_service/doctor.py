"""What `thanosql doctor` looks at for catalog_service: the metadata database and the users' tables."""

from __future__ import annotations

from collections.abc import Iterator

from catalog_service.config import CatalogConfig
from thanosql.errors import ThanoSQLError
from thanosql.findings import Finding, examine_folder, examine_packages, fault, fine, note
from thanosql.running import read_note

PACKAGES = {"duckdb": "duckdb", "sqlalchemy": "sqlalchemy", "alembic": "alembic", "soundfile": "soundfile"}


def examine(config: CatalogConfig) -> Iterator[Finding]:
    """Looks, and changes nothing."""
    yield from examine_packages("catalog", PACKAGES)
    yield from examine_folder("state folder", config.state)
    running = read_note(config.state)
    if running is not None and running.is_alive():
        yield fine("services", f"process {running.pid} runs them here, at {running.address}")
    yield from _examine_metadata(config)
    yield from _examine_tables(config)


def _examine_metadata(config: CatalogConfig) -> Iterator[Finding]:
    from catalog_service.schema.definitions import HEAD
    from catalog_service.schema.migrate import knows
    from catalog_service.schema.revision import read_revision

    if not config.database and not (config.state / "metadata.sqlite").exists():
        yield fine("metadata", f"not there yet: made at the first start, at revision {HEAD}")
        return
    try:
        stored = read_revision(config.database_url)
    except ThanoSQLError as error:
        yield fault("metadata", error.message, error.hint)
        return
    if stored == HEAD:
        yield fine("metadata", f"at revision {HEAD}, as this release wants it")
    elif stored is None:
        yield fine("metadata", f"the database is empty: filled at the first start, at revision {HEAD}")
    elif knows(stored):
        yield note(
            "metadata",
            f"at revision {stored}, this release wants {HEAD}",
            "The next start upgrades it; make a copy before, since older releases will not read it any more.",
        )
    else:
        yield fault(
            "metadata",
            f"revision {stored} is of a newer release, this one knows those up to {HEAD}",
            "Install the newer release again, or use another state folder.",
        )


def _examine_tables(config: CatalogConfig) -> Iterator[Finding]:
    if not config.tables_on_server:
        file = config.tables_file
        state = f"{file.stat().st_size / 2**20:.1f} MiB" if file.exists() else "not there yet"
        yield fine("tables", f"DuckDB, {file}, {state}")
        return
    yield from examine_packages("postgres", {"psycopg": "psycopg"})
    from catalog_service.tables.postgres_access import describe_server
    from catalog_service.tables.postgres_login import read_url

    try:
        server = describe_server(read_url(config.tables))
    except ThanoSQLError as error:
        yield fault("tables", error.message, error.hint)
    else:
        yield fine("tables", server)
