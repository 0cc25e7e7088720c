"""What Prometheus is told of the models: Triton's names where they mean the same, and ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference_service.monitoring.figures import (
    ANSWER_BOUNDS,
    PADDED_BOUNDS,
    ROW_BOUNDS,
    Closed,
    Figures,
    Outcome,
    Waiting,
)
from thanosql.types import ModelStatistics, Priority, ServingState

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

TRITON_REASONS = {
    Outcome.REJECTED: "REJECTED",
    # Triton counts a request that timed out in its queue as rejected too.
    Outcome.LATE: "REJECTED",
    Outcome.CANCELLED: "CANCELED",
    Outcome.FAILED: "BACKEND",
}
"""Triton's label for what did not succeed."""

MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Observation:
    """One version of a model at the moment of a scrape."""

    statistics: ModelStatistics
    figures: Figures
    waiting: Mapping[Priority, Waiting] = field(default_factory=dict)


class ModelMetrics:
    """A collector for `prometheus_client`: nothing is counted here, everything is read when it is asked for.

    Args:
        observe: Gives every version that is or was loaded, or could not be.
    """

    def __init__(self, observe: Callable[[], Iterable[Observation]]) -> None:
        self._observe = observe

    def collect(self) -> Iterator[Metric]:
        """The families, each with the samples of every version."""
        observed = tuple(self._observe())
        yield from _triton_families(observed)
        yield from _our_families(observed)
        yield from _histograms(observed)


def _triton_families(observed: tuple[Observation, ...]) -> Iterator[Metric]:
    """See "Inference Request Metrics" of Triton's manual."""
    success = _counter("nv_inference_request_success", "Requests that were answered with a transcript.")
    failure = _counter("nv_inference_request_failure", "Requests that were not, by Triton's reason.")
    count = _counter("nv_inference_count", "Rows of batches that were computed.")
    executions = _counter("nv_inference_exec_count", "Batches that were computed.")
    total = _counter("nv_inference_request_duration_us", "From arrival to answer, of the requests that succeeded.")
    queue = _counter("nv_inference_queue_duration_us", "Rows' waits, from arrival to the begin of their batch.")
    compute = _counter("nv_inference_compute_infer_duration_us", "Rows' computing: each counts its whole batch.")
    pending = _gauge("nv_inference_pending_request_count", "Rows that wait for their batch.")
    for each in observed:
        labels, figures = _labels(each), each.figures
        success.add_sample(success.name, labels, figures.count(Outcome.SUCCESS))
        # Zeros are sent too: a rate over a series that begins with its first failure would miss that failure.
        failures = dict.fromkeys(TRITON_REASONS.values(), 0)
        for outcome, reason in TRITON_REASONS.items():
            failures[reason] += figures.count(outcome)
        for reason, number in failures.items():
            failure.add_sample(failure.name, {**labels, "reason": reason}, number)
        count.add_sample(count.name, labels, figures.rows)
        executions.add_sample(executions.name, labels, figures.batches)
        total.add_sample(total.name, labels, round(figures.request_seconds * MICROSECONDS))
        queue.add_sample(queue.name, labels, round(figures.queue_seconds * MICROSECONDS))
        compute.add_sample(compute.name, labels, round(figures.row_compute_seconds * MICROSECONDS))
        pending.add_sample(pending.name, labels, sum(waiting.rows for waiting in each.waiting.values()))
    yield from (success, failure, count, executions, total, queue, compute, pending)


def _our_families(observed: tuple[Observation, ...]) -> Iterator[Metric]:
    requests = _counter("thanosql_requests_total", "Requests by how they ended, by class and by reason.")
    audio = _counter("thanosql_audio_seconds_total", "Seconds of audio that were computed.")
    padded = _counter("thanosql_padded_seconds_total", "Rows x longest row of every batch that was computed.")
    compute = _counter("thanosql_compute_seconds_total", "Seconds in which batches were computed.")
    closed = _counter("thanosql_batches_closed_total", "Batches by why they did not take in more.")
    waiting = _gauge("thanosql_waiting_audio_seconds", "Seconds of audio that wait for a model, by class.")
    loaded = _gauge("thanosql_model_loaded", "1: the version is in memory; 0: it is not.")
    broken = _gauge("thanosql_model_broken", "1: the version could not be loaded; 0: it could.")
    memory = _gauge("thanosql_model_memory_bytes", "Memory that the version takes.")
    for each in observed:
        labels, figures = _labels(each), each.figures
        for (outcome, priority, reason), number in sorted(figures.requests.items()):
            how = {"outcome": outcome.value, "priority": priority.value, "reason": reason}
            requests.add_sample(requests.name, {**labels, **how}, number)
        audio.add_sample(audio.name, labels, figures.audio_seconds)
        padded.add_sample(padded.name, labels, figures.padded_seconds)
        compute.add_sample(compute.name, labels, figures.compute_seconds)
        for why in Closed:
            closed.add_sample(closed.name, {**labels, "reason": why.value}, figures.closed[why])
        for priority in Priority:
            seconds = each.waiting.get(priority, Waiting()).seconds
            waiting.add_sample(waiting.name, {**labels, "priority": priority.value}, seconds)
        loaded.add_sample(loaded.name, labels, float(each.statistics.state is ServingState.READY))
        broken.add_sample(broken.name, labels, float(each.statistics.state is ServingState.BROKEN))
        memory.add_sample(memory.name, labels, each.statistics.memory_bytes)
    yield from (requests, audio, padded, compute, closed, waiting, loaded, broken, memory)


def _histograms(observed: tuple[Observation, ...]) -> Iterator[Metric]:
    answers = _metric("thanosql_answer_seconds", "From arrival to answer, of the requests that succeeded.", "histogram")
    rows = _metric("thanosql_batch_rows", "Rows of a batch.", "histogram")
    padded = _metric("thanosql_batch_padded_seconds", "Rows x longest row of a batch.", "histogram")
    for each in observed:
        labels, figures = _labels(each), each.figures
        for priority in Priority:
            within = {bound: figures.answered_within[priority, bound] for bound in ANSWER_BOUNDS}
            _add_buckets(answers, {**labels, "priority": priority.value}, within, figures.answer_seconds[priority])
        _add_buckets(rows, labels, {bound: figures.batch_rows[bound] for bound in ROW_BOUNDS}, figures.rows)
        _add_buckets(
            padded, labels, {bound: figures.batch_padded[bound] for bound in PADDED_BOUNDS}, figures.padded_seconds
        )
    yield from (answers, rows, padded)


def _add_buckets(metric: Metric, labels: dict[str, str], counts: Mapping[float, int], total: float) -> None:
    """Adds a histogram's samples; `counts` are of each bucket alone, Prometheus wants them summed up."""
    below = 0
    for bound, count in counts.items():
        below += count
        metric.add_sample(f"{metric.name}_bucket", {**labels, "le": write_number(bound)}, below)
    metric.add_sample(f"{metric.name}_count", labels, below)
    metric.add_sample(f"{metric.name}_sum", labels, total)


def write_number(value: float) -> str:
    """A number as Prometheus' text format has it."""
    return "+Inf" if value == math.inf else repr(float(value))


def _labels(observation: Observation) -> dict[str, str]:
    return {"model": observation.statistics.model, "version": str(observation.statistics.version)}


def _metric(name: str, documentation: str, kind: str) -> Metric:
    from prometheus_client.metrics_core import Metric

    return Metric(name, documentation, kind)


def _counter(name: str, documentation: str) -> Metric:
    return _metric(name, documentation, "counter")


def _gauge(name: str, documentation: str) -> Metric:
    return _metric(name, documentation, "gauge")
