"""What the process of a job tells beside its messages: spans to a collector, and lines for the log of the service."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from thanosql.rpc.spans import continue_trace, span
from thanosql.rpc.telemetry import Tracing
from trainer_service.jobs.jobs import LogLine, Task

OURS = ("trainer_service", "thanosql")
"""Loggers whose every line of INFO goes to the service; of libraries it is what they warn of."""


class _Sender(logging.Handler):
    def __init__(self, write: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a line; the trace of an error stays in the job's own log."""
        try:
            self._write(LogLine(record.levelno, record.name, record.getMessage()))
        except Exception:
            self.handleError(record)


def send_log(write: Callable[[LogLine], None]) -> None:
    """Sends the log of this process to the service; warnings go to the job's own log too."""
    root = logging.getLogger()
    beside = logging.StreamHandler()
    beside.setLevel(logging.WARNING)
    root.handlers = [_Sender(write), beside]
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


@contextmanager
def traced(task: Task) -> Iterator[None]:
    """The work inside is a span of the job's, where there is a collector, and all spans are sent at its end."""
    tracing = Tracing("trainer", task.otlp_endpoint) if task.otlp_endpoint else None
    try:
        with continue_trace(tracing, task.traceparent), span("job process", {"process.pid": os.getpid()}):
            yield
    finally:
        if tracing is not None:
            tracing.close()
