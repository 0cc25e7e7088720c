"""Record batches on their way to a client: split to messages of a bounded size, and serialised."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

MESSAGE_BYTES = 4 * 1024 * 1024
"""Bytes of the rows in one message, about: a single row that is larger goes alone."""


def split(batch: pa.RecordBatch, limit: int = MESSAGE_BYTES) -> Iterator[pa.RecordBatch]:
    """The rows of `batch`, in order, in batches of at most `limit` bytes each."""
    if batch.nbytes <= limit or batch.num_rows <= 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from split(batch.slice(0, half), limit)
    yield from split(batch.slice(half), limit)


def serialise(batch: pa.RecordBatch) -> bytes:
    """One self-contained Arrow IPC stream: the schema and the batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()
