"""Jobs and time limits of a session, against a query service that plays back events."""

from __future__ import annotations

from typing import Any

import pytest

import thanosql
from thanosql.errors import StatementSyntaxError, TimedOut
from thanosql.types import Progress, StatementStarted


@pytest.fixture
def session(peer: Any) -> Any:
    with thanosql.connect(peer.address) as session:
        yield session


def test_a_submitted_statement_goes_on_and_its_result_is_waited_for(peer: Any, session: Any) -> None:
    peer.plays(*peer.statement(peer.rows(a=[1])))
    job = session.submit("SELECT …")
    assert list(job.wait(progress=False)) == [(1,)]
    assert not peer.player.cancelled[job.id].is_set()


def test_a_wrong_statement_is_told_when_it_is_submitted(peer: Any, session: Any) -> None:
    peer.plays(StatementSyntaxError("no statement begins with 'SELEC'"))
    with pytest.raises(StatementSyntaxError):
        session.submit("SELEC 1")


def test_waiting_ends_with_its_time_and_the_job_goes_on(peer: Any, session: Any) -> None:
    peer.plays(StatementStarted("", 0, "SELECT", "SELECT …"), peer.until_cancelled)
    job = session.submit("SELECT …")
    with pytest.raises(TimedOut, match="it goes on"):
        job.wait(0.3, progress=False)
    assert not peer.player.cancelled[job.id].is_set()
    assert job.cancel()
    assert peer.player.cancelled[job.id].is_set()


def test_a_statement_that_takes_longer_than_its_time_is_stopped_on_the_server(peer: Any, session: Any) -> None:
    peer.plays(StatementStarted("", 0, "SELECT", "SELECT …"), peer.until_cancelled)
    with pytest.raises(TimedOut, match=r"has not ended within 0\.3 s, and was stopped"):
        session.sql("SELECT …", timeout=0.3, progress=False)
    (cancelled,) = peer.player.cancelled.values()
    assert cancelled.wait(5)


def test_time_is_measured_through_connections_that_break(peer: Any, session: Any) -> None:
    peer.plays(peer.breaks, StatementStarted("", 0, "SELECT", "SELECT …"), peer.until_cancelled)
    with pytest.raises(TimedOut):
        session.sql("SELECT …", timeout=1.0, progress=False)


def test_the_events_of_a_job_can_be_read_by_another_session(peer: Any, session: Any) -> None:
    peer.plays(*peer.statement(Progress("transcribe", 1, 2, "rows"), peer.rows(a=[1])))
    id = session.submit("SELECT …").id
    with thanosql.connect(peer.address) as other:
        kinds = [type(event.event).__name__ for event in other.events_of(id)]
    assert kinds == ["StatementStarted", "Progress", "Rows", "StatementDone"]


def test_rows_that_stream_know_their_columns_before_they_are_read(peer: Any, session: Any) -> None:
    peer.plays(*peer.statement(peer.rows(a=[1]), peer.rows(a=[2])))
    with session.stream("SELECT …") as stream:
        assert stream.schema.names == ["a"]
        assert [batch.to_pydict() for batch in stream] == [{"a": [1]}, {"a": [2]}]


def test_rows_that_stream_are_an_arrow_stream(peer: Any, session: Any) -> None:
    import pyarrow as pa

    peer.plays(*peer.statement(peer.rows(a=[1]), peer.rows(a=[2])))
    assert pa.table(session.stream("SELECT …")).to_pydict() == {"a": [1, 2]}
