"""DuckDB's failures as ours, in words for the user."""

from __future__ import annotations

import re
from collections.abc import Iterable

from catalog_service.catalog import suggest, unknown_table
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

# An error in the middle of a result comes as an OSError of Arrow's: the kind is in the text only.
_PREFIX = re.compile(r"(?P<kind>[A-Za-z][A-Za-z ]*?) ?Error: (?P<text>.*)", re.DOTALL)

# What DuckDB advises its own users: they could change its settings, ours cannot. The line it quotes is
# of the SQL that we made, not of the user's.
_ADVICE = re.compile(
    r"\s*(\n\nLINE \d+:|\n+Use \"SET |\n\nPossible solutions:|Use TRY\(|\nTry increasing |"
    r"\n\nSee also |See also https?:).*",
    re.DOTALL,
)

_NAMES_OF_TYPES = {
    "VARCHAR": "text",
    "STRING_LITERAL": "text",
    "INTEGER_LITERAL": "integer",
    "DOUBLE": "double precision",
}
"""What PostgreSQL calls DuckDB's types, where it is not the same."""

_DATA = frozenset({"Conversion", "Out of Range", "Invalid Input", "Constraint", "Mismatch Type"})
_STATEMENT = frozenset(
    {"Binder", "Catalog", "Not implemented", "Syntax", "Parameter Not Resolved", "Expression", "Permission"}
)


def to_query_error(error: Exception, tables: Iterable[str]) -> ThanoSQLError | None:
    """What a query's failure means to the user; None where it is a fault of ours.

    Args:
        error: of DuckDB, or of Arrow with DuckDB's text in it.
        tables: names of the tables that there are.
    """
    kind, text = split_message(str(error))
    if kind == "INTERRUPT":
        return Cancelled("the query was cancelled")
    if kind == "Parser":
        return StatementSyntaxError(f"the query is not valid SQL: {text}")
    if kind == "TransactionContext" and "read-only" in text:
        return refuse_write()
    if kind == "Out of Memory":
        return out_of_memory()
    if _is_of_the_disk(kind, text):
        return disk_failure(text)
    if missing := re.match(r'Table with name "?(.+?)"? does not exist', text):
        return unknown_table(missing[1], tables)
    if missing := re.match(
        r'Referenced column "(.+?)" not found|.*does not have a column named "(.+?)"|'
        r"Referenced update column (.+?) not found",
        text,
    ):
        name = missing[1] or missing[2] or missing[3]
        candidates = re.findall(r'"([^"]+)"', re.split("Candidate bindings:|Did you mean:", text, maxsplit=1)[-1])
        return UnknownColumn(
            f"column {name!r} does not exist in the query", hint=suggest(name, (c.split(".")[-1] for c in candidates))
        )
    if refused := re.match(r"No function matches the given name and argument types '(.+?)\((.*?)\)'\.", text):
        taken = ", ".join(_NAMES_OF_TYPES.get(each, each.lower()) for each in refused[2].split(", "))
        hint = "Cast a value to the type that is meant: CAST(column AS type)."
        return StatementError(f"the query cannot run: {refused[1]} does not take {taken or 'nothing'}", hint=hint)
    if kind in _STATEMENT:
        return StatementError(f"the query cannot run: {text}")
    if kind in _DATA:
        hint = "nullif(divisor, 0) gives NULL instead." if "ivision by zero" in text else ""
        return DataError(f"the query failed on the values of the table: {text}", hint=hint)
    return None


def to_change_error(error: Exception, table: str = "") -> ThanoSQLError | None:
    """What the failure of CREATE TABLE AS, INSERT, UPDATE or DELETE means, where it is not what a query's means."""
    kind, text = split_message(str(error))
    if wide := re.match(r"Type U?INT128 with value (-?\d+) can't be cast", text):
        return DataError(f"{wide[1]} is too large for bigint", hint="Cast the sum: sum(x::double precision).")
    if kind in ("TransactionContext", "Transaction", "Constraint", "Mismatch Type"):
        return to_write_error(error, table or "the table")
    if kind == "Catalog" and "already exists" in text:
        return to_write_error(error, table)
    return None


def to_write_error(error: Exception, table: str) -> ThanoSQLError | None:
    """What the failure of a write into `table` means to the user; None where it is a fault of ours."""
    kind, text = split_message(str(error))
    if "onflict" in text and kind in ("TransactionContext", "Transaction"):
        return Overloaded(
            f"another statement is writing table {table!r}",
            hint="Run the statement again when that one has ended.",
            retry_after=1.0,
        )
    if kind == "Out of Memory":
        return out_of_memory()
    if _is_of_the_disk(kind, text):
        return disk_failure(text)
    if kind == "Catalog" and "already exists" in text:
        return NameTaken(
            f"table {table!r} exists already: another statement has just made it",
            hint="OPTIONS (overwrite=True) replaces it.",
        )
    if kind == "Catalog" and "does not exist" in text:
        return unknown_table(table, ())
    if kind in _DATA:
        return DataError(f"the rows do not fit table {table!r}: {text}")
    return None


def to_open_error(error: Exception, file: object) -> ThanoSQLError:
    """Why the file of the tables cannot be opened."""
    kind, text = split_message(str(error))
    if held := re.search(r"lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)", text):
        return Unavailable(
            f"the tables in {file} are in use by another process: {held['program']}, process id {held['pid']}",
            hint="End that process (a notebook's kernel, perhaps), or connect to the address of the server "
            "that it runs, or use another workspace folder.",
        )
    if "different configuration" in text:
        return Unavailable(
            f"the tables in {file} are open in this process already, with other settings",
            hint="Close the other session first, or use the same settings.",
        )
    if "not a valid DuckDB database" in text or kind == "Serialization" or "checksum" in text.lower():
        return DataError(
            f"{file} is not a DuckDB file, or is damaged: {text}",
            hint="Put a copy of it back, or move the file away to start without tables.",
        )
    if "newer version" in text or "storage version" in text:
        return DataError(f"{file} was written by a newer DuckDB: {text}", hint="Upgrade the package duckdb.")
    if kind in ("Invalid Input", "Parser", "Syntax"):
        return Unavailable(
            f"the table store cannot be set up: {text}", hint="Check the setting memory-limit, e.g. 1GB."
        )
    return Unavailable(f"{file} cannot be opened: {text}", hint="Is the folder there and writable?")


def split_message(message: str) -> tuple[str, str]:
    """DuckDB's kind of an error ("Out of Range"), and its text without what DuckDB advises its own users."""
    match = _PREFIX.match(message)
    kind, text = (match["kind"], match["text"]) if match else ("", message)
    return kind, _ADVICE.sub("", text).strip()


def _is_of_the_disk(kind: str, text: str) -> bool:
    """Whether a file could not be read or written; that a commit could not be is told in another way."""
    return kind == "IO" or (text.startswith("Failed to commit") and "Could not write file" in text)


def refuse_write() -> StatementError:
    """The error for a query that is no query."""
    return StatementError(
        "a query reads tables and cannot change anything",
        hint="COPY loads a file into a table, DROP TABLE drops one.",
    )


def out_of_memory() -> DataError:
    """The error for a query or a COPY that is too large."""
    return DataError(
        "there is not enough memory for this",
        hint="Take fewer rows or columns at once, or give catalog_service more (--memory-limit).",
    )


def disk_failure(text: str) -> DataError:
    """The error for a disk that is full or broken."""
    return DataError(f"the disk refused: {text}", hint="Is it full? Nothing was changed.")
