"""Tables written, changed and renamed through the whole service and its client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from catalog_service.tables.record_batches import serialise
from thanosql.clients import CatalogClient
from thanosql.errors import DataError, NameTaken, Overloaded, ThanoSQLError, UnknownColumn, UnknownTable
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists, Rows

ENDLESS = "SELECT count(*) AS n FROM range(1000000000000) a(i) WHERE i % 7 = 3"


def rows(**values: list[object]) -> Rows:
    return Rows(serialise(pa.RecordBatch.from_pydict(values)))


def read(client: CatalogClient, sql: str, **relations: list[Rows]) -> list[dict[str, object]]:
    found = client.query_relations(sql, relations)
    return pa.concat_tables(pa.ipc.open_stream(each.ipc).read_all() for each in found).to_pylist()


def test_a_query_reads_rows_that_come_with_it(client: CatalogClient) -> None:
    client.write_table("calls", "SELECT 1 AS id, 'a' AS path", {}, IfExists.FAIL)
    found = read(
        client,
        "SELECT heard.said, extra.n FROM calls JOIN heard ON heard.path = calls.path JOIN extra ON true ORDER BY n",
        heard=[rows(path=["b"], said=["x"]), rows(path=["a"], said=["y"])],
        extra=[rows(n=[2, 1])],
    )
    assert found == [{"said": "y", "n": 1}, {"said": "y", "n": 2}]


def test_a_table_is_made_replaced_and_added_to(client: CatalogClient) -> None:
    heard = {"heard": [rows(n=[1, 2]), rows(n=[3])]}
    assert client.write_table("t", "SELECT * FROM heard", heard, IfExists.FAIL) == 3
    with pytest.raises(NameTaken):
        client.write_table("t", "SELECT 1 AS n", {}, IfExists.FAIL)
    assert client.write_table("T", "SELECT n, n * 2 AS twice FROM t", {}, IfExists.REPLACE) == 3
    assert client.write_table("T", "SELECT 8", {}, IfExists.APPEND, ["twice"]) == 1
    with pytest.raises(UnknownTable):
        client.write_table("u", "SELECT 1 AS n", {}, IfExists.APPEND)
    (table,) = client.get_snapshot().tables
    assert (table.name, table.rows) == ("t", 4)
    assert read(client, "SELECT n, twice FROM t ORDER BY twice")[-1] == {"n": None, "twice": 8}


def test_rows_are_changed_and_names_too(client: CatalogClient) -> None:
    client.write_table("t", "SELECT i AS n FROM range(5) r(i)", {}, IfExists.FAIL)
    update = "UPDATE t SET n = n + 10 WHERE n IN (SELECT n FROM heard)"
    assert client.change_table(update, {"heard": [rows(n=[0, 4])]}) == 2
    assert client.change_table("DELETE FROM t WHERE n > 10", {}) == 1
    client.rename_table("t", "u")
    client.rename_column("u", "n", "number")
    with pytest.raises(UnknownColumn):
        client.rename_column("u", "n", "number")
    assert read(client, "SELECT number FROM u ORDER BY number") == [{"number": n} for n in (1, 2, 3, 10)]


def test_rows_that_do_not_all_come_change_nothing_and_say_why(client: CatalogClient) -> None:
    client.write_table("t", "SELECT 1 AS n", {}, IfExists.FAIL)

    def broken() -> Iterator[Rows]:
        yield rows(n=[5])
        raise DataError("the spool is gone")

    for statement in (
        lambda: client.write_table("t", "SELECT * FROM heard", {"heard": broken()}, IfExists.REPLACE),
        lambda: client.change_table("DELETE FROM t WHERE n IN (SELECT n FROM heard)", {"heard": broken()}),
        lambda: list(client.query_relations("SELECT * FROM heard", {"heard": broken()})),
    ):
        with pytest.raises(DataError, match="the spool is gone"):
            statement()
    assert read(client, "SELECT n FROM t") == [{"n": 1}]


def test_a_caller_that_leaves_stops_its_write_and_frees_the_table(config: CatalogConfig) -> None:
    server = start(config)
    with open_channel(server.address) as channel:
        client = CatalogClient(channel)
        client.write_table("t", "SELECT 1 AS n", {}, IfExists.FAIL)
        for statement in (
            lambda caller: caller.write_table("t", ENDLESS, {}, IfExists.APPEND),
            lambda caller: caller.change_table(f"UPDATE t SET n = ({ENDLESS})", {}),
        ):
            _leave(server.address, client, statement)
        assert read(client, "SELECT n FROM t") == [{"n": 2}]
    server.stop()


def _leave(address: str, client: CatalogClient, statement: Callable[[CatalogClient], object]) -> None:
    """Starts a statement on a channel of its own, which is closed when the statement holds table t."""
    failures: list[ThanoSQLError] = []

    def run() -> None:
        while not failures:
            try:
                statement(CatalogClient(leaving))
            except Overloaded:  # the test was just looking whether the table is held
                continue
            except ThanoSQLError as failure:
                failures.append(failure)

    leaving = open_channel(address)
    thread = threading.Thread(target=run)
    thread.start()
    _wait_until(lambda: not _can_write(client), "the statement has begun")
    leaving.close()
    thread.join(10)
    _wait_until(lambda: _can_write(client), "the table can be written again")
    assert len(failures) == 1


def _can_write(client: CatalogClient) -> bool:
    try:
        client.change_table("UPDATE t SET n = 2", {})
    except Overloaded:
        return False
    return True


def _wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
