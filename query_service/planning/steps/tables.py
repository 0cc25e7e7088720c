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
