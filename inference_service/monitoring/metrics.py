"""What Prometheus is told of the models: Triton's names where they mean the same, and ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from inference_service.monitoring.figures import (
    ANSWER_BOUNDS,
    PADDED_BOUNDS,
    ROW_BOUNDS,
    Closed,
    Figures,
    Outcome,
    Waiting,
)
from thanosql.monitoring.families import Buckets, Metrics, Sample, counter, gauge, histogram
from thanosql.types import ModelStatistics, Priority, ServingState

TRITON_REASONS = {
    Outcome.REJECTED: "REJECTED",
    # Triton counts a request that timed out in its queue as rejected too.
    Outcome.LATE: "REJECTED",
    Outcome.CANCELLED: "CANCELED",
    Outcome.FAILED: "BACKEND",
}
"""Triton's label for what did not succeed."""

MICROSECONDS = 1e6

_MODEL = ("model", "version")

# See "Inference Request Metrics" of Triton's manual.
_SUCCESS = counter("nv_inference_request_success", "Requests that were answered with a transcript.", *_MODEL)
_FAILURE = counter("nv_inference_request_failure", "Requests that were not, by Triton's reason.", *_MODEL, "reason")
_COUNT = counter("nv_inference_count", "Rows of batches that were computed.", *_MODEL)
_EXECUTIONS = counter("nv_inference_exec_count", "Batches that were computed.", *_MODEL)
_TOTAL = counter("nv_inference_request_duration_us", "From arrival to answer, of the requests that succeeded.", *_MODEL)
_QUEUE = counter("nv_inference_queue_duration_us", "Rows' waits, from arrival to the begin of their batch.", *_MODEL)
_ROW_COMPUTE = counter(
    "nv_inference_compute_infer_duration_us", "Rows' computing: each counts its whole batch.", *_MODEL
)
_PENDING = gauge("nv_inference_pending_request_count", "Rows that wait for their batch.", *_MODEL)

_REQUESTS = counter(
    "thanosql_requests_total",
    "Requests by how they ended, by class and by reason.",
    *(*_MODEL, "outcome", "priority", "reason"),
)
_AUDIO = counter("thanosql_audio_seconds_total", "Seconds of audio that were computed.", *_MODEL)
_PADDED = counter("thanosql_padded_seconds_total", "Rows x longest row of every batch that was computed.", *_MODEL)
_COMPUTE = counter("thanosql_compute_seconds_total", "Seconds in which batches were computed.", *_MODEL)
_CLOSED = counter("thanosql_batches_closed_total", "Batches by why they did not take in more.", *_MODEL, "reason")
_WAITING = gauge(
    "thanosql_waiting_audio_seconds", "Seconds of audio that wait for a model, by class.", *_MODEL, "priority"
)
_LOADED = gauge("thanosql_model_loaded", "1: the version is in memory; 0: it is not.", *_MODEL)
_BROKEN = gauge("thanosql_model_broken", "1: the version could not be loaded; 0: it could.", *_MODEL)
_MEMORY = gauge("thanosql_model_memory_bytes", "Memory that the version takes.", *_MODEL)

_ANSWERS = histogram(
    "thanosql_answer_seconds", "From arrival to answer, of the requests that succeeded.", *_MODEL, "priority"
)
_BATCH_ROWS = histogram("thanosql_batch_rows", "Rows of a batch.", *_MODEL)
_BATCH_PADDED = histogram("thanosql_batch_padded_seconds", "Rows x longest row of a batch.", *_MODEL)

FAMILIES = (
    *(_SUCCESS, _FAILURE, _COUNT, _EXECUTIONS, _TOTAL, _QUEUE, _ROW_COMPUTE, _PENDING),
    *(_REQUESTS, _AUDIO, _PADDED, _COMPUTE, _CLOSED, _WAITING, _LOADED, _BROKEN, _MEMORY),
    *(_ANSWERS, _BATCH_ROWS, _BATCH_PADDED),
)


@dataclass(frozen=True, slots=True)
class Observation:
    """One version of a model at the moment of a scrape."""

    statistics: ModelStatistics
    figures: Figures
    waiting: Mapping[Priority, Waiting] = field(default_factory=dict)


def model_metrics(observe: Callable[[], Iterable[Observation]]) -> Metrics:
    """The metrics of the models: nothing is counted here, everything is read when it is asked for.

    Args:
        observe: Gives every version that is or was loaded, or could not be.
    """

    def collect() -> Iterator[Sample]:
        for each in tuple(observe()):
            model = (each.statistics.model, str(each.statistics.version))
            yield from _as_triton_says(each.figures, each.waiting, *model)
            yield from _as_we_say(each, *model)
            yield from _distributions(each.figures, *model)

    return Metrics(FAMILIES, collect)


def _as_triton_says(figures: Figures, waiting: Mapping[Priority, Waiting], *model: str) -> Iterator[Sample]:
    yield _SUCCESS.sample(figures.count(Outcome.SUCCESS), *model)
    # Zeros are sent too: a rate over a series that begins with its first failure would miss that failure.
    failures = dict.fromkeys(TRITON_REASONS.values(), 0)
    for outcome, reason in TRITON_REASONS.items():
        failures[reason] += figures.count(outcome)
    for reason, number in failures.items():
        yield _FAILURE.sample(number, *model, reason)
    yield _COUNT.sample(figures.rows, *model)
    yield _EXECUTIONS.sample(figures.batches, *model)
    yield _TOTAL.sample(round(figures.request_seconds * MICROSECONDS), *model)
    yield _QUEUE.sample(round(figures.queue_seconds * MICROSECONDS), *model)
    yield _ROW_COMPUTE.sample(round(figures.row_compute_seconds * MICROSECONDS), *model)
    yield _PENDING.sample(sum(each.rows for each in waiting.values()), *model)


def _as_we_say(each: Observation, *model: str) -> Iterator[Sample]:
    figures = each.figures
    for (outcome, priority, reason), number in sorted(figures.requests.items()):
        yield _REQUESTS.sample(number, *model, outcome.value, priority.value, reason)
    yield _AUDIO.sample(figures.audio_seconds, *model)
    yield _PADDED.sample(figures.padded_seconds, *model)
    yield _COMPUTE.sample(figures.compute_seconds, *model)
    for why in Closed:
        yield _CLOSED.sample(figures.closed[why], *model, why.value)
    for priority in Priority:
        yield _WAITING.sample(each.waiting.get(priority, Waiting()).seconds, *model, priority.value)
    yield _LOADED.sample(each.statistics.state is ServingState.READY, *model)
    yield _BROKEN.sample(each.statistics.state is ServingState.BROKEN, *model)
    yield _MEMORY.sample(each.statistics.memory_bytes, *model)


def _distributions(figures: Figures, *model: str) -> Iterator[Sample]:
    for priority in Priority:
        counts = [figures.answered_within[priority, bound] for bound in ANSWER_BOUNDS]
        buckets = Buckets(ANSWER_BOUNDS, counts, figures.answer_seconds[priority])
        yield from _ANSWERS.histogram(buckets, *model, priority.value)
    counts = [figures.batch_rows[bound] for bound in ROW_BOUNDS]
    yield from _BATCH_ROWS.histogram(Buckets(ROW_BOUNDS, counts, figures.rows), *model)
    counts = [figures.batch_padded[bound] for bound in PADDED_BOUNDS]
    yield from _BATCH_PADDED.histogram(Buckets(PADDED_BOUNDS, counts, figures.padded_seconds), *model)
