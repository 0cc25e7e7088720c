"""PREDICT over several servers that transcribe: all work, others take what one leaves, and nothing is lost."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc

from query_service.running.arrow import read_rows
from query_service.transcribing import clip_shares, server_streams
from thanosql.clients import QueryClient
from thanosql.errors import Unavailable
from thanosql.rpc.health import HealthStates, ThreadedHealth
from thanosql.types import Notice, Rows
from thanosql.v1 import inference_pb2_grpc


@dataclasses.dataclass
class Replica:
    """One played inference service."""

    played: Any
    port: int
    host: str = "127.0.0.1"
    server: grpc.Server | None = None
    health: HealthStates = dataclasses.field(default_factory=HealthStates)
    before_health: Callable[[], object] = lambda: None
    """Is called before a question how it is is answered."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        replica = self

        class Health(ThreadedHealth):
            def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's
                replica.before_health()
                return super().Check(request, context)

        self.health.set("", True)
        self.server = grpc.server(ThreadPoolExecutor(8))
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self.played, self.server)
        health_pb2_grpc.add_HealthServicer_to_server(Health(self.health), self.server)
        assert self.server.add_insecure_port(self.address) == self.port
        self.server.start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(0).wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def replicas(services: Any) -> Iterator[list[Replica]]:
    """Two servers, started, each of which needs a hundredth of a second for a recording."""
    made = [Replica(type(services.inference)(), free_port()) for _ in range(2)]
    for each in made:
        each.played.seconds_per_clip = 0.01
        each.start()
    yield made
    for each in made:
        each.played.before_clip = each.before_health = lambda *_: None
        each.stop()


