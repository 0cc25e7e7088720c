"""COPY: a file, or a folder of recordings, under the workspace root becomes a table, all of it or nothing."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from catalog_service.catalog import WriteMode, choose_write, find_table
from catalog_service.tables.columnar_file import prepare_parquet
from catalog_service.tables.csv_file import read_delimited, unreadable
from catalog_service.tables.found_recordings import SUFFIXES
from catalog_service.tables.json_file import prepare_json
from catalog_service.tables.pace import Clock, Pace
from catalog_service.tables.paths_beside import PathsBeside
from catalog_service.tables.reading import Connection, File, Prepare, Selection, open_reader
from catalog_service.tables.store import TableStore
from catalog_service.tables.workbook_file import prepare_workbook
from thanosql.errors import DataError, InvalidOption, NotSupported
from thanosql.types import CopyTableResult, IfExists, Notice, Progress
from thanosql.workspace import existing_file, resolve

log = logging.getLogger(__name__)


class WrongGuess(Exception):
    """The types that the first rows have are not those of all rows, or the file is faulty."""


MOST_CHUNK_ROWS = 32_768
"""Rows that are read at once."""

CHUNK_BYTES = 16 * 1024 * 1024
"""Bytes of them, about."""

READERS: dict[str, Prepare] = {
    ".csv": read_delimited(",;\t|"),
    ".tsv": read_delimited("\t,;|"),
    ".tab": read_delimited("\t,;|"),
    ".parquet": prepare_parquet,
    ".json": prepare_json,
    ".jsonl": prepare_json,
    ".ndjson": prepare_json,
    ".xlsx": prepare_workbook,
    ".xlsm": prepare_workbook,
}
"""What reads a file, by its suffix."""


def copy_file(
    store: TableStore,
    workspace: Path,
    table: str,
    path: str,
    if_exists: IfExists,
    *,
    memory_limit: str,
    threads: int,
    now: datetime,
    clock: Clock,
    audio_col: str = "",
    sheet: str = "",
) -> Iterator[Progress | Notice | CopyTableResult]:
    """Reads the file or folder `path` into `table`; ends with the number of its rows.

    Closing the iterator before its end leaves the tables as they were.

    Raises:
        PathRefused, NotFound: the path is not that of a file or folder under `workspace`.
        NotSupported: there is no reader for such a file.
        NameTaken: the table exists, and `if_exists` is FAIL.
        DataError: the file cannot be used.
        InvalidOption: `audio_col` or `sheet` makes no sense for it.
    """
    existing = find_table(table, store.tables())
    mode = choose_write(table, existing, if_exists)
    place = resolve(workspace, path)
    prepare: Prepare
    if place.is_dir():
        from catalog_service.tables.audio_folder import prepare_folder as prepare
    else:
        place = _find_file(workspace, path)
        prepare = choose_reader(path)
        if audio_col:
            yield Notice(f"audio_col has no effect: {path!r} is a file, whose columns have names of their own.")
    if sheet and prepare is not prepare_workbook:
        raise InvalidOption(f"sheet={sheet!r} has no meaning for {path!r}", hint="It names a sheet of an .xlsx file.")
    file = File(place, path, existing if mode is WriteMode.APPEND else None, clock, workspace, audio_col, sheet)
    name = table if existing is None else existing.name
    with closing(open_reader(memory_limit, threads)) as connection:
        selection = yield from prepare(connection, file)
        paths = PathsBeside(file)
        write = partial(_write, store, name, mode, now, file, paths, connection)
        try:
            rows = yield from write(selection)
        except WrongGuess:
            if selection.careful is None:
                raise
            selection = yield from selection.careful()
            rows = yield from write(selection)
    yield from paths.notices()
    log.info("COPY %s from %s: %d rows, %s", name, path, rows, mode.value)
    yield CopyTableResult(rows)


def choose_reader(path: str) -> Prepare:
    """What reads the file, by its suffix.

    Raises:
        NotSupported: nothing does.
    """
    suffix = Path(path).suffix.lower()
    if suffix in READERS:
        return READERS[suffix]
    if suffix in (".xls", ".xlsb", ".ods"):
        raise NotSupported(
            f"COPY does not read workbooks of this kind ({path!r})", hint="Save it as .xlsx, or the sheet as CSV UTF-8."
        )
    if suffix in SUFFIXES:
        folder = PurePosixPath(path).parent.as_posix()
        raise NotSupported(
            f"{path!r} is a recording, not a table of recordings",
            hint=f"COPY reads whole folders of them: COPY calls FROM {folder!r}.",
        )
    raise NotSupported(
        f"COPY does not know what {path!r} is", hint=f"It goes by the suffix, and reads {', '.join(READERS)}."
    )


def _find_file(workspace: Path, path: str) -> Path:
    place = existing_file(workspace, path)
    if not os.access(place, os.R_OK):
        raise DataError(f"catalog_service may not read {path!r}", hint=f"Let it: chmod a+r {shlex.quote(path)}")
    return place


def _write(
    store: TableStore,
    name: str,
    mode: WriteMode,
    now: datetime,
    file: File,
    paths: PathsBeside,
    connection: Connection,
    selection: Selection,
) -> Generator[Progress, None, int]:
    """Writes the rows; how many they were.

    Raises:
        WrongGuess: the selection is a guess, and it is wrong: nothing is written.
    """
    pace = Pace("read", "rows", selection.rows, file.clock)
    rows = 0
    with _told(file, selection):
        opened = connection.sql(selection.sql).to_arrow_reader(_rows_at_once(selection, file))
    # Closed in the end, so that a careful selection may be made on the same connection.
    with opened as batches:
        fields = list(batches.schema)
        columns = pa.schema(fields if selection.careful is None else fields[:-1])
        with store.writing(name, columns, mode, now) as insert:
            while True:
                with _told(file, selection):
                    batch = next(batches, None)
                if batch is None:
                    return rows
                if selection.careful is not None:
                    if not pc.all(batch.column(len(columns))).as_py():
                        raise WrongGuess
                    batch = batch.select(list(range(len(columns))))
                insert(paths.complete(batch))
                rows += batch.num_rows
                yield from pace.report(rows)


def _rows_at_once(selection: Selection, file: File) -> int:
    """As many rows of the file's mean length as are held well in memory."""
    of_bytes = CHUNK_BYTES * selection.rows // max(file.place.stat().st_size, 1)
    return max(1024, min(MOST_CHUNK_ROWS, of_bytes))


@contextmanager
def _told(file: File, selection: Selection) -> Iterator[None]:
    """Says a failure of reading in words for the user, or that it is the guess's."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if selection.careful is not None:
            raise WrongGuess from error
        raise unreadable(error, file) from error
