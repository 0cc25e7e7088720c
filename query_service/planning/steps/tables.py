"""Steps over tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from query_service.language.options import Name
from query_service.planning.steps.query import TableQuery
from thanosql.types import IfExists


@dataclass(frozen=True, slots=True)
class FetchRows:
    """Streams the rows of a query."""

    TITLE: ClassVar[str] = "fetch rows"

    query: TableQuery


@dataclass(frozen=True, slots=True)
class CopyFile:
    """Reads a file, or a folder of recordings, into a table."""

    TITLE: ClassVar[str] = "copy file"

    table: Name
    path: Name
    if_exists: IfExists
    audio: Name | None = None
    """Of a folder: the column with the paths of the recordings."""
    sheet: Name | None = None
    """Of a workbook."""


@dataclass(frozen=True, slots=True)
class RemoveTable:
    """Deletes a table."""

    TITLE: ClassVar[str] = "remove table"

    table: Name
    if_exists: bool


@dataclass(frozen=True, slots=True)
class WriteTable:
    """Writes the rows of a query into a table."""

    TITLE: ClassVar[str] = "write table"

    query: TableQuery
    table: Name
    columns: tuple[Name, ...]
    """Those that the query's stand for, where rows are added; empty: the table's, in their order."""
    if_exists: IfExists


@dataclass(frozen=True, slots=True)
class KeepTable:
    """Leaves a table that is there as it is."""

    TITLE: ClassVar[str] = "keep table"

    table: Name


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Changes or deletes rows of a table."""

    TITLE: ClassVar[str] = "change table"

    query: TableQuery
    """An UPDATE or DELETE."""
    table: Name
    all_rows: bool
    """It says of no row that it shall stay as it is."""


@dataclass(frozen=True, slots=True)
class RenameTable:
    """Gives a table another name."""

    TITLE: ClassVar[str] = "rename table"

    table: Name
    new_name: Name


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """Gives a column of a table another name."""

    TITLE: ClassVar[str] = "rename column"

    table: Name
    column: Name
    new_name: Name
