"""PostgreSQL's failures as ours, in words for the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import psycopg

from catalog_service.catalog import suggest, unknown_table
from catalog_service.tables.duckdb_errors import disk_failure, out_of_memory, refuse_write
from thanosql.errors import (
    Cancelled,
    DataError,
    NameTaken,
    Overloaded,
    StatementError,
    StatementSyntaxError,
    ThanoSQLError,
    Unavailable,
    UnknownColumn,
)
from thanosql.types import Table

_STATES: dict[str, str] = {
    "57014": "cancelled",
    "25006": "write",
    "42P01": "table",
    "42703": "column",
    "42883": "function",
    "42501": "permission",
    "42601": "syntax",
    "42P07": "taken",
    "53100": "disk",
    "58030": "disk",
    "53200": "memory",
    "54001": "deep",
}
"""What PostgreSQL's codes of errors mean here (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

_CLASSES: dict[str, str] = {
    "08": "connection",
    "22": "data",
    "23": "data",
    "40": "busy",
    "42": "statement",
    "0A": "statement",
    "2B": "statement",
    "53": "full",
    "54": "statement",
    "55": "busy",
    "57": "connection",
}
"""What a code means that is not among `_STATES`, by its first two characters."""


def to_query_error(
    error: psycopg.Error, tables: Sequence[Table] = (), functions: Iterable[str] = ()
) -> ThanoSQLError | None:
    """What a query's failure means to the user; None where it is a fault of ours.

    Args:
        error: Of psycopg.
        tables: Those that there are.
        functions: Names of the functions that a query may call.
    """
    message = error.diag.message_primary or str(error).strip()
    match meaning(error):
        case "cancelled":
            return Cancelled("the query was cancelled")
        case "write":
            return refuse_write()
        case "table":
            name = re.search(r'"(.+)"', message)
            return unknown_table(name[1] if name else message, (table.name for table in tables))
        case "column":
            return _unknown_column(error, message, tables)
        case "function":
            return _unknown_function(message, functions)
        case "permission":
            return StatementError(
                f"a query reads the users' tables and nothing else: {message}",
                hint="Queries read tables: COPY t FROM 'file' makes a table of a file.",
            )
        case "syntax":
            return StatementSyntaxError(f"the query is not valid SQL: {message}")
        case "data":
            hint = "nullif(divisor, 0) gives NULL instead." if error.sqlstate == "22012" else ""
            return DataError(f"the query failed on the values of the table: {_in_our_words(message)}", hint=hint)
        case "deep":
            return StatementError("the query is nested too deeply", hint="Split it into smaller queries.")
        case "statement" | "taken":
            return StatementError(f"the query cannot run: {message}", hint=error.diag.message_hint or "")
    return _of_the_server(error, message)


def to_write_error(error: psycopg.Error, table: str) -> ThanoSQLError | None:
    """What the failure of a write into `table` means to the user; None where it is a fault of ours."""
    message = error.diag.message_primary or str(error).strip()
    match meaning(error):
        case "data":
            detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
            return DataError(f"the rows do not fit table {table!r}: {message}{detail}")
        case "taken":
            return name_taken(table)
        case "table":
            return unknown_table(table, ())
        case "statement" | "syntax":
            return DataError(f"table {table!r} cannot be written: {message}", hint=error.diag.message_hint or "")
        case "cancelled":
            return Cancelled("the statement was cancelled")
    return _of_the_server(error, message)


def meaning(error: psycopg.Error) -> str:
    """One word for the kind of an error; empty where there is none."""
    state = error.sqlstate or ""
    if not state:
        return "connection" if isinstance(error, psycopg.OperationalError) else ""
    return _STATES.get(state) or _CLASSES.get(state[:2], "")


def being_written(table: str) -> Overloaded:
    """The error for a second writer of a table."""
    return Overloaded(
        f"another statement is writing table {table!r}",
        hint="Run the statement again when that one has ended.",
        retry_after=1.0,
    )


def being_read(table: str) -> Overloaded:
    """The error for a table that cannot be replaced, renamed or dropped since queries hold it."""
    return Overloaded(
        f"table {table!r} is being read by statements that do not end",
        hint="Run the statement again when they have ended; nothing was changed.",
        retry_after=5.0,
    )


def name_taken(table: str) -> NameTaken:
    """The error for a table that has come since the statement looked."""
    return NameTaken(
        f"table {table!r} exists already: another statement has just made it",
        hint="OPTIONS (overwrite=True) replaces it.",
    )


def _of_the_server(error: psycopg.Error, message: str) -> ThanoSQLError | None:
    match meaning(error):
        case "memory":
            return out_of_memory()
        case "disk":
            return disk_failure(message)
        case "busy":
            return Overloaded(
                f"another statement is in the way: {message}", hint="Run the statement again.", retry_after=1.0
            )
        case "full":
            return Overloaded(
                f"PostgreSQL has no room for this now: {message}",
                hint="Run the statement again later, or raise max_connections.",
                retry_after=5.0,
            )
        case "connection":
            return Unavailable(
                f"PostgreSQL, where the tables are, cannot be reached: {message.splitlines()[0]}",
                hint="Run the statement again when it is back.",
            )
    return None


def _unknown_column(error: psycopg.Error, message: str, tables: Iterable[Table]) -> UnknownColumn:
    written = re.search(r'column "?(?P<name>.+?)"? (?:of relation "(?P<table>.*)" )?does not exist', message)
    name = (written["name"] if written else message).rpartition(".")[2]
    table = written["table"] if written else None
    # PostgreSQL's own guess, which it gives with the table's name, goes by the tables that the query reads.
    if near := re.search(r'"([^"]+)"', error.diag.message_hint or ""):
        hint = f"Did you mean {near[1].rpartition('.')[2]!r}?"
    else:
        there = [column.name for each in tables if table in (None, each.name) for column in each.columns]
        hint = suggest(name, there) if table or difflib.get_close_matches(name, there, n=1) else ""
    return UnknownColumn(f"column {name!r} does not exist in the query", hint=hint)


def _unknown_function(message: str, functions: Iterable[str]) -> StatementError:
    called = re.match(r"(?:function|procedure) (?P<call>(?P<name>[^(]+)\(.*\)) does not exist", message)
    if called is None:  # an operator
        return StatementError(f"the query cannot run: {message}", hint="Cast one side to the type of the other.")
    names = set(functions)
    if called["name"] in names:
        hint = "It takes other types: cast the arguments, x::text for example."
    else:
        hint = suggest(called["name"], names) if names else ""
    return StatementError(f"PostgreSQL, where the tables are, has no function {called['call']}", hint=hint)


def _in_our_words(message: str) -> str:
    return "a number is too large for bigint" if message == "bigint out of range" else message
