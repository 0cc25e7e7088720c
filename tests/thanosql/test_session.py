"""Sessions against a query service that plays back events, over real gRPC."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import closing
from typing import Any

import pytest

import thanosql
from thanosql.clients import QueryClient
from thanosql.connection import Remote, normal_address
from thanosql.errors import (
    Cancelled,
    DataError,
    InternalError,
    InvalidOption,
    NotFound,
    Unauthenticated,
    Unavailable,
    UnknownTable,
)
from thanosql.follow import follow
from thanosql.rpc.caller import name_caller
from thanosql.rpc.channel import open_channel
from thanosql.session import Session
from thanosql.types import Notice, Progress, Severity, StatementDone, StatementStarted


@pytest.fixture
def session(peer: Any) -> Any:
    with thanosql.connect(peer.address) as session:
        yield session


def test_a_statement_gives_its_rows(peer, session):
    peer.plays(*peer.statement(peer.rows(one=[1, 2], text=["a", None])))
    result = session.sql("SELECT …")
    assert result.columns == ("one", "text")
    assert list(result) == [(1, "a"), (2, None)]
    assert [row.one for row in result] == [1, 2]
    assert peer.player.executed == ["SELECT …"]


def test_several_statements_give_the_result_of_the_last(peer, session):
    peer.plays(*peer.statement(peer.rows(a=[1])), *peer.statement(peer.rows(b=[2]), index=1))
    assert session.sql("…").columns == ("b",)


def test_run_gives_the_result_of_each_statement(peer, session):
    peer.plays(*peer.statement(kind="COPY", message="Success", rows=80), *peer.statement(peer.rows(b=[2]), index=1))
    assert [(result.kind, result.message, len(result)) for result in session.run("…")] == [
        ("COPY", "Success", 0),
        ("SELECT", "", 1),
    ]


def test_a_text_without_a_statement_is_refused(peer, session):
    peer.plays()
    with pytest.raises(DataError, match="no statement"):
        session.sql("-- nothing")


def test_a_failure_has_no_frames_of_grpc(peer, session):
    peer.plays(UnknownTable("there is no table 'callz'", hint="Did you mean calls?", line=1, column=15, excerpt="…"))
    with pytest.raises(UnknownTable) as caught:
        session.sql("SELECT * FROM callz")
    text = "".join(traceback.format_exception(caught.value))
    assert "/grpc/" not in text
    assert "clients.py" not in text
    assert "Did you mean calls?" in text


def test_notices_are_shown_as_they_come_and_kept(peer, session, capsys):
    peer.plays(*peer.statement(Notice("the bundled model is used", Severity.WARNING)))
    result = session.sql("…")
    assert result.notices == (Notice("the bundled model is used", Severity.WARNING),)
    assert "warning: the bundled model is used" in capsys.readouterr().err


def test_every_event_reaches_the_callback(peer, session, capsys):
    peer.plays(*peer.statement(Progress("transcribing", 1, 2, "clips")))
    seen: list[str] = []
    session.sql("…", progress=False, on_event=lambda event: seen.append(type(event.event).__name__))
    assert seen == ["StatementStarted", "Progress", "StatementDone"]
    assert capsys.readouterr().err == ""


def test_a_statement_that_needs_a_service_that_is_away_says_so_at_once(peer, session):
    peer.plays(*peer.statement()[:-1], Unavailable("trainer_service cannot be reached"))
    with pytest.raises(Unavailable, match="trainer_service cannot be reached"):
        session.sql("BUILD …")
    assert peer.player.attached == []


def test_a_broken_stream_is_taken_up_at_the_next_event(peer, session):
    peer.plays(*peer.statement(peer.rows(a=[1]), peer.breaks, peer.rows(a=[2])))
    assert list(session.sql("…")) == [(1,), (2,)]
    assert peer.player.attached == [2]


def test_a_stream_that_breaks_before_its_first_event_is_taken_up(peer, session):
    peer.plays(peer.breaks, *peer.statement(peer.rows(a=[1])))
    assert list(session.sql("…")) == [(1,)]
    assert peer.player.attached == [0]


def test_rows_are_streamed_as_they_come(peer, session):
    peer.plays(*peer.statement(peer.rows(a=[1]), peer.until_cancelled)[:-1])
    stream = session.stream("SELECT …")
    assert next(stream).to_pydict() == {"a": [1]}
    stream.close()
    (cancelled,) = peer.player.cancelled.values()
    assert cancelled.wait(5), "a caller that stops early stops the statement"


def test_ctrl_c_cancels_the_statement_and_the_session_stays_usable(peer, session):
    peer.plays(*peer.statement(Progress("training", 1, 100, "steps"), peer.until_cancelled)[:-1])
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(thanosql.Cancelled):
        session.sql("BUILD …", progress=False)
    (cancelled,) = peer.player.cancelled.values()
    assert cancelled.is_set()
    peer.plays(*peer.statement(peer.rows(a=[1])))
    assert list(session.sql("SELECT …")) == [(1,)]


def test_a_statement_that_was_sent_before_is_taken_up_with_all_its_results(peer, session):
    peer.plays(*peer.statement(peer.rows(a=[1]), peer.breaks), *peer.statement(peer.rows(b=[2]), index=1))
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    assert [result.columns for result in session.follow("4f2e91ab")] == [("a",), ("b",)]
    assert list(session.attach("4f2e91ab")) == [(2,)]
    assert peer.player.attached == [0, 0]
    assert peer.player.executed == []


def test_a_statement_is_taken_up_from_an_event_on(peer, session):
    peer.plays(*peer.statement(peer.rows(a=[1]), peer.rows(a=[2])))
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    assert list(session.attach("4f2e91ab", next_event=2)) == [(2,)]


def test_ctrl_c_leaves_a_statement_that_was_taken_up_and_does_not_cancel_it(peer, session):
    peer.plays(*peer.statement(Progress("training", 1, 100, "steps"), peer.until_cancelled)[:-1])
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(thanosql.Cancelled, match="the statement goes on"):
        session.attach("4f2e91ab", progress=False)
    assert not peer.player.cancelled["4f2e91ab"].is_set()
    peer.player.cancelled["4f2e91ab"].set()


def test_a_statement_that_the_server_does_not_know_cannot_be_taken_up(peer, session):
    with pytest.raises(NotFound):
        session.attach("4f2e91ab")


def test_a_session_cancels_by_the_statement_for_it(peer, session):
    peer.plays(*peer.statement(kind="CANCEL JOB", message="Success"))
    assert session.cancel("4f'2e").message == "Success"
    assert peer.player.executed == ["CANCEL JOB :id"]


def test_a_result_has_the_id_of_its_statement(peer, session):
    peer.plays(StatementStarted("4f2e91ab", 0, "SELECT", "…"), StatementDone(0, rows=0, seconds=0.1))
    assert session.sql("…").id == "4f2e91ab"


def test_a_session_says_who_sends_a_statement(peer, session):
    peer.plays(*peer.statement())
    session.sql("…")
    assert peer.player.callers == [name_caller()]


def test_a_closed_session_says_so(peer):
    session = thanosql.connect(peer.address)
    session.close()
    session.close()
    with pytest.raises(thanosql.ThanoSQLError, match="closed"):
        session.sql("SELECT 1")


def test_a_session_that_another_thread_closes_ends_its_statement_with_a_reason(peer):
    peer.plays(*peer.statement()[:1], peer.until_cancelled)
    session = thanosql.connect(peer.address)
    events = session.events("…")
    next(events)
    session.close()
    with pytest.raises(Cancelled, match="closed while the statement ran") as caught:
        list(events)
    assert "LIST JOBS" in caught.value.hint


def test_an_address_where_nothing_listens_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unavailable, match=f"nothing answers at {address}.*refused"):
        thanosql.connect(address)


def test_an_address_of_something_else_is_refused():
    refusal = pytest.raises(Unavailable, match="not ThanoSQL's query service")
    with socket.create_server(("127.0.0.1", 0)) as mute, refusal:
        thanosql.connect(f"127.0.0.1:{mute.getsockname()[1]}")


def test_a_wrong_token_is_found_when_connecting(start_peer):
    peer = start_peer(token="right")
    with pytest.raises(Unauthenticated):
        thanosql.connect(peer.address, "wrong")
    thanosql.connect(peer.address, "right").close()


def test_address_and_token_come_from_the_environment(start_peer, monkeypatch):
    peer = start_peer(token="secret")
    peer.plays(*peer.statement(peer.rows(a=[1])))
    monkeypatch.setenv("THANOSQL_ADDRESS", peer.address)
    monkeypatch.setenv("THANOSQL_API_TOKEN", "secret")
    with thanosql.connect() as session:
        assert list(session.sql("SELECT …")) == [(1,)]
        assert repr(session) == f"<thanosql session: connected to {peer.address}>"
        assert "secret" not in repr(session)


def test_a_state_folder_together_with_an_address_is_refused(tmp_path):
    with pytest.raises(thanosql.ThanoSQLError, match="together with an address"):
        thanosql.connect("localhost:1", state=tmp_path)


def test_a_workspace_of_a_server_has_a_name_and_no_folder(tmp_path):
    with pytest.raises(InvalidOption, match="not the name of a workspace"):
        thanosql.connect("localhost:1", workspace=tmp_path)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("speech", "speech:8470"),
        ("speech:1", "speech:1"),
        ("grpc://speech:1/", "speech:1"),
        ("http://10.0.0.1:8470", "10.0.0.1:8470"),
        ("grpcs://speech:1", "speech:1"),
        ("[::1]:9", "[::1]:9"),
    ],
)
def test_an_address_may_be_written_in_several_ways(given, normal):
    assert normal_address(given) == normal


@pytest.mark.parametrize("given", ["", "a b", "https://x:1", "x:y", "SELECT 1"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(thanosql.ThanoSQLError, match="is not an address"):
        normal_address(given)


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "transformers", "onnxruntime", "pandas", "IPython", "pyarrow", "grpc", "numpy")
    code = f"import sys, thanosql; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_opening_a_session_loads_no_torch_and_no_pandas(peer):
    heavy = ("torch", "transformers", "onnxruntime", "pandas", "IPython")
    code = f"""
