"""Prometheus reads what the statistics say, under names that Triton's dashboards know."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference_service.monitoring.figures import (
    BatchReport,
    Closed,
    ModelFigures,
    Outcome,
    RequestReport,
    RowReport,
    Waiting,
)
from inference_service.monitoring.metrics import Observation, model_metrics
from thanosql.clients import InferenceClient
from thanosql.errors import Unavailable
from thanosql.monitoring.exposition import MetricsServer
from thanosql.monitoring.process import process_metrics
from thanosql.rpc.server import RunningServer
from thanosql.types import ModelStatistics, Priority, ServingState, TranscribeClip, TranscribeStart

Start = Callable[..., tuple[RunningServer, InferenceClient]]

FOLDER = "tutorial_data/librispeech_data"


@contextmanager
def serving(*observed: Observation) -> Iterator[MetricsServer]:
    metrics = (model_metrics(lambda: observed), process_metrics())
    server = MetricsServer("inference", "127.0.0.1", 0, metrics)
    yield server
    server.close()


def read(port: int, page: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def sums(text: str) -> Counter[str]:
    """Every sample of the exposition, summed over its labels, by the name that the text gives it."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            found[series.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return found


def figures_of_one_day() -> ModelFigures:
    figures = ModelFigures()
    for seconds in (0.004, 0.3, 700.0):
        figures.record_request(RequestReport(Outcome.SUCCESS, Priority.INTERACTIVE, seconds))
    figures.record_request(RequestReport(Outcome.FAILED, Priority.BULK, 0.1, 'a "bad"\nreason \\'))
    figures.record_request(RequestReport(Outcome.LATE, Priority.INTERACTIVE, 1.0))
    figures.record_request(RequestReport(Outcome.REJECTED, Priority.INTERACTIVE, 0.0, "queue full"))
    figures.record_request(RequestReport(Outcome.CANCELLED, Priority.BULK, 0.0))
    rows = tuple(RowReport(Priority.BULK, seconds, 0.25) for seconds in (2.0, 3.0, 4.0))
    figures.record_batch(BatchReport(rows, padded_seconds=12.0, compute_seconds=0.5, closed=Closed.BUDGET))
    return figures


def observation(model: str = "m", **statistics: object) -> Observation:
    known = ModelStatistics(model, 2, **statistics)  # type: ignore[arg-type]
    waiting = {Priority.BULK: Waiting(7, 70.0), Priority.INTERACTIVE: Waiting(1, 2.0)}
    return Observation(known, figures_of_one_day().sums, waiting)


def test_tritons_names_come_without_a_suffix_and_with_its_labels() -> None:
    with serving(observation()) as server:
        text = read(server.port)
    for line in (
        'nv_inference_request_success{model="m",version="2"} 3.0',
        'nv_inference_request_failure{model="m",version="2",reason="REJECTED"} 2.0',
        'nv_inference_request_failure{model="m",version="2",reason="CANCELED"} 1.0',
        'nv_inference_request_failure{model="m",version="2",reason="BACKEND"} 1.0',
        'nv_inference_count{model="m",version="2"} 3.0',
        'nv_inference_exec_count{model="m",version="2"} 1.0',
        'nv_inference_request_duration_us{model="m",version="2"} 700304000.0',
        'nv_inference_queue_duration_us{model="m",version="2"} 750000.0',
        'nv_inference_compute_infer_duration_us{model="m",version="2"} 1500000.0',
        'nv_inference_pending_request_count{model="m",version="2"} 8.0',
        "# TYPE nv_inference_request_success counter",
        "# TYPE nv_inference_pending_request_count gauge",
    ):
        assert line in text.splitlines()


def test_prometheus_can_read_every_family_and_its_histograms_add_up() -> None:
    with serving(observation("m"), observation("n")) as server:
        families = {each.name: each for each in text_string_to_metric_families(read(server.port))}
    assert families["nv_inference_request_success"].type == "counter"
    assert families["thanosql_requests"].type == "counter"
    reasons = {sample.labels["reason"] for sample in families["thanosql_requests"].samples}
    assert 'a "bad"\nreason \\' in reasons
    for family in (each for each in families.values() if each.type == "histogram"):
        buckets = [each for each in family.samples if each.name.endswith("_bucket")]
        counts = {tuple(sorted(each.labels.items())): each.value for each in family.samples if "le" not in each.labels}
        assert buckets
        for one, following in pairwise(buckets):
            assert one.value <= following.value or one.labels["le"] == "+Inf"
        last = [each.value for each in buckets if each.labels["le"] == "+Inf"]
        assert len(last) == len(counts)
        assert family.documentation


