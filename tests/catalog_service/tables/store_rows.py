"""Writes tables, reads them and sends rows along, as the tests of a store do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from catalog_service.catalog import WriteMode
from catalog_service.tables.store import Relations, TableStore

NOW = datetime(2025, 3, 1, tzinfo=UTC)
LATER = datetime(2025, 3, 2, tzinfo=UTC)


def write(store: TableStore, name: str, values: dict[str, list[object]], mode: WriteMode = WriteMode.CREATE) -> None:
    batch = pa.RecordBatch.from_pydict(values)
    with store.writing(name, batch.schema, mode, NOW) as insert:
        insert(batch)


def write_arrow(store: TableStore, name: str, table: pa.Table, mode: WriteMode = WriteMode.CREATE) -> None:
    with store.writing(name, table.schema, mode, NOW) as insert:
        for batch in table.to_batches():
            insert(batch)


def read(store: TableStore, sql: str, relations: Relations = ()) -> pa.Table:
    return pa.Table.from_batches(list(store.query(sql, relations)))


def rows_of(store: TableStore, sql: str, relations: Relations = ()) -> list[tuple[object, ...]]:
    table = read(store, sql, relations)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def with_rows(**relations: dict[str, list[object]]) -> Relations:
    """Relations of one batch each, by name."""
    return [(name, iter([pa.RecordBatch.from_pydict(values)])) for name, values in relations.items()]


def write_query(
    store: TableStore,
    name: str,
    sql: str,
    mode: WriteMode = WriteMode.CREATE,
    relations: Relations = (),
    columns: Sequence[str] = (),
    now: datetime = NOW,
) -> int:
    return store.write_query(name, sql, mode, now, relations=relations, columns=columns).run()


def change(store: TableStore, sql: str, relations: Relations = (), now: datetime = LATER) -> int:
    return store.change(sql, now, relations).run()
