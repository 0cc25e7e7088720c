"""The rows of a job in an Arrow file: the columns that a training needs, as text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from thanosql.errors import DataError
from thanosql.types import Rows

COLUMNS = ("audio_path", "text", "speaker")


def write_rows(file: Path, rows: Iterable[Rows]) -> int:
    """Writes rows to a new file, which is not made where there are none; how many they were.

    Raises:
        DataError: the columns `audio_path` and `text` are not there, or are no text.
    """
    count = 0
    with contextlib.ExitStack() as stack:
        writer: pa.RecordBatchFileWriter | None = None
        for part in rows:
            for batch in pa.ipc.open_stream(part.ipc):
                chosen = _choose(batch)
                if writer is None:
                    writer = stack.enter_context(pa.ipc.new_file(str(file), chosen.schema))
                writer.write_batch(chosen)
                count += batch.num_rows
    return count


def _choose(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = [name for name in COLUMNS if name in batch.schema.names]
    if not {"audio_path", "text"} <= set(names):
        raise DataError(
            f"a training needs the columns audio_path and text, and got {', '.join(batch.schema.names)}",
            hint="Name the columns of your query in OPTIONS: audio_col='…', text_col='…'.",
        )
    columns = {}
    for name in names:
        try:
            columns[name] = batch.column(name).cast(pa.string())
        except pa.ArrowException as error:
            raise DataError(f"the column {name} holds {batch.column(name).type}, not text") from error
    return pa.RecordBatch.from_pydict(columns)
