"""The `thanosql` command as a process of its own, against a query service that plays back events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from thanosql.errors import Cancelled, StatementSyntaxError
from thanosql.types import Notice, Progress, Severity


def command(*arguments: str, peer: Any = None, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100"}
    if peer is not None:
        environment["THANOSQL_ADDRESS"] = peer.address
    return subprocess.run(
        [sys.executable, "-m", "thanosql.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        **options,
    )


def test_sql_prints_rows(peer):
    peer.plays(*peer.statement(peer.rows(a=[1, 2], b=["x", "y"])))
    run = command("sql", "-c", "SELECT …", peer=peer)
    assert run.returncode == 0
    assert [line.split() for line in run.stdout.splitlines()[3:5]] == [["1", "x"], ["2", "y"]]
    assert run.stderr == "2 rows\n"


def test_sql_reads_a_file_or_standard_input(peer, tmp_path):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    file = tmp_path / "statements.sql"
    file.write_text("SELECT 1;\nSELECT 2;\n")
    assert command("sql", "-f", str(file), peer=peer).returncode == 0
    assert command("sql", "-f", "-", peer=peer, input="SELECT 3").returncode == 0
    assert peer.player.executed == ["SELECT 1;\nSELECT 2;\n", "SELECT 3"]


def test_sql_prints_csv_and_keeps_notices_out_of_it(peer):
    peer.plays(*peer.statement(Notice("look", Severity.WARNING), peer.rows(a=[1, None], b=["x,y", "z"])))
    run = command("sql", "--csv", "-c", "SELECT …", peer=peer)
    assert run.stdout == 'a,b\n1,"x,y"\n,z\n'
    assert "warning: look" in run.stderr


def test_sql_takes_up_a_statement_by_its_id(peer):
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    assert command("sql", "--csv", "--attach", "4f2e91ab", peer=peer).stdout == "a\n1\n2\n"
    assert peer.player.executed == []


def test_a_statement_that_another_has_cancelled_says_who(peer):
    peer.plays(Cancelled("the statement was cancelled by CANCEL JOB from lee@desk"))
    run = command("sql", "-c", "PREDICT …", peer=peer)
    assert run.returncode == 130
    assert run.stderr == "the statement was cancelled by CANCEL JOB from lee@desk\n"


def test_a_failure_is_one_message_and_exit_code_1(peer):
    peer.plays(
        StatementSyntaxError("unexpected FORM", hint="Did you mean FROM?", line=1, column=10, excerpt="SELECT * FORM t")
    )
    run = command("sql", "-c", "SELECT * FORM t", peer=peer)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == ("error: unexpected FORM\n  1 | SELECT * FORM t\n    |          ^\nDid you mean FROM?\n")


def test_a_file_that_is_not_there_is_one_message():
    run = command("sql", "-f", "nothing.sql")
    assert run.returncode == 1
    assert run.stderr.startswith("error: cannot read nothing.sql")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_statement(peer, number, code):
    peer.plays(*peer.statement(Progress("training", 1, 9), peer.until_cancelled)[:-1])
    process = subprocess.Popen(
        [sys.executable, "-m", "thanosql.cli", "sql", "-c", "BUILD …"],
        env={**os.environ, "THANOSQL_ADDRESS": peer.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not peer.player.cancelled:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert (errors.splitlines()[-1:] == ["cancelled"]) is (number == signal.SIGINT)
    assert "Traceback" not in errors
    assert all(each.is_set() for each in peer.player.cancelled.values())


def test_a_shell_without_a_terminal_runs_what_it_reads(peer):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    run = command("shell", peer=peer, input="SELECT 1\nAS a")
    assert run.returncode == 0
    assert "1" in run.stdout.split()
    assert "1 row" in run.stderr


def test_no_command_shows_which_there_are():
    run = command()
    assert run.returncode == 2
    run = command("--help")
    assert run.returncode == 0
    for name in ("tutorial", "shell", "sql", "serve", "up", "THANOSQL_API_TOKEN"):
        assert name in run.stdout


def test_an_unknown_service_is_refused():
    run = command("serve", "catalogue")
    assert run.returncode == 2
    assert "invalid choice: 'catalogue'" in run.stderr


def test_the_version_is_printed():
    run = command("--version")
    assert run.returncode == 0
    assert run.stdout.startswith("thanosql")
