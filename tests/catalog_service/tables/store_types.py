"""What every store must keep: the types and values of columns, through tables, rows that come along, and queries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import read, write_arrow, write_query

SEOUL = timezone(timedelta(hours=9))

VALUES: dict[str, tuple[pa.DataType, list[object], str]] = {
    "whole": (pa.int64(), [2**63 - 1, -(2**63), None], "bigint"),
    "small": (pa.int32(), [2**31 - 1, 0, None], "integer"),
    "ratio": (pa.float64(), [0.1, float("inf"), None], "double precision"),
    "money": (pa.decimal128(12, 2), [Decimal("1234567890.12"), Decimal("-0.01"), None], "numeric(12,2)"),
    "huge": (pa.decimal128(38, 0), [Decimal(10) ** 37, Decimal(2**64), None], "numeric(38,0)"),
    "flag": (pa.bool_(), [True, False, None], "boolean"),
    "text": (pa.string(), ["안녕하세요", "a'b\"c\\d\n\t;--", None], "text"),
    "empty": (pa.string(), ["", " ", None], "text"),
    "bytes": (pa.binary(), [b"\x00\xff'\\x", b"", None], "bytea"),
    "day": (pa.date32(), [date(1, 1, 1), date(2024, 2, 29), None], "date"),
    "moment": (
        pa.timestamp("us"),
        [datetime(2024, 2, 29, 23, 59, 59, 999999), datetime(1900, 1, 1), None],
        "timestamp",
    ),
    "instant": (
        pa.timestamp("us", "UTC"),
        [datetime(2024, 3, 1, 8, 0, tzinfo=SEOUL), datetime(1970, 1, 1, tzinfo=UTC), None],
        "timestamp with time zone",
    ),
    "words": (pa.list_(pa.string()), [["하나", None, 'a,b{}"'], [], None], "text[]"),
    "times": (pa.list_(pa.float64()), [[0.5, 1e300], [None], None], "double precision[]"),
}
"""Of each type: how it is in Arrow, some values, and what PostgreSQL calls it."""

TABLE = pa.table({name: pa.array(values, kind) for name, (kind, values, _) in VALUES.items()})


def assert_kept(found: pa.Table) -> None:
    assert found.column_names == TABLE.column_names
    for name in TABLE.column_names:
        kind = TABLE.schema.field(name).type
        assert found.schema.field(name).type == kind, name
        assert found[name].to_pylist() == TABLE[name].to_pylist(), name


class TypeTests:
    def test_types_survive_a_table(self, store: TableStore) -> None:
        write_arrow(store, "t", TABLE)
        assert_kept(read(store, "SELECT * FROM t"))
        kinds = {column.name: column.type.replace(" without time zone", "") for column in store.tables()[0].columns}
        assert kinds == {name: kind for name, (_, _, kind) in VALUES.items()}

    def test_types_survive_rows_that_come_along(self, store: TableStore) -> None:
        assert_kept(read(store, "SELECT * FROM heard", [("heard", iter(TABLE.to_batches()))]))

    def test_types_survive_create_table_as_insert_and_replace(self, store: TableStore) -> None:
        write_query(store, "t", "SELECT * FROM heard", relations=[("heard", iter(TABLE.to_batches()))])
        write_query(store, "u", "SELECT * FROM t")
        write_query(store, "u", "SELECT * FROM t", WriteMode.APPEND)
        assert read(store, "SELECT * FROM u").num_rows == 6
        write_query(store, "u", "SELECT * FROM t", WriteMode.REPLACE)
        assert_kept(read(store, "SELECT * FROM u"))

    def test_values_are_of_their_types_in_expressions(self, store: TableStore) -> None:
        write_arrow(store, "t", TABLE)
        sql = (
            "SELECT money + 1 AS more, extract(year FROM day) AS year, moment > '2000-01-01' AS recent, "
            "words[1] AS first, length(text) AS letters, whole - 1 AS less FROM t WHERE small = 2147483647"
        )
        row = read(store, sql).to_pylist()[0]
        # A decimal that is computed may come as a double.
        assert (float(row["more"]), int(row["year"]), row["recent"], row["first"], row["letters"], row["less"]) == (
            1234567891.12, 1, True, "하나", 5, 2**63 - 2
        )  # fmt: skip

    def test_a_null_is_a_null_in_every_type(self, store: TableStore) -> None:
        write_arrow(store, "t", TABLE)
        nulls = " AND ".join(f'"{name}" IS NULL' for name in TABLE.column_names)
        assert read(store, f"SELECT count(*) AS n FROM t WHERE {nulls}")["n"].to_pylist() == [1]

    @pytest.mark.parametrize("value", ['{"a": [1, "하나"], "b": null}', "[]", '"text"'])
    def test_json_is_kept_as_text_that_can_be_looked_into(self, store: TableStore, value: str) -> None:
        write_arrow(store, "t", pa.table({"j": [value, None]}))
        assert read(store, "SELECT cast(j AS json) AS j FROM t")["j"].to_pylist() == [value, None]
