"""What the tokens of a reader, a writer and an administrator allow, through a real query service and catalog."""

from __future__ import annotations

from typing import Any

import pytest

from thanosql.clients import QueryClient
from thanosql.errors import Overloaded, PermissionDenied, ThanoSQLError, Unauthenticated
from thanosql.rpc.channel import open_channel
from thanosql.types import Role


@pytest.fixture
def client_of(services: Any) -> Any:
    """A client with a new token of a role."""

    def make(role: Role, name: str = "", **settings: Any) -> QueryClient:
        _, secret = services.client.create_token(name or role.value, role)
        server = services.another(**settings) if settings else services.client
        address = server._peer.split()[-1]
        channel = open_channel(address, secret)
        services.stack.callback(channel.close)
        return QueryClient(channel, address, caller="somebody@else")

    return make


def ends(client: QueryClient, text: str) -> ThanoSQLError | None:
    try:
        list(client.execute(text))
    except ThanoSQLError as error:
        return error
    return None


@pytest.mark.parametrize(
    "statement",
    [
        *("COPY t FROM 'a.csv'", "CREATE TABLE t AS SELECT 1 AS a", "INSERT INTO t SELECT 1", "DROP TABLE t"),
        *("UPDATE t SET a = 1 WHERE a = 2", "DELETE FROM t WHERE a = 1", "ALTER TABLE t RENAME TO u"),
        *("DELETE MODEL m", "UPLOAD MODEL m FROM 'folder'", "EXPORT MODEL m TO 'folder'", "RESUME JOB abcd"),
        *("GET THANOSQL MODEL Wav2Vec2En", "GET THANOSQL DATASET librispeech_data"),
        *("BUILD MODEL m USING Wav2Vec2En AS SELECT 1", "FIT MODEL m USING m AS SELECT 1"),
    ],
)
def test_a_reader_changes_nothing(client_of: Any, statement: str) -> None:
    error = ends(client_of(Role.READER), statement)
    assert isinstance(error, PermissionDenied)
    assert "needs the role writer; the token 'reader' has the role reader" in error.message
    assert "thanosql token create NAME --role writer" in error.hint
    assert (error.line, error.column) == (1, 1)


def test_a_reader_asks_and_is_told_what_a_change_would_do(client_of: Any, services: Any) -> None:
    services.table("read_by_all", "a\n1\n")
    reader = client_of(Role.READER)
    for text in ("SELECT * FROM read_by_all", "LIST TABLE", "EXPLAIN DELETE FROM read_by_all", "LIST JOBS"):
        assert ends(reader, text) is None


def test_nothing_of_a_script_runs_where_a_later_statement_is_refused(client_of: Any, services: Any) -> None:
    error = ends(client_of(Role.READER), "SELECT 1;\nCREATE TABLE never_made AS SELECT 1 AS a")
    assert isinstance(error, PermissionDenied)
    assert error.line == 2
    assert "Nothing of the text has been run" in error.hint


def test_a_writer_changes_tables_and_gives_no_tokens(client_of: Any) -> None:
    writer = client_of(Role.WRITER)
    assert ends(writer, "CREATE OR REPLACE TABLE by_a_writer AS SELECT 1 AS a") is None
    with pytest.raises(PermissionDenied, match="CreateToken needs the role admin"):
        writer.create_token("another", Role.ADMIN)


def test_an_administrator_gives_and_revokes_tokens(client_of: Any, services: Any) -> None:
    admin = client_of(Role.ADMIN)
    info, secret = admin.create_token("lee of the test", Role.READER, seconds=60)
    assert info.id in [each.id for each in admin.list_tokens()]
    with open_channel(admin._peer.split()[-1], secret) as channel:
        lee = QueryClient(channel)
        assert ends(lee, "SELECT 1") is None
        admin.revoke_token(info.id)
        error = ends(lee, "SELECT 1")
    assert isinstance(error, Unauthenticated)
    assert "'lee of the test' was revoked" in error.message


@pytest.fixture
def long_statement(services: Any, ready_model: str) -> str:
    """A statement that is at work for some seconds."""
    services.inference.seconds_per_clip = 0.2
    paths = services.recordings(*(f"long{number}.wav" for number in range(40)), folder="long")
    services.table("long", "audio_path\n" + "\n".join(paths) + "\n")
    return f"PREDICT USING {ready_model} OPTIONS (audio_col='audio_path', cache=False) AS SELECT * FROM long"


def test_each_stops_his_own_statements_and_a_writer_those_of_others(client_of: Any, long_statement: str) -> None:
    kim, lee, writer = client_of(Role.READER, "kim"), client_of(Role.READER, "lee"), client_of(Role.WRITER)
    first, second = (f"4f2e91ab-0000-0000-0000-00000000000{number}" for number in (1, 2))
    next(kim.execute(long_statement, query_id=first))
    with pytest.raises(PermissionDenied, match="stopping what others have started needs the role writer"):
        lee.cancel(first)
    assert isinstance(ends(lee, f"CANCEL JOB '{first}'"), PermissionDenied)
    assert kim.cancel(first)
    next(kim.execute(long_statement, query_id=second))
    assert ends(writer, f"CANCEL JOB '{second}'") is None


def test_who_sends_a_statement_is_the_name_of_its_token(client_of: Any, services: Any, long_statement: str) -> None:
    kim = client_of(Role.READER, "kim")
    next(kim.execute(long_statement, query_id="5f2e91ab-0000-0000-0000-000000000001"))
    (row,) = (each for each in services.rows("LIST JOBS") if each["id"].startswith("5f2e91ab"))
    assert row["who"] == "kim"  # and not what the client says of itself
    kim.cancel("5f2e91ab-0000-0000-0000-000000000001")


def test_a_token_has_so_many_statements_at_a_time_and_may_ask_what_they_do(
    client_of: Any, services: Any, long_statement: str
) -> None:
    kim = client_of(Role.READER, "kim", most_queries_per_token=2)
    for number in (1, 2):
        next(kim.execute(long_statement, query_id=f"6f2e91ab-0000-0000-0000-00000000000{number}"))
    error = ends(kim, "SELECT 1")
    assert isinstance(error, Overloaded)
    assert "2 queries of this token are running, as many as one may have here" in error.message
    assert ends(kim, "LIST JOBS") is None
    for number in (1, 2):
        kim.cancel(f"6f2e91ab-0000-0000-0000-00000000000{number}")
