"""Taking up a query: what was not held in memory, and what a killed query_service leaves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import thanosql
from query_service.running.arrow import read_rows
from thanosql.errors import NotFound, Unavailable
from thanosql.types import Event, Rows, StatementDone


def numbers(events: list[Event]) -> list[int]:
    """The column i of all rows."""
    batches = (batch for event in events if isinstance(event.event, Rows) for batch in read_rows(event.event))
    return [number for batch in batches for number in batch.column("i").to_pylist()]


def test_a_result_that_is_larger_than_memory_is_read_by_another_from_its_first_event(services):
    client = services.another(log_bytes=1 << 20)
    query_id = str(uuid.uuid4())
    first = list(client.execute("SELECT i, repeat('x', 50) AS x FROM generate_series(1, 200000) AS a(i)", query_id))
    again = list(client.attach(query_id))
    assert again == first
    assert numbers(again) == list(range(1, 200_001))
    assert list(client.attach(query_id, 10)) == first[10:]


def test_many_read_one_query_while_it_runs_and_all_get_the_same(services):
    client = services.another(log_bytes=1 << 20)
    query_id = str(uuid.uuid4())
    got: list[list[Event]] = []

    def read(stream: Iterator[Event]) -> None:
        got.append(list(stream))

    stream = client.execute("SELECT i FROM generate_series(1, 300000) AS a(i)", query_id)
    threads = [threading.Thread(target=read, args=(stream,))]
    threads[0].start()
    while True:  # the query has to be there before it can be taken up
        try:
            head = next(client.attach(query_id))
        except NotFound:
            time.sleep(0.01)
        else:
            break
    threads += [threading.Thread(target=read, args=(client.attach(query_id),)) for _ in range(4)]
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert head.number == 0
    assert all(events == got[0] for events in got)
    assert isinstance(got[0][-1].event, StatementDone)


@pytest.fixture
def serve(services) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Runs a query_service as a process of its own before the services of the test."""
    processes = []
    config = services.config

    def serve(port: int) -> subprocess.Popen[bytes]:
        arguments = ["--port", port, "--catalog", config.catalog, "--trainer", config.trainer]
        arguments += ["--inference", config.inference, "--workspace", config.workspace, "--state", config.state]
        command = [sys.executable, "-m", "query_service", *map(str, arguments)]
        processes.append(subprocess.Popen(command, env={**os.environ, "THANOSQL_TOKEN": "secret"}))
        return processes[-1]

    yield serve
    for process in processes:
        process.kill()
        process.wait()


def connect(port: int) -> thanosql.Session:
    deadline = time.monotonic() + 60
    while True:
        try:
            return thanosql.connect(f"127.0.0.1:{port}", "secret")
        except Unavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.slow
def test_a_query_service_that_is_killed_and_comes_back_says_what_is_left(services, serve, ready_model):
    paths = services.recordings(*(f"{uuid.uuid4().hex}.wav" for _ in range(30)))
    services.table("left", "audio_path\n" + "\n".join(paths) + "\n")
    services.inference.seconds_per_clip = 0.2
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = serve(port)
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM left"
    with connect(port) as session:
        events: list[Any] = []

        def kill(event: Event) -> None:
            events.append(event)
            if len(services.inference.heard) > 12 and process.poll() is None:
                process.kill()
                process.wait()
                serve(port)

        with pytest.raises(Unavailable, match="started anew, no longer knows the statement") as raised:
            session.sql(statement, progress=False, on_event=kill)
        assert "PREDICT goes on from the transcripts that it has kept" in raised.value.hint
        with pytest.raises(NotFound, match="started anew since"):
            session.attach(events[0].event.query_id)
        heard = len(services.inference.heard)
        services.inference.seconds_per_clip = 0.0
        assert len(session.sql(statement, progress=False)) == 30
        assert len(services.inference.heard) < heard + 30, "what was kept is not transcribed again"