def test_a_value_on_a_bound_is_counted_under_it() -> None:
    figures = ModelFigures()
    figures.record_request(RequestReport(Outcome.SUCCESS, Priority.BULK, 0.25))
    with serving(Observation(ModelStatistics("m", 1), figures.sums)) as server:
        text = read(server.port)
    bucket = 'thanosql_answer_seconds_bucket{model="m",version="1",priority="bulk",le='
    assert f'{bucket}"0.25"}} 1.0' in text
    assert f'{bucket}"0.1"}} 0.0' in text


@pytest.mark.parametrize(
    ("state", "loaded", "broken"),
    [(ServingState.READY, 1, 0), (ServingState.IDLE, 0, 0), (ServingState.BROKEN, 0, 1)],
)
def test_what_is_loaded_and_what_is_broken_can_be_counted(state: ServingState, loaded: int, broken: int) -> None:
    with serving(observation(state=state, memory_bytes=5)) as server:
        found = sums(read(server.port))
    assert (found["thanosql_model_loaded"], found["thanosql_model_broken"]) == (loaded, broken)
    assert found["thanosql_model_memory_bytes"] == 5


def test_two_services_of_one_process_are_counted_apart() -> None:
    with serving(observation("a")) as one, serving(observation("b")) as other:
        assert 'model="b"' not in read(one.port)
        assert 'model="a"' not in read(other.port)


def test_the_process_says_that_it_lives_and_what_it_takes() -> None:
    with serving() as server:
        assert read(server.port, "/live") == "live\n"
        assert sums(read(server.port))["process_resident_memory_bytes"] > 1e6
        with pytest.raises(urllib.error.HTTPError, match="404"):
            read(server.port, "/secrets")


def test_a_metrics_port_that_is_taken_is_said_so() -> None:
    with serving() as server, pytest.raises(Unavailable, match=rf":{server.port}.*\n.*--metrics-port"):
        MetricsServer("inference", "127.0.0.1", server.port, ())


def test_a_caller_who_says_nothing_holds_nobody_up() -> None:
    with serving() as server, socket.create_connection(("127.0.0.1", server.port)):
        assert read(server.port, "/live") == "live\n"


def test_the_metrics_of_a_service_say_what_its_statistics_say(start_service: Start) -> None:
    server, client = start_service(metrics_port=0)
    port = server.metrics_port
    clips = [TranscribeClip(number, path=f"{FOLDER}/{number:03d}.flac") for number in range(6)]
    answers = list(client.transcribe(TranscribeStart("tiny", 1), [*clips, TranscribeClip(6, path="nowhere.wav")]))
    assert len(answers) == 7
    (statistics,) = client.get_statistics()
    found = sums(read(port))
    assert found["nv_inference_request_success"] == statistics.clips == 6
    assert found["nv_inference_request_failure"] == statistics.failures == 1
    assert found["nv_inference_exec_count"] == found["thanosql_batch_rows_count"] == statistics.batches
    assert found["nv_inference_count"] == found["thanosql_batch_rows_sum"] == 6
    assert found["thanosql_answer_seconds_count"] == found["thanosql_requests_total"] - 1 == 6
    assert found["thanosql_batches_closed_total"] == statistics.batches
    assert found["thanosql_audio_seconds_total"] == pytest.approx(statistics.audio_seconds)
    assert found["thanosql_padded_seconds_total"] == pytest.approx(statistics.padded_seconds)
    assert found["thanosql_compute_seconds_total"] == pytest.approx(statistics.compute_seconds)
    assert found["nv_inference_queue_duration_us"] == pytest.approx(1e6 * statistics.queue_seconds, abs=1)
    assert found["nv_inference_request_duration_us"] > 0
    assert found["thanosql_model_loaded"] == 1
    server.stop()
    with pytest.raises(urllib.error.URLError):
        read(port)


def test_a_service_whose_metrics_port_is_taken_does_not_start(start_service: Start) -> None:
    with serving() as taken, pytest.raises(Unavailable, match="--metrics-port"):
        start_service(metrics_port=taken.port)