@pytest.fixture
def predict(services: Any, ready_model: str, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs PREDICT over 60 new recordings by a query service of its own; what happens, as it happens."""
    name = request.node.name.removeprefix("test_")[:40]
    paths = services.recordings(*(f"{number:02d}.wav" for number in range(60)), folder=name)
    services.table(name, "\n".join(["path", *paths, ""]))

    def run(address: str, **settings: Any) -> Iterator[Any]:
        client: QueryClient = services.another(inference=address, **settings)
        statement = f"PREDICT USING {ready_model} OPTIONS (audio_col='path', error_col='error') AS SELECT * FROM {name}"
        return (event.event for event in client.execute(statement))

    return run


def both(replicas: list[Replica]) -> str:
    return ",".join(each.address for each in replicas)


def rows_of(events: list[Any]) -> list[dict[str, Any]]:
    return [row for each in events if isinstance(each, Rows) for batch in read_rows(each) for row in batch.to_pylist()]


def notices_of(events: list[Any]) -> list[str]:
    return [each.text for each in events if isinstance(each, Notice)]


def complete(events: list[Any]) -> bool:
    """Whether every recording has its own transcript, in the order of the rows."""
    rows = rows_of(events)
    return len(rows) == 60 and all(row["predicted"] == Path(row["path"]).stem for row in rows)


def test_all_of_them_work_and_no_recording_is_sent_twice(replicas, predict):
    events = list(predict(both(replicas)))
    assert complete(events)
    counts = [len(each.played.heard) for each in replicas]
    assert sum(counts) == 60
    assert min(counts) > 10
    assert notices_of(events) == []


def test_a_slow_one_gets_less(replicas, predict):
    replicas[0].played.seconds_per_clip = 0.1
    assert complete(list(predict(both(replicas))))
    slow, fast = (len(each.played.heard) for each in replicas)
    assert slow < fast / 2


def test_what_one_had_that_dies_is_done_by_the_other_and_told_once(replicas, predict):
    dying = replicas[0]

    def die(path: str) -> None:
        if len(dying.played.heard) == 5:
            threading.Thread(target=dying.stop).start()
            time.sleep(30)

    dying.played.before_clip = die
    events = list(predict(both(replicas)))
    assert complete(events)
    assert len(dying.played.heard) == 5
    assert len(replicas[1].played.heard) >= 55
    (notice,) = notices_of(events)
    assert notice.startswith(f"A server has gone, {dying.address}: the")
    assert notice.endswith("that it had go to the others.")


def test_one_that_comes_later_is_taken_up(replicas, predict):
    late = replicas[1]
    late.stop()
    begun = threading.Event()

    def wait_for_company(path: str) -> None:
        if len(replicas[0].played.heard) == 5:
            begun.set()
            deadline = time.monotonic() + 60
            while not late.played.heard:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def come() -> None:
        begun.wait(60)
        late.start()

    replicas[0].played.before_clip = wait_for_company
    coming = threading.Thread(target=come)
    coming.start()
    assert complete(list(predict(both(replicas))))
    coming.join()
    assert len(late.played.heard) > 10


def test_one_that_dns_names_later_is_taken_up(replicas, predict, monkeypatch):
    first, second = replicas
    second.stop()
    second.host, second.port = "127.0.0.2", first.port
    second.health = HealthStates()
    second.start()
    known = ["127.0.0.1"]
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
        if host != "localhost":
            return real(host, *arguments, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, first.port)) for each in known]

    def wait_for_company(path: str) -> None:
        if len(first.played.heard) == 5:
            known.append("127.0.0.2")
            deadline = time.monotonic() + 60
            while not second.played.heard:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(server_streams, "LOOK_SECONDS", 0.2)
    first.played.before_clip = wait_for_company
    assert complete(list(predict(f"dns:///localhost:{first.port}")))
    assert len(second.played.heard) > 10


def test_one_that_does_not_serve_gets_nothing(replicas, predict):
    replicas[1].health.set("", False)
    assert complete(list(predict(both(replicas))))
    assert replicas[1].played.starts == []


def test_one_that_serves_no_longer_gets_nothing_more_and_answers_what_it_has(replicas, predict, monkeypatch):
    monkeypatch.setattr(server_streams, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(clip_shares, "FIRST_SECONDS", 0.1)
    leaving = replicas[0]

    def leave(path: str) -> None:
        leaving.health.set("", False)
        time.sleep(0.5)

    leaving.played.before_clip = leave
    events = list(predict(both(replicas)))
    assert complete(events)
    assert len(leaving.played.heard) + len(replicas[1].played.heard) == 60
    assert len(leaving.played.heard) < 10
    assert notices_of(events) == []


def test_one_that_is_stuck_holds_up_nothing(replicas, predict, monkeypatch):
    monkeypatch.setattr(clip_shares, "LATE_SECONDS", 0.2)
    go_on = threading.Event()
    replicas[0].played.before_clip = lambda path: go_on.wait(60)
    events = list(predict(both(replicas)))
    go_on.set()
    assert complete(events)
    assert len(replicas[1].played.heard) == 60


def test_one_that_is_connected_and_says_nothing_is_left(replicas, predict, monkeypatch):
    monkeypatch.setattr(server_streams, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(server_streams, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(server_streams, "SILENT_SECONDS", 0.5)
    go_on = threading.Event()
    silent = replicas[0]

    def fall_silent(path: str) -> None:
        silent.before_health = lambda: go_on.wait(60)
        go_on.wait(60)

    silent.played.before_clip = fall_silent
    events = list(predict(both(replicas)))
    go_on.set()
    assert complete(events)
    assert len(silent.played.heard) <= 1
    assert any(text.startswith("A server has gone") for text in notices_of(events))


def test_where_all_have_gone_one_is_waited_for(replicas, predict):
    replicas[0].stop()
    lonely = replicas[1]

    def restart() -> None:
        lonely.stop()
        lonely.played.before_clip = lambda path: None
        time.sleep(server_streams.TELL_SECONDS + 2.5)
        lonely.health = HealthStates()
        lonely.start()

    restarting = threading.Thread(target=restart)

    def go_away(path: str) -> None:
        if len(lonely.played.heard) == 5 and not restarting.ident:
            restarting.start()
            time.sleep(1)

    lonely.played.before_clip = go_away
    events = list(predict(both(replicas)))
    restarting.join()
    assert complete(events)
    (notice,) = notices_of(events)
    assert notice.startswith("There is no server to transcribe")
    assert notice.endswith("One is waited for, 60 s at most.")


def test_where_none_comes_it_is_said_what_is_left(replicas, predict):
    for each in replicas:
        each.stop()
    with pytest.raises(Unavailable, match="no server to transcribe for 1 s, and 60 recordings are not") as raised:
        list(predict(both(replicas), inference_patience=1.0))
    assert "run the statement again when it is back, and it goes on" in raised.value.hint


def test_a_statement_is_cancelled_though_servers_are_stuck(replicas, predict):
    go_on = threading.Event()
    for each in replicas:
        each.played.before_clip = lambda path: go_on.wait(60)
    events = predict(both(replicas))
    next(events)
    begun = time.monotonic()
    events.close()
    go_on.set()
    assert time.monotonic() - begun < 30


def test_explain_and_describe_know_how_many_share_the_work(services, replicas, ready_model):
    (path,) = services.recordings("explained.wav")
    client = services.another(inference=both(replicas))
    statement = f"EXPLAIN PREDICT USING {ready_model} OPTIONS (audio_col='path') AS SELECT '{path}' AS path"
    text = str(rows_of([each.event for each in client.execute(statement)]))
    assert "shared by 2 servers" in text
    described = rows_of([each.event for each in client.execute(f"DESCRIBE MODEL {ready_model}")])
    assert {"property": "serving.servers", "value": "2"} in described
