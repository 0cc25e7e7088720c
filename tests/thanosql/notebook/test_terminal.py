"""The magic in IPython in a real terminal."""

from __future__ import annotations

import os
import re
import sys

import pexpect
import pytest

from thanosql.errors import UnknownTable
from thanosql.types import Clip, Progress


@pytest.fixture
def terminal(peer, tmp_path):
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    program = pexpect.spawn(
        sys.executable, arguments, env=environment, dimensions=(40, 80), encoding="utf-8", timeout=120, echo=False
    )

    def run(line: str) -> str:
        """What the terminal shows for a line."""
        program.expect(r"In \[\d+\]: ")
        program.sendline(line)
        program.sendline("print('en' + 'd')")
        program.expect(r"end\r\n")
        return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", program.before)

    run("%load_ext thanosql")
    run(f"%thanosql {peer.address}")
    yield run
    program.close(force=True)


def test_results_are_text_as_wide_as_the_terminal(peer, terminal):
    peer.plays(
        *peer.statement(Progress("transcribe", 1, 2), peer.rows(a=[1, 2], text=["word " * 40] * 2), kind="PREDICT")
    )
    shown = terminal("get_ipython().run_cell_magic('thanosql', '', 'PREDICT …')")
    assert "bigint" in shown
    assert "<table" not in shown
    assert max(len(line) for line in shown.splitlines() if "word" in line) <= 80


def test_recordings_are_named_and_mistakes_have_no_traceback(peer, terminal):
    peer.plays(*peer.statement(Clip("a.wav", "audio/mpeg", b"x", 1.0), kind="PRINT AUDIO"))
    shown = terminal("%thanosql PRINT AUDIO AS SELECT 1")
    assert "a.wav" in shown
    assert "data:" not in shown
    peer.plays(UnknownTable("there is no table 'callz'"))
    shown = terminal("%thanosql SELECT * FROM callz")
    assert "UnknownTable: there is no table 'callz'" in shown
    assert "Traceback" not in shown
