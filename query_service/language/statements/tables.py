"""Statements about tables: SELECT, COPY, and those that change a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from query_service.language import options as o
from query_service.language.inner_query import Query
from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import IfExists, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Statement):
    """Asks a question of the tables. One query in PostgreSQL's words, also with WITH, UNION or VALUES; it changes
    nothing.

        SELECT * FROM librispeech_train LIMIT 5

    PREDICT, EVALUATE and LIST stand in it as tables do, in parentheses: in FROM, JOIN, WITH and IN.

        SELECT speaker, count(*) FROM (PREDICT USING my_model AS SELECT * FROM calls) WHERE predicted LIKE '%refund%'
        GROUP BY speaker

    The model runs once for each file. A condition that needs no transcript is met before it runs, and a LIMIT stops
    it. wer(reference, hypothesis) and cer(…) score transcripts. Where the query has GROUP BY or HAVING, or where
    only aggregates and constants stand beside them, they are the rate over all rows of the group (all errors by all
    words); where other columns stand beside them, in WHERE and ON, and inside another aggregate such as avg(wer(…)),
    that of each row. OVER and FILTER work as with any aggregate.

        SELECT speaker, wer(text, predicted), cer(text, predicted) FROM (PREDICT USING my_model AS SELECT * FROM calls)
        GROUP BY speaker

    Gives: the rows, typed, as they come.

    Errors: StatementSyntaxError, UnknownTable, UnknownColumn, with their place; NotSupported where a function or a
    form of SQL is not on the list of what a query may use; DataError where a value cannot be computed.
    """

    KIND = "SELECT"
    FORM = "SELECT columns FROM table"
    ROLE = Role.READER

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Statement):
    """Reads a file of the workspace, or a folder of recordings, into a table.

        COPY calls OPTIONS (overwrite=True) FROM 'recordings/calls.csv'

    Files are csv, tsv, Parquet, JSON lines and Excel workbooks (.xlsx), of which the first sheet is read, or the one
    that sheet='…' names. The first line names the columns. All or nothing: when it fails, an existing table stays as
    it was.

        COPY recordings OPTIONS (audio_col='recording', overwrite=True) FROM 'recordings'

    A folder gives a row for each recording in it and its subfolders: its path, as PREDICT takes it; its seconds,
    sample_rate, channels and format; and its text, where transcripts stand beside recordings (a.txt beside a.wav, or
    LibriSpeech's *.trans.txt).

    Gives: the number of rows.

    Errors: NameTaken where the table exists, unless overwrite=True replaces it or if_exists='append' adds to it;
    NotFound, PathRefused; DataError with the line of the file that cannot be read.
    """

    KIND = "COPY"
    FORM = "COPY table [OPTIONS (…)] FROM 'path'"
    ROLE = Role.WRITER
    OPTIONS = (
        o.OVERWRITE,
        o.IF_EXISTS,
        replace(o.AUDIO_COL, default=None, meaning="of a folder: the column with the paths of its recordings"),
        o.SHEET,
    )

    table: Name
    path: Name
    if_exists: IfExists = IfExists.FAIL
    audio_col: Name | None = None
    sheet: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable(Statement):
    """Deletes a table.

        DROP TABLE IF EXISTS calls

    Errors: UnknownTable, unless IF EXISTS is said.
    """

    KIND = "DROP TABLE"
    FORM = "DROP TABLE [IF EXISTS] table"
    ROLE = Role.WRITER

    table: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable(Statement):
    """Keeps the rows of a query, or of a PREDICT, EVALUATE or LIST, in a new table.

        CREATE TABLE transcripts AS PREDICT USING my_model AS SELECT * FROM calls

    OR REPLACE replaces a table of that name, also one that the query reads; IF NOT EXISTS leaves it as it is, and
    runs nothing. All or nothing: when it fails, an existing table stays as it was. Transcripts are kept all the
    same, so the same statement goes on where it stopped.

    Gives: the number of rows.

    Errors: NameTaken where the table exists and neither is said; those of the query. A list of columns with types is
    not supported: a table has the columns of its query.
    """

    KIND = "CREATE TABLE"
    FORM = "CREATE [OR REPLACE] TABLE [IF NOT EXISTS] table AS query"
    ROLE = Role.WRITER

    table: Name
    query: Query
    if_exists: IfExists = IfExists.FAIL
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert(Statement):
    """Adds the rows of a query to a table.

        INSERT INTO heard (id, text) SELECT id, predicted FROM (PREDICT USING my_model AS SELECT * FROM calls)

    The query's columns are the table's in their order, or those that are named; they get the types of the table's,
    and columns that are not named get NULL. All or nothing.

        INSERT INTO heard (id, text) VALUES (101, 'good morning'), (102, 'good night')

    Gives: the number of rows.

    Errors: UnknownTable, UnknownColumn; DataError where a value does not fit the column. RETURNING and ON CONFLICT
    are not supported.
    """

    KIND = "INSERT"
    FORM = "INSERT INTO table [(columns)] query"
    ROLE = Role.WRITER

    table: Name
    query: Query
    columns: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Statement):
    """Changes values in rows of a table.

        UPDATE calls SET text = p.predicted FROM (PREDICT USING my_model AS SELECT * FROM calls) AS p
        WHERE p.id = calls.id

    Without WHERE all rows are changed, and a notice says so. All or nothing.

    Gives: the number of rows.

    Errors: UnknownTable, UnknownColumn; DataError where a value does not fit the column.
    """

    KIND = "UPDATE"
    FORM = "UPDATE table SET column = value, … [FROM …] [WHERE …]"
    ROLE = Role.WRITER

    table: Name
    columns: tuple[Name, ...]
    query: Query
    """Of the new values: see `Change`."""
    has_where: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Statement):
    """Deletes rows of a table.

        DELETE FROM calls WHERE minutes < 0.1

    DELETE FROM table USING others WHERE … reads other tables or queries. Without WHERE all rows are deleted, and a
    notice says so; the table stays: see DROP TABLE. All or nothing.

    Gives: the number of rows.

    Errors: UnknownTable, UnknownColumn.
    """

    KIND = "DELETE"
    FORM = "DELETE FROM table [USING …] [WHERE …]"
    ROLE = Role.WRITER

    table: Name
    query: Query
    """Of the rows that are deleted: see `Change`."""
    has_where: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameTable(Statement):
    """Gives a table another name.

        ALTER TABLE calls RENAME TO old_calls

    Other changes of a table make it anew: CREATE OR REPLACE TABLE calls AS SELECT … FROM calls.

    Errors: UnknownTable, NameTaken.
    """

    KIND = "ALTER TABLE"
    FORM = "ALTER TABLE table RENAME {TO name | [COLUMN] column TO name}"
    ROLE = Role.WRITER

    table: Name
    new_name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameColumn(Statement):
    """Gives a column of a table another name.

        ALTER TABLE calls RENAME COLUMN recording TO audio_file

    Errors: UnknownTable, UnknownColumn, NameTaken.
    """

    KIND = "ALTER TABLE"
    FORM = "ALTER TABLE table RENAME {TO name | [COLUMN] column TO name}"
    ROLE = Role.WRITER

    table: Name
    column: Name
    new_name: Name
