"""`%thanosql` and `%%thanosql` in an IPython shell, against a query service that plays back events."""

from __future__ import annotations

import builtins
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from thanosql.errors import Unauthenticated, Unavailable, UnknownTable
from thanosql.types import Clip

ANSI = re.compile(r"\x1b\[[\d;]*m")


class Notebook:
    """Runs cells as a notebook does."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.error: Any = None
        self.displayed: list[str] = []

    def run(self, cell: str) -> str:
        """What the cell prints."""
        with capture_output() as captured:
            outcome = self.shell.run_cell(cell, store_history=False)
        self.error = outcome.error_in_exec
        self.displayed = [output.data.get("text/html", "") for output in captured.outputs]
        return ANSI.sub("", captured.stdout + captured.stderr)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Notebook]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    notebook = Notebook(shell)
    notebook.run("%load_ext thanosql")
    assert notebook.error is None
    yield notebook
    shell._thanosql_magics.close()
    InteractiveShell.clear_instance()


def test_an_address_connects(peer, notebook):
    assert notebook.run(f"%thanosql {peer.address}").strip() == f"connected to {peer.address}"


def test_a_line_with_a_query_gives_a_data_frame(peer, notebook):
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("df = %thanosql SELECT a FROM t WHERE b = '{c}' AND d = $1")
    assert notebook.shell.user_ns["df"].to_dict("list") == {"a": [1, 2]}
    assert peer.player.executed == ["SELECT a FROM t WHERE b = '{c}' AND d = $1"]


def test_a_statement_is_taken_up_by_its_id(peer, notebook):
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("df = %thanosql attach 4f2e91ab")
    assert notebook.shell.user_ns["df"].to_dict("list") == {"a": [1, 2]}
    assert peer.player.attached == [0]


def test_a_line_with_an_effect_says_what_it_did(peer, notebook):
    peer.plays(*peer.statement(kind="COPY", message="Success", rows=80))
    notebook.run(f"%thanosql {peer.address}")
    assert "Success · 80 rows" in notebook.run("%thanosql COPY …")


def test_a_cell_displays_the_result_of_each_statement_even_when_it_ends_with_a_semicolon(peer, notebook):
    peer.plays(*peer.statement(peer.rows(a=[1])), *peer.statement(peer.rows(b=[2]), index=1))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%%thanosql\nSELECT 1 AS a;\nSELECT 2 AS b;")
    assert ["a<br>" in html for html in notebook.displayed] == [True, False]
    assert ["b<br>" in html for html in notebook.displayed] == [False, True]
    assert peer.player.executed == ["SELECT 1 AS a;\nSELECT 2 AS b;\n"]


def test_a_cell_may_begin_on_its_first_line(peer, notebook):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%%thanosql SELECT 1\nAS a")
    assert peer.player.executed == ["SELECT 1\nAS a\n"]


def test_recordings_are_players(peer, notebook):
    peer.plays(*peer.statement(Clip("a.wav", "audio/wav", b"x", 1.0), kind="PRINT AUDIO"))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%%thanosql\nPRINT AUDIO AS SELECT audio_path FROM t")
    assert "<audio controls" in notebook.displayed[0]


def test_a_mistake_is_one_message_and_fails_the_cell(peer, notebook):
    peer.plays(UnknownTable("there is no table 'callz'", hint="Did you mean calls?"))
    notebook.run(f"%thanosql {peer.address}")
    printed = notebook.run("%%thanosql\nSELECT * FROM callz")
    assert printed.strip() == "UnknownTable: there is no table 'callz'\nDid you mean calls?"
    assert isinstance(notebook.error, UnknownTable)


def test_of_several_statements_those_before_the_mistake_show_their_results(peer, notebook):
    first = peer.statement(kind="COPY", message="Success", rows=80)
    second = peer.statement(kind="SELECT", index=1)[0]
    peer.plays(*first, second, UnknownTable("there is no table 'callz'", hint="This is statement 2 of 3."))
    notebook.run(f"%thanosql {peer.address}")
    printed = notebook.run("%%thanosql\nCOPY t FROM 'a.csv';\nSELECT * FROM callz;\nDROP TABLE t")
    assert "Success · 80 rows" in notebook.displayed[0]
    assert printed.splitlines()[-1] == "This is statement 2 of 3."


def test_the_place_of_a_mistake_is_coloured_unless_colours_are_off(peer, notebook):
    peer.plays(UnknownTable("there is no table 'callz'", line=1, column=15, excerpt="SELECT * FROM callz"))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%thanosql SELECT * FROM callz")
    assert notebook.error._render_traceback_() == [
        "\x1b[1;31mUnknownTable\x1b[0m: there is no table 'callz'",
        "  1 | SELECT * FROM callz",
        "\x1b[1;33m    |               ^\x1b[0m",
    ]
    notebook.run("%colors nocolor")
    notebook.run("%thanosql SELECT * FROM callz")
    assert "\x1b" not in "".join(notebook.error._render_traceback_())


def test_a_message_is_not_obeyed_by_a_terminal(peer, notebook):
    peer.plays(UnknownTable("there is no table '\x1b[2J'"))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%thanosql SELECT 1")
    assert "\x1b[2J" not in "".join(notebook.error._render_traceback_())


@pytest.mark.parametrize(
    "cell", ["%%thanosql\nheard << PREDICT …", "%thanosql heard << PREDICT …", "%%thanosql\nheard <<\nPREDICT …"]
)
def test_a_result_becomes_a_variable_and_is_not_shown(peer, notebook, cell):
    peer.plays(*peer.statement(peer.rows(a=[1, 2]), kind="PREDICT"))
    notebook.run(f"%thanosql {peer.address}")
    printed = notebook.run(cell)
    assert notebook.error is None
    assert printed.strip() == "heard: 2 rows · 1.5 s"
    assert notebook.displayed == []
    assert notebook.shell.user_ns["heard"].to_pandas().to_dict("list") == {"a": [1, 2]}
    assert peer.player.executed[0].strip() == "PREDICT …"


def test_of_several_statements_the_last_result_becomes_the_variable(peer, notebook):
    peer.plays(*peer.statement(peer.rows(a=[1])), *peer.statement(peer.rows(b=[2]), index=1))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%%thanosql\nx << SELECT 1 AS a; SELECT 2 AS b")
    assert notebook.shell.user_ns["x"].columns == ("b",)
    assert len(notebook.displayed) == 1


def test_the_result_of_a_cell_is_the_underscore(peer, notebook, monkeypatch):
    # Python's own prompt, which other tests type at, puts its `_` there, and IPython respects that.
    monkeypatch.delattr(builtins, "_", raising=False)
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%%thanosql\nSELECT a FROM t;")
    assert len(notebook.displayed) == 1
    assert notebook.shell.user_ns["_"].to_pandas().to_dict("list") == {"a": [1, 2]}


def test_jobs_are_listed_and_one_is_cancelled(peer, notebook):
    peer.plays(*peer.statement(peer.rows(id=["4f2e91ab"]), kind="LIST JOBS"))
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%thanosql jobs")
    assert "4f2e91ab" in notebook.displayed[0]
    notebook.run("%thanosql cancel 4f2e91ab")
    assert [text.split(":")[0].strip(" '4f2e91ab") for text in peer.player.executed] == ["LIST JOBS", "CANCEL JOB"]


def test_a_variable_that_is_not_there_is_a_mistake_before_anything_is_sent(peer, notebook):
    notebook.run(f"%thanosql {peer.address}")
    printed = notebook.run("%thanosql SELECT * FROM t WHERE a = :speeker")
    assert "there is no variable 'speeker' in this notebook" in printed
    assert peer.player.executed == []


@pytest.mark.parametrize(
    "form", ["API_TOKEN=s3cret", "API_TOKEN='s3cret'", "API_TOKEN = {secret}", "api_token=$secret"]
)
def test_a_token_is_used_and_never_echoed(start_peer, notebook, form):
    peer = start_peer(token="s3cret")
    notebook.shell.user_ns["secret"] = "s3cret"
    printed = notebook.run(f"%thanosql {form}")
    printed += notebook.run(f"%thanosql {peer.address}")
    assert notebook.error is None
    assert f"connected to {peer.address}" in printed
    assert "s3cret" not in printed
    assert "s3cret" not in repr(notebook.shell._thanosql_magics._session)


def test_token_and_address_may_stand_in_one_line(start_peer, notebook):
    peer = start_peer(token="s3cret")
    assert "connected" in notebook.run(f"%thanosql API_TOKEN=s3cret {peer.address}")


def test_a_missing_token_can_be_given_after_the_address(start_peer, notebook):
    peer = start_peer(token="s3cret")
    notebook.run(f"%thanosql {peer.address}")
    assert isinstance(notebook.error, Unauthenticated)
    peer.plays(*peer.statement(peer.rows(a=[1])))
    notebook.run("%thanosql API_TOKEN=s3cret")
    notebook.run("df = %thanosql SELECT 1 AS a")
    assert notebook.error is None
    assert len(notebook.shell.user_ns["df"]) == 1


def test_an_address_where_nothing_listens_is_one_message(notebook):
    printed = notebook.run("%thanosql 127.0.0.1:1")
    assert isinstance(notebook.error, Unavailable)
    assert printed.startswith("Unavailable: nothing answers at 127.0.0.1:1")
    assert "Traceback" not in printed


def test_the_magic_alone_says_where_statements_go(peer, notebook, monkeypatch):
    notebook.run(f"%thanosql {peer.address}")
    assert notebook.run("%thanosql").strip() == f"connected to {peer.address}"


def test_loading_again_begins_anew(peer, notebook):
    notebook.run(f"%thanosql {peer.address}")
    notebook.run("%reload_ext thanosql")
    assert notebook.error is None
    assert notebook.shell._thanosql_magics._session is None
