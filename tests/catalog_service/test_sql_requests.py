"""The stream of a statement that rows come with, taken apart."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pyarrow as pa
import pytest

from catalog_service.sql_requests import read_start
from catalog_service.tables.record_batches import serialise
from thanosql.errors import Cancelled, DataError
from thanosql.types import RelationRows, Rows, SqlStart


def rows(relation: int, *values: int) -> RelationRows:
    batch = pa.RecordBatch.from_pydict({"n": pa.array(values, pa.int64())})
    return RelationRows(relation, Rows(serialise(batch)))


def read(*requests: SqlStart | RelationRows | None) -> dict[str, list[int]]:
    _, relations = read_start(iter(requests))
    return {name: [n for batch in batches for n in batch["n"].to_pylist()] for name, batches in relations}


def test_each_relation_has_its_rows_in_their_order() -> None:
    start = SqlStart("SELECT 1", ("a", "b", "c"))
    assert read(start, rows(0, 1, 2), rows(0, 3), rows(1), rows(2, 4)) == {"a": [1, 2, 3], "b": [], "c": [4]}


def test_a_statement_may_come_without_rows() -> None:
    start = SqlStart("SELECT 1", table="t")
    assert read_start(iter([start])) == (start, [])


def test_rows_are_asked_for_when_they_are_read() -> None:
    asked: list[int] = []

    def requests() -> Iterator[SqlStart | RelationRows]:
        yield SqlStart("SELECT 1", ("a",))
        for n in range(3):
            asked.append(n)
            yield rows(0, n)

    _, ((_, batches),) = read_start(requests())
    assert asked == []
    next(batches)
    assert asked == [0]


@pytest.mark.parametrize("first", [(), (rows(0, 1),), (None,)])
def test_a_stream_begins_with_its_statement(first: tuple[RelationRows | None, ...]) -> None:
    with pytest.raises(DataError, match="a statement must come before"):
        read_start(iter(first))


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ((), "the stream has ended"),
        ((rows(0, 1),), "relation 1, b, are expected, and the stream has ended"),
        ((rows(1, 1),), "those of relation 1 came"),
        ((rows(0, 1), SqlStart("SELECT 2")), "something else came"),
        ((rows(0, 1), RelationRows(1, Rows(b"nonsense"))), "not an Arrow stream"),
    ],
)
def test_a_stream_that_is_not_as_agreed_is_refused(requests: tuple[SqlStart | RelationRows, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(SqlStart("SELECT 1", ("a", "b")), *requests)


def test_a_caller_that_goes_away_cancels_its_statement() -> None:
    def requests() -> Iterator[SqlStart | RelationRows]:
        yield SqlStart("SELECT 1", ("a",))
        raise grpc.RpcError

    _, ((_, batches),) = read_start(requests())
    with pytest.raises(Cancelled):
        list(batches)
