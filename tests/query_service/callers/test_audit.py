"""The audit log: who did what, with how it ended, and nothing that must not be read there."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from query_service.callers.audit import MOST_REFUSED, CallAudit, names_in
from query_service.language.dialect import parse
from thanosql.clients import QueryClient
from thanosql.errors import ThanoSQLError
from thanosql.rpc.channel import open_channel
from thanosql.token_secrets import make_secret
from thanosql.types import Role


@pytest.fixture
def audited(services: Any, tmp_path: Path) -> tuple[str, Path]:
    """The address of a query service, and its audit log."""
    file = tmp_path / "audit.log"
    return services.another(audit_log=file)._peer.split()[-1], file


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def run(address: str, token: str, text: str) -> None:
    with open_channel(address, token) as channel, suppress(ThanoSQLError):
        list(QueryClient(channel).execute(text, query_id="7f2e91ab-0000-0000-0000-000000000001"))


def test_a_statement_is_written_down_with_who_sent_it_and_its_end(services: Any, audited: tuple[str, Path]) -> None:
    address, file = audited
    info, secret = services.client.create_token("kim", Role.WRITER)
    run(address, secret, "CREATE OR REPLACE TABLE audited AS SELECT 'a secret' AS a, 4711 AS b")
    (line,) = (each for each in lines(file) if "statement" in each)
    assert line["seconds"] > 0
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    expected = {
        **{"token": "kim", "token_id": info.id, "role": "writer", "workspace": "default", "outcome": "OK"},
        **{"statement": "CREATE TABLE", "names": ["audited"], "logger": "thanosql.audit", "service": "query"},
        "text": "CREATE OR REPLACE TABLE audited AS SELECT ? AS a, ? AS b",
        "query_id": "7f2e91ab-0000-0000-0000-000000000001",
    }
    assert {name: line[name] for name in expected} == expected


def test_refused_calls_and_statements_are_written_down_too(services: Any, audited: tuple[str, Path]) -> None:
    address, file = audited
    _, secret = services.client.create_token("lee", Role.READER)
    run(address, make_secret(), "SELECT 1")
    run(address, secret, "DROP TABLE audited")
    with open_channel(address, secret) as channel, pytest.raises(ThanoSQLError):
        QueryClient(channel).list_tokens()
    found = [(each.get("method"), each["token"], each["outcome"]) for each in lines(file)]
    assert ("Execute", "", "UNAUTHENTICATED") in found
    assert ("Execute", "lee", "PERMISSION_DENIED") in found
    assert ("ListTokens", "lee", "PERMISSION_DENIED") in found


def test_no_log_tells_a_secret(
    services: Any, audited: tuple[str, Path], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    address, file = audited
    caplog.set_level(logging.DEBUG)
    _, secret = services.client.create_token("kim", Role.WRITER)
    for text in (
        f"API_TOKEN={secret}",
        f"%thanosql API_TOKEN='{secret}'",
        "COPY t FROM 'https://kim:hunter2@files.example/a.csv'",
        "SELECT 'hunter2'",
        "SELECT $$hunter2$$ -- hunter2",
        "GET THANOSQL MODEL 'hunter2'",
    ):
        for token in (secret, "secret", make_secret()):
            run(address, token, text)
    told = caplog.text + file.read_text("utf-8") + "".join(capfd.readouterr())
    assert "hunter2" not in told
    assert secret not in told
    assert "Bearer" not in told


def test_a_file_that_is_moved_away_is_begun_anew(services: Any, audited: tuple[str, Path]) -> None:
    address, file = audited
    run(address, "secret", "SELECT 1")
    file.rename(file.with_suffix(".1"))
    run(address, "secret", "SELECT 1")
    assert lines(file)
    assert lines(file.with_suffix(".1"))


def test_a_flood_of_guesses_is_counted_and_not_written_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thanosql.audit")
    moment = [0.0]
    audit = CallAudit(lambda: moment[0])
    for _ in range(1_000):
        audit("/thanosql.v1.QueryService/Execute", "UNAUTHENTICATED", 0.001)
    moment[0] = 1.0
    audit("/thanosql.v1.QueryService/Execute", "UNAUTHENTICATED", 0.001)
    told = [getattr(each, "fields", {}) for each in caplog.records]
    assert len(told) == MOST_REFUSED + 1
    assert told[-1]["left_out"] == 1_000 - MOST_REFUSED


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT * FROM a JOIN b ON a.x = b.x", ("a", "b")),
        ("PREDICT USING m AS SELECT * FROM calls", ("m", "calls")),
        ("EXPLAIN DELETE FROM calls WHERE a = 1", ("calls",)),
        ("COPY calls FROM 'a.csv'", ("calls",)),
        ("LIST TABLE", ()),
    ],
)
def test_tables_and_models_are_named(text: str, names: tuple[str, ...]) -> None:
    (statement,) = parse(text)
    assert names_in(statement) == names