import sys, thanosql
thanosql.connect({peer.address!r}).close()
print([name for name in {heavy!r} if name in sys.modules])"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_stream_that_stays_broken_is_given_up(peer):
    peer.plays(*peer.statement(peer.breaks))
    peer.player.outage = lambda: True
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with closing(open_channel(peer.address)) as channel:
        events = follow(QueryClient(channel), "BUILD …", patience=1, clock=lambda: now[0], sleep=sleep)
        assert isinstance(next(events).event, StatementStarted)
        notice = next(events).event
        assert isinstance(notice, Notice)
        assert "the connection is broken" in notice.text.lower()
        with pytest.raises(Unavailable, match="could not be reached again within 1 s") as caught:
            next(events)
    assert "session.attach('" in caught.value.hint


def test_a_server_that_was_started_anew_no_longer_knows_the_statement(peer):
    peer.plays(*peer.statement(peer.breaks))
    peer.player.outage = lambda: bool(peer.player.cancelled.clear())
    with closing(open_channel(peer.address)) as channel:
        events = follow(QueryClient(channel), "BUILD …", sleep=lambda _: None)
        next(events)
        with pytest.raises(Unavailable, match="started anew, no longer knows the statement"):
            next(events)


def test_a_fault_of_the_services_of_local_mode_says_where_the_log_is(peer):
    connection = Remote(peer.address, "")
    connection.log = "/here/local.log"
    peer.plays(InternalError("internal error", hint="its log has the details", request_id="abc"))
    with Session(lambda: connection) as session, pytest.raises(InternalError, match=r"/here/local\.log") as caught:
        session.sql("SELECT 1")
    assert "(request id abc)" in str(caught.value)
