"""Arrow record batches in and out of `Rows`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from thanosql.types import Rows


def to_rows(batch: pa.RecordBatch) -> Rows:
    """A self-contained Arrow stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return Rows(sink.getvalue().to_pybytes())


def read_rows(rows: Rows) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow stream; a stream without any gives one that is empty, for its schema."""
    with pa.ipc.open_stream(rows.ipc) as reader:
        count = 0
        for batch in reader:
            count += 1
            yield batch
        if not count:
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def count_rows(rows: Rows) -> int:
    """How many rows an Arrow stream holds."""
    return sum(batch.num_rows for batch in read_rows(rows))


def make_rows(columns: Mapping[str, pa.DataType], values: Sequence[Sequence[Any]]) -> Rows:
    """Rows from Python values: the columns with their types, and a sequence of values for each row."""
    schema = pa.schema(list(columns.items()))
    arrays = [pa.array([row[i] for row in values], type=field.type) for i, field in enumerate(schema)]
    return to_rows(pa.RecordBatch.from_arrays(arrays, schema=schema))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
