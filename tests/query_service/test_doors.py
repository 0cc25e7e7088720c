"""One script of many kinds of statements through the four doors: SDK, notebook, shell and plain gRPC."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import thanosql
from thanosql.errors import UnknownColumn
from thanosql.v1 import query_pb2, query_pb2_grpc

KINDS = (
    ("CREATE TABLE", 2),
    ("INSERT", 1),
    ("UPDATE", 1),
    ("SELECT", 2),
    ("PREDICT", 3),
    ("SELECT", 1),
    ("EVALUATE", 8),
    ("EXPLAIN", None),
    ("LIST JOBS", None),
    ("ALTER TABLE", 0),
    ("DELETE", 3),
    ("DROP TABLE", 0),
)
"""What each statement of the script is, and its rows; None: as it comes."""


@pytest.fixture
def script(services, ready_model) -> str:
    """A `;` in a string, a quoted name or a comment parts nothing."""
    name = f"door_{uuid.uuid4().hex[:8]}"
    services.recordings("one.wav", "two.wav", "three.wav")
    services.table(f"{name}_source", "id,audio_path,text\n1,audio/one.wav,one\n2,audio/two.wav,two\n")
    return f"""CREATE TABLE {name} AS SELECT * FROM {name}_source; -- a comment; with a semicolon
INSERT INTO {name} SELECT 3, 'audio/three.wav', 'four;';
UPDATE {name} SET text = 'four' WHERE id = 3;
SELECT id AS "a;b" FROM {name} WHERE text <> 'a;b' ORDER BY id LIMIT 2;
PREDICT USING {ready_model} AS SELECT * FROM {name} ORDER BY id;
SELECT wer(text, predicted) FROM (PREDICT USING {ready_model} AS SELECT * FROM {name}) AS p;
EVALUATE USING {ready_model} AS SELECT * FROM {name};
EXPLAIN PREDICT USING {ready_model} AS SELECT * FROM {name};
LIST JOBS;
ALTER TABLE {name} RENAME TO {name}_2;
DELETE FROM {name}_2;
DROP TABLE {name}_2
"""


@pytest.fixture
def address(services) -> str:
    return services.client._peer.removeprefix("query_service at ")


def test_the_sdk_gives_the_result_of_each(script, address):
    with thanosql.connect(address, "secret") as session:
        results = list(session.run(script, progress=False))
    assert [result.kind for result in results] == [kind for kind, _ in KINDS]
    for result, (kind, rows) in zip(results, KINDS, strict=True):
        assert rows is None or result.rows == rows, kind
        assert bool(result.batches) is (not result.message), kind
    assert [row.predicted for row in results[4]] == ["one", "two", "three"]
    assert next(iter(results[5])).wer == pytest.approx(1 / 3)
    assert {row.metric: row.score for row in results[6]}["wer"] == pytest.approx(1 / 3)
    assert len({result.id for result in results}) == 1


def test_plain_grpc_gives_the_events_of_each(script, address):
    with grpc.insecure_channel(address) as channel:
        stub = query_pb2_grpc.QueryServiceStub(channel)
        events = list(
            stub.Execute(query_pb2.ExecuteRequest(text=script), metadata=[("authorization", "Bearer secret")])
        )
    started = [event.started for event in events if event.WhichOneof("event") == "started"]
    done = [event.done for event in events if event.WhichOneof("event") == "done"]
    assert [(each.index, each.kind) for each in started] == list(enumerate(kind for kind, _ in KINDS))
    assert [each.index for each in done] == list(range(len(KINDS)))
    assert [each.message for each in done if each.message] == ["Success"] * 6


@pytest.mark.parametrize("command", [("sql", "--timing", "-f", "-"), ("shell",)])
def test_a_terminal_shows_the_result_of_each(script, address, command):
    environment = {**os.environ, "THANOSQL_ADDRESS": address, "THANOSQL_API_TOKEN": "secret", "COLUMNS": "160"}
    run = subprocess.run(
        [sys.executable, "-m", "thanosql.cli", *command],
        input=script,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert run.returncode == 0, run.stderr
    ends = [line for line in (run.stdout + run.stderr).splitlines() if re.search(r" · [\d.]+ m?s$", line)]
    assert len(ends) == len(KINDS)
    assert sum(line.startswith("Success") for line in ends) == 6
    assert "substitutions" in run.stdout
    assert "transcribe" in run.stdout, "the steps of EXPLAIN"


@pytest.fixture
def shell(monkeypatch, tmp_path) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell: Any = InteractiveShell.instance()
    shell.run_cell("%load_ext thanosql")
    yield shell
    shell._thanosql_magics.close()
    InteractiveShell.clear_instance()


def test_a_notebook_shows_the_result_of_each(script, address, shell):
    with capture_output() as captured:
        shell.run_cell(f"%thanosql API_TOKEN=secret {address}")
        outcome = shell.run_cell(f"%%thanosql\n{script}")
    assert outcome.error_in_exec is None
    shown = [each.data["text/html"] for each in captured.outputs if "tex2jax_ignore" in each.data.get("text/html", "")]
    assert len(shown) == len(KINDS)
    assert sum("<table>" in html for html in shown) == 6


def test_variables_of_a_notebook_are_values_and_never_text(address, shell):
    hostile = "it's; DROP TABLE t --"
    shell.user_ns |= {"said": hostile, "numbers": [1, 2], "limit": 1}
    shell.run_cell(f"%thanosql API_TOKEN=secret {address}")
    query = (
        "SELECT $said AS a, ':said' AS b, n::int FROM generate_series(1, 9) AS s(n) WHERE n IN :numbers LIMIT $limit"
    )
    outcome = shell.run_cell(f"found = %thanosql {query}")
    assert outcome.error_in_exec is None
    assert shell.user_ns["found"].values.tolist() == [[hostile, ":said", 1]]


def test_a_mistake_in_the_second_statement_is_told_through_the_sdk_after_the_first_result(services, address):
    with thanosql.connect(address, "secret") as session:
        results = session.run("SELECT 1 AS a;\nSELECT b FROM (SELECT 1 AS a) AS t;\nSELECT 3 AS c", progress=False)
        assert list(next(results)) == [(1,)]
        with pytest.raises(UnknownColumn, match="This is statement 2 of 3") as raised:
            next(results)
    assert raised.value.line == 2
