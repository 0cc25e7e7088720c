"""The interface that every backend of the users' tables has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from catalog_service.catalog import WriteMode
from thanosql.types import Table

Insert = Callable[[pa.RecordBatch], None]
"""Adds rows to the table that is being written."""


class Query(Protocol):
    """A query that runs while it is iterated, once."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows in batches of at most a few MiB: at least one batch, an empty one where there are no rows.

        Raises:
            StatementError: the text is not one query over the users' tables.
            DataError: the values of the tables do not admit the query (a division by zero).
            Cancelled: `cancel` was called.
        """

    def cancel(self) -> None:
        """Stops the query, from any thread; does nothing to one that has ended."""


class TableStore(Protocol):
    """Keeps the users' tables and queries them. Every method may be called from several threads at once."""

    sql_dialect: str
    """sqlglot's name of the SQL that `query` takes."""

    def tables(self) -> tuple[Table, ...]:
        """Every table, as of one moment, by name."""

    def query(self, sql: str) -> Query:
        """A query over the tables, and over nothing else: not the metadata, the disk or the network."""

    def writing(self, name: str, schema: pa.Schema, mode: WriteMode, now: datetime) -> AbstractContextManager[Insert]:
        """Writes a table: what is inserted in the block is there, all of it, when the block ends well.

        When the block raises, or the process dies in it, the table is as it was.

        Raises:
            Overloaded: another statement is writing the same table.
            DataError: the rows do not fit the table that they are appended to.
        """

    def drop(self, name: str) -> None:
        """Drops a table.

        Raises:
            UnknownTable: there is none of that name.
        """

    def close(self) -> None:
        """Stops what runs and frees the files."""
