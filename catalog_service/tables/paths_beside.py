"""Paths of recordings that a file gives relative to its own folder.

In the table they are paths of the workspace, so that PREDICT takes them as they are, whatever file they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from catalog_service.tables.found_recordings import SUFFIXES
from catalog_service.tables.reading import File
from thanosql.errors import NotFound, PathRefused
from thanosql.types import Notice
from thanosql.workspace import existing_file

_SAMPLE = 20
"""Paths of a column that are looked at."""


class PathsBeside:
    """Puts the file's folder before the paths of its columns of recordings, where they are relative to it.

    The first rows decide: those of a column that are all paths of recordings, none of which is there as it stands, and
    some of which are when looked for beside the file.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        folder = file.place.parent if not file.place.is_dir() else file.root.resolve()
        self._folder = folder.relative_to(file.root.resolve()).as_posix()
        self._columns: tuple[str, ...] | None = () if self._folder == "." else None

    def complete(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with paths that are relative to the workspace root."""
        if self._columns is None:
            self._columns = tuple(field.name for field in batch.schema if self._is_beside(batch, field))
        for name in self._columns:
            place, column = batch.schema.get_field_index(name), batch.column(name)
            whole = pc.binary_join_element_wise(
                pa.scalar(self._folder, column.type), column, pa.scalar("/", column.type)
            )
            as_is = pc.or_(pc.starts_with(column, "/"), pc.equal(column, pa.scalar("", column.type)))
            batch = batch.set_column(place, batch.schema.field(place), pc.if_else(as_is, column, whole))
        return batch

    def notices(self) -> Sequence[Notice]:
        """What the user should know of it."""
        return [
            Notice(f"The paths in {name!r} are relative to {self._folder!r}, which is put before them.")
            for name in self._columns or ()
        ]

    def _is_beside(self, batch: pa.RecordBatch, field: pa.Field[pa.DataType]) -> bool:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            return False
        values = (each.as_py() for each in batch.column(field.name))
        paths = list(islice((path for path in values if path), _SAMPLE))
        if any(path.startswith("/") or PurePosixPath(path).suffix.lower() not in SUFFIXES for path in paths):
            return False
        return not any(map(self._is_file, paths)) and any(self._is_file(f"{self._folder}/{path}") for path in paths)

    def _is_file(self, path: str) -> bool:
        try:
            existing_file(self._file.root, path)
        except (NotFound, PathRefused):
            return False
        return True
