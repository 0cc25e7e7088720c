"""`thanosql sql` for scripts: what goes where, in which format, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest

from thanosql.errors import NotFound, UnknownTable
from thanosql.types import Notice, Severity


def sql(*arguments: str, peer: Any = None, input: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "THANOSQL_ADDRESS": peer.address if peer else "127.0.0.1:1"}
    return subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "sql", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
    )


def test_rows_go_to_standard_output_and_all_else_to_standard_error(peer):
    peer.plays(*peer.statement(Notice("look", Severity.WARNING), peer.rows(a=[1])))
    run = sql("-c", "SELECT 1", "--format", "jsonl", "--timing", peer=peer)
    assert json.loads(run.stdout) == {"a": 1}
    assert run.stderr == "warning: look\n1 row · 1.5 s\n"
    assert sql("-c", "SELECT 1", "--csv", "-q", peer=peer).stderr == "warning: look\n"


def test_a_script_comes_on_standard_input(peer):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    assert sql("--csv", peer=peer, input="SELECT 1;").stdout == "a\n1\n"
    assert peer.player.executed == ["SELECT 1;"]


def test_rows_go_to_a_file(peer, tmp_path):
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    file = tmp_path / "rows.parquet"
    run = sql("-c", "SELECT 1", "--format", "parquet", "--output", str(file), peer=peer)
    assert (run.returncode, run.stdout) == (0, "")
    assert pq.read_table(file).to_pylist() == [{"a": 1}, {"a": 2}]


def test_a_failure_of_a_file_names_file_and_line(peer, tmp_path):
    peer.plays(*peer.statement(), *peer.statement(index=1)[:1], NotFound("there is no file 'x.csv'"))
    file = tmp_path / "nightly.sql"
    file.write_text("SELECT 1;\n\n-- the second\nCOPY t FROM 'x.csv';\n")
    run = sql("-f", str(file), peer=peer)
    assert run.returncode == 1
    assert f"error: {file}:4: there is no file 'x.csv'" in run.stderr


def test_statements_behind_a_failure_run_where_that_is_wanted(peer, tmp_path):
    peer.plays(UnknownTable("there is no table t", line=1, column=15, excerpt="SELECT * FROM t"))
    file = tmp_path / "nightly.sql"
    file.write_text("SELECT 1;\nSELECT * FROM t;\n")
    run = sql("-f", str(file), "--on-error", "continue", peer=peer)
    assert run.returncode == 1
    assert peer.player.executed == ["SELECT 1", "SELECT * FROM t"]
    assert f"error: {file}:2: there is no table t\n  2 | SELECT * FROM t" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-c", "SELECT 1", "--param", "day=1"), "no statement has :day"),
        (("-c", "SELECT :day", "--param", "day"), "'day' is no parameter"),
        (("-c", "SELECT 1", "--format", "xml"), "invalid choice: 'xml'"),
        (("-c", "SELECT 1", "--rows", "-1"), "it is 0 or more"),
        (("-c", "SELECT 1", "-f", "x.sql"), "not allowed with argument"),
    ],
)
def test_a_wrong_call_ends_with_2(arguments, message):
    run = sql(*arguments)
    assert run.returncode == 2
    assert message in run.stderr


def test_a_server_that_does_not_answer_ends_with_1():
    run = sql("-c", "SELECT 1")
    assert run.returncode == 1
    assert "nothing answers at 127.0.0.1:1" in run.stderr


def test_a_reader_that_has_enough_is_no_failure(peer):
    peer.plays(*peer.statement(peer.rows(a=list(range(200_000)))))
    program = f"{sys.executable} -m thanosql.cli sql --csv -c 'SELECT 1' | head -2; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "THANOSQL_ADDRESS": peer.address},
    )
    assert run.stdout == "a\n0\n0\n"
    assert "Traceback" not in run.stderr
