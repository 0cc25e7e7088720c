"""Statements about tables: SELECT, COPY, and those that change a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """Reads a file of the workspace, or a folder of recordings, into a table.

    COPY calls OPTIONS (overwrite=True) FROM 'recordings/calls.csv'

    Files are csv, tsv, Parquet, JSON lines and Excel workbooks (.xlsx), of which the first sheet is read, or the one
    that sheet='…' names. The first line names the columns. All or nothing: when it fails, an existing table stays as
    it was.

    COPY calls OPTIONS (audio_col='recording') FROM 'recordings'

    A folder gives a row for each recording in it and its subfolders: its path, as PREDICT takes it; its seconds,
    sample_rate, channels and format; and its text, where transcripts stand beside recordings (a.txt beside a.wav, or
    LibriSpeech's *.trans.txt).
    """

    KIND = "COPY"
    FORM = "COPY table [OPTIONS (…)] FROM 'path'"
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
    """

    KIND = "DROP TABLE"
    FORM = "DROP TABLE [IF EXISTS] table"

    table: Name
    if_exists: bool = False
