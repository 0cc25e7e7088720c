"""A session typed at a real terminal: the shell as a process, on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from thanosql.errors import StatementSyntaxError
from thanosql.types import Progress

pexpect = pytest.importorskip("pexpect", reason="a pseudo-terminal is needed")

PROMPT = "thanosql>"


@pytest.fixture
def start(peer, tmp_path) -> Iterator[Callable[..., Any]]:
    """Starts `thanosql shell` on a screen of 20 lines."""
    shells = []

    def begin(**variables: str) -> Any:
        environment = {
            **{"THANOSQL_ADDRESS": peer.address, "HOME": str(tmp_path), "TERM": "xterm-256color"},
            **{"PATH": os.environ["PATH"], "PROMPT_TOOLKIT_NO_CPR": "1", "LANG": "C.UTF-8", **variables},
        }
        shell = pexpect.spawn(
            sys.executable,
            ["-m", "thanosql.cli", "shell"],
            env=environment,
            dimensions=(20, 100),
            encoding="utf-8",
            timeout=30,
        )
        shells.append(shell)
        shell.expect(PROMPT)
        return shell

    yield begin
    for shell in shells:
        shell.close(force=True)


def leave(shell: Any) -> None:
    shell.send("\x04")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0


def test_a_statement_of_two_lines_is_sent_kept_and_answered(peer, start, tmp_path):
    peer.plays(*peer.statement(peer.rows(three=[3])))
    shell = start()
    shell.send("SELECT\r1 + 2 AS three;\r")
    shell.expect("1 row")
    shell.expect(PROMPT)
    leave(shell)
    assert "SELECT\n1 + 2 AS three;" in peer.player.executed
    assert "+SELECT\n+1 + 2 AS three;" in (tmp_path / ".thanosql_history").read_text()


def test_a_typo_is_shown_with_its_place_and_the_shell_goes_on(peer, start):
    excerpt = "SELECT * FORM t;"
    peer.plays(StatementSyntaxError("unexpected FORM", hint="Did you mean FROM?", line=1, column=10, excerpt=excerpt))
    shell = start()
    shell.send(f"{excerpt}\r")
    shell.expect("error: unexpected FORM")
    shell.expect_exact("|          ^")
    shell.expect("Did you mean FROM")
    shell.expect(PROMPT)
    leave(shell)


def test_ctrl_c_stops_a_predict_and_not_the_shell(peer, start):
    peer.plays(*peer.statement(Progress("transcribing", 1, 9, "clips"), peer.until_cancelled, kind="PREDICT")[:-1])
    shell = start()
    shell.send("PREDICT USING m AS SELECT * FROM t;\r")
    shell.expect("transcribing")
    shell.sendintr()
    shell.expect("cancelled")
    shell.expect(PROMPT)
    assert [event.is_set() for id, event in peer.player.cancelled.items() if event.is_set()] == [True]
    leave(shell)


def test_a_result_that_is_taller_than_the_screen_goes_through_the_pager(peer, start, tmp_path):
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho paged $(wc -l) lines\n")
    pager.chmod(0o755)
    peer.plays(*peer.statement(peer.rows(a=list(range(50)))))
    shell = start(PAGER=str(pager))
    shell.send("SELECT a;\r")
    shell.expect("paged 53 lines")
    shell.expect("50 rows")
    shell.expect(PROMPT)
    leave(shell)


def test_a_result_that_fits_goes_to_the_screen(peer, start, tmp_path):
    peer.plays(*peer.statement(peer.rows(a=[41, 42])))
    shell = start(PAGER="false")
    shell.send("\\d t\r")
    shell.expect("42")
    shell.expect("2 rows")
    shell.expect(PROMPT)
    leave(shell)
    assert "DESCRIBE TABLE t" in peer.player.executed


def test_a_terminal_without_colours_gets_none(peer, start):
    peer.plays(*peer.statement(peer.rows(a=[41, 42])))
    shell = start(NO_COLOR="1")
    shell.send("SELECT a;\r")
    shell.expect("2 rows")
    shown = shell.before
    shell.expect(PROMPT)
    leave(shell)
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m|\x1b\[38", shown) is None


def test_a_terminal_that_can_do_nothing_is_written_lines(peer, start):
    peer.plays(*peer.statement(peer.rows(a=[41, 42])))
    shell = start(TERM="dumb")
    shell.send("SELECT\n")
    shell.expect_exact("...")
    shell.send("1;\n")
    shell.expect("2 rows")
    shell.expect(PROMPT)
    assert "\x1b" not in shell.before
    leave(shell)
