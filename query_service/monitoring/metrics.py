"""What Prometheus is told of the statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from query_service.monitoring.figures import ClipSource, Ending, QueryFigures
from thanosql.monitoring.families import Metrics, Sample, counter, gauge, histogram

_ENDED = counter("thanosql_statements_total", "Statements that have ended, by kind and ending.", "kind", "ending")
_RUNNING = gauge("thanosql_statements_running", "Statements that run, by kind.", "kind")
_SECONDS = histogram("thanosql_statement_seconds", "From the begin of a statement to its end, by kind.", "kind")
_ROWS = counter("thanosql_statement_rows_total", "Rows that statements gave or touched, by kind.", "kind")
_ERRORS = counter("thanosql_statement_errors_total", "Statements that failed, by the error's name.", "error")
_CLIPS = counter(
    "thanosql_clips_total",
    "Recordings that statements wanted transcribed, by where the transcript came from.",
    "source",
)
_HEARD = counter("thanosql_clip_audio_seconds_total", "Seconds of audio that models have heard for statements.")
_QUERIES = gauge("thanosql_queries_held", "Queries that run, or have ended and can still be read.")
_LOG_BYTES = gauge("thanosql_event_log_bytes", "What the events of all queries take, in memory and on disk.", "where")

FAMILIES = (_ENDED, _RUNNING, _SECONDS, _ROWS, _ERRORS, _CLIPS, _HEARD, _QUERIES, _LOG_BYTES)


@dataclass(frozen=True, slots=True)
class HeldQueries:
    """What the queries take that run or can still be read."""

    queries: int
    memory: int
    """Bytes of events."""
    disk: int
    """Bytes of events."""


def query_metrics(figures: QueryFigures, held: Callable[[], HeldQueries]) -> Metrics:
    """The metrics of the statements.

    Args:
        figures: What they have done.
        held: What they take now.
    """

    def collect() -> Iterator[Sample]:
        with figures.locked():
            for kind, number in figures.running.items():
                yield _RUNNING.sample(number, kind)
                # Zeros are sent too: a rate over a series that begins with its first failure would miss that failure.
                for ending in Ending:
                    yield _ENDED.sample(figures.ended[kind, ending], kind, ending.value)
            for kind, buckets in figures.seconds.items():
                yield from _SECONDS.histogram(buckets, kind)
                yield _ROWS.sample(figures.rows[kind], kind)
            for error, number in figures.errors.items():
                yield _ERRORS.sample(number, error)
            for source in ClipSource:
                yield _CLIPS.sample(figures.clips[source], source.value)
            yield _HEARD.sample(figures.heard_seconds)
        now = held()
        yield _QUERIES.sample(now.queries)
        yield _LOG_BYTES.sample(now.memory, "memory")
        yield _LOG_BYTES.sample(now.disk, "disk")

    return Metrics(FAMILIES, collect)
