"""The interface that every backend of the users' tables has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from catalog_service.catalog import WriteMode
from thanosql.types import Table

Insert = Callable[[pa.RecordBatch], None]
"""Adds rows to the table that is being written."""


Relations = Sequence[tuple[str, Iterator[pa.RecordBatch]]]
"""Rows that only one statement sees, under the names that its SQL has for them. Each has at least one batch, maybe an
empty one; they are read once, one after the other, in this order."""


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


class Change(Protocol):
    """A statement that writes a table: it does so when it is run, once."""

    def run(self) -> int:
        """Does it, all or nothing; how many rows it wrote, changed or deleted.

        Raises:
            Cancelled: `cancel` was called. Nothing has changed.
        """

    def cancel(self) -> None:
        """Stops it, from any thread, before or while it runs; does nothing to one that has ended."""


class TableStore(Protocol):
    """Keeps the users' tables and queries them. Every method may be called from several threads at once."""

    sql_dialect: str
    """sqlglot's name of the SQL that `query` takes."""

    def tables(self) -> tuple[Table, ...]:
        """Every table, as of one moment, by name."""

    def query(self, sql: str, relations: Relations = ()) -> Query:
        """A query over the tables and `relations`, and over nothing else: not the metadata, the disk or the network.

        `wer(reference, hypothesis)` and `cer(…)` reach it as calls of the functions in `thanosql.scoring_sql`.
        """

    def writing(self, name: str, schema: pa.Schema, mode: WriteMode, now: datetime) -> AbstractContextManager[Insert]:
        """Writes a table: what is inserted in the block is there, all of it, when the block ends well.

        When the block raises, or the process dies in it, the table is as it was.

        Raises:
            Overloaded: another statement is writing the same table.
            DataError: the rows do not fit the table that they are appended to.
        """

    def write_query(
        self,
        name: str,
        sql: str,
        mode: WriteMode,
        now: datetime,
        *,
        relations: Relations = (),
        columns: Sequence[str] = (),
    ) -> Change:
        """Writes the rows of a query into a table. It is not begun before it is run, and what it raises is raised then.

        Args:
            name: The table.
            sql: As `query` takes it.
            mode: APPEND adds to the table's columns, cast to their types.
            now: When.
            relations: See `query`.
            columns: Those that the query's stand for, where it appends; empty: the table's, in their order.

        Raises:
            StatementError, UnknownColumn: the query is none, or `columns` are not the table's, or too many or too few;
                or a table that is made would have two columns of one name.
            UnknownTable: a table that the query reads, or that rows are to be added to, is not there.
            DataError: the rows do not fit.
            Overloaded: another statement is writing the same table.
        """

    def change(self, sql: str, now: datetime, relations: Relations = ()) -> Change:
        """One UPDATE or DELETE of a user's table; it is run as `write_query` is.

        Raises:
            StatementError: the text is something else.
            DataError, Overloaded: see `write_query`.
        """

    def rename(self, name: str, new_name: str, now: datetime) -> None:
        """Gives a table another name.

        Raises:
            UnknownTable, NameTaken: there is none; another table has the name.
        """

    def rename_column(self, table: str, name: str, new_name: str, now: datetime) -> None:
        """Gives a column another name.

        Raises:
            UnknownTable, UnknownColumn, NameTaken: there is none; another column has the name.
        """

    def drop(self, name: str) -> None:
        """Drops a table.

        Raises:
            UnknownTable: there is none of that name.
        """

    def close(self) -> None:
        """Stops what runs and frees the files."""
