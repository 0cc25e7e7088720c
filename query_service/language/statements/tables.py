"""Statements about tables: SELECT, COPY, and those that change a table."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.language import options as o
from query_service.language.inner_query import Query
from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import IfExists


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Statement):
    """Asks a question of the tables. One query, also with WITH, UNION or VALUES; it changes nothing.

    SELECT * FROM librispeech_train LIMIT 5
    """

    KIND = "SELECT"
    FORM = "SELECT columns FROM table"

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Statement):
    """Reads a file of the workspace into a table.

    COPY calls OPTIONS (overwrite=True) FROM 'recordings/calls.csv'

    The first line names the columns. All or nothing: when it fails, an existing table stays as it was.
    """

    KIND = "COPY"
    FORM = "COPY table [OPTIONS (…)] FROM 'path'"
    OPTIONS = (
        o.OVERWRITE,
        o.IF_EXISTS,
        o.AUDIO_COL.ignored("It matters where a folder of audio files is copied, which is not yet supported."),
    )

    table: Name
    path: Name
    if_exists: IfExists = IfExists.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable(Statement):
    """Deletes a table.

    DROP TABLE IF EXISTS calls
    """

    KIND = "DROP TABLE"
    FORM = "DROP TABLE [IF EXISTS] table"

    table: Name
    if_exists: bool = False
