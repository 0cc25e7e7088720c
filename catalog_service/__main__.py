"""Starts catalog_service: opens its stores and serves them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from catalog_service.config import CatalogConfig
from thanosql.errors import Unavailable
from thanosql.rpc.server import RunningServer, run_service, start_server
from thanosql.workspace import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from catalog_service.tables.store import TableStore

# Each running call has a thread, and a COPY or a long query holds one for minutes.
THREADS = 32


def start(config: CatalogConfig) -> RunningServer:
    """Serves, and returns at once.

    Raises:
        Unavailable: the state folder, its files, a database server or the port cannot be had.
        NotSupported: the tables are to be in a database server that is not PostgreSQL.
        DataError: the files are damaged, or of a newer release.
    """
    from catalog_service.monitoring import catalog_metrics
    from catalog_service.schema.database import open_database
    from catalog_service.schema.jobs import JobQueue
    from catalog_service.schema.tokens import Tokens
    from catalog_service.servicer import CatalogServicer, utc_now
    from catalog_service.tables.workspace_tables import WorkspaceTables
    from catalog_service.workspaces import Workspaces
    from thanosql.v1.catalog_pb2_grpc import add_CatalogServiceServicer_to_server

    _make_state_folder(config)
    with ExitStack() as opened:
        # The tables come first: their file is locked, so that no second process serves this folder.
        first = _open_tables(config, DEFAULT_WORKSPACE)
        tables = WorkspaceTables(first, lambda name: _open_tables(config.of(name), name), config.open_workspaces)
        opened.callback(tables.close)
        database = open_database(config.database_url, utc_now())
        opened.callback(database.close)
        workspaces = Workspaces(config, tables, database, utc_now)
        queue = JobQueue(database)
        queue.keep_leases(utc_now())
        servicer = CatalogServicer(workspaces, queue, Tokens(database))
        server = start_server(
            config,
            {"thanosql.v1.CatalogService": partial(add_CatalogServiceServicer_to_server, servicer)},
            threads=THREADS,
            on_stop=(tables.close, database.close),
            metrics=[catalog_metrics(database, lambda: len(first.tables()))],
        )
        opened.pop_all()
    return server


def _open_tables(config: CatalogConfig, workspace: str) -> TableStore:
    if config.tables_on_server:
        try:
            from catalog_service.tables.postgres_store import open_postgres_store
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"tables in a database server need a package that is missing: {error.name}",
                hint="pip install 'thanosql-speech[postgres]'",
            ) from error
        return open_postgres_store(config.tables, workspace)
    from catalog_service.tables.duckdb_store import open_duckdb_store

    return open_duckdb_store(config.tables_file, config.memory_limit, config.query_threads)


def _make_state_folder(config: CatalogConfig) -> None:
    try:
        config.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the state folder {config.state} cannot be made: {error.strerror}",
            hint="Choose a folder that you may write to (--state).",
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    run_service(CatalogConfig, start, arguments)


if __name__ == "__main__":
    main()
