"""The rows that wait and are computed: samples, who waits for the answer, and the batch that they are in."""

from __future__ import annotations

import logging
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inference_service.engines.engine import Termination
from inference_service.scheduling.batching import Closed, Request
from inference_service.speech.decode import FrameScores

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Row:
    """A request with its samples, and who waits for the answer."""

    request: Request
    samples: Samples
    log_probs: bool
    origin: object
    """Of `BatchTracer`."""
    future: Future[FrameScores] = field(default_factory=Future)

    def answer(self, result: FrameScores) -> None:
        """Gives what was computed; nothing happens where the caller has gone."""
        try:
            self.future.set_result(result if self.log_probs else replace(result, log_probs=None))
        except InvalidStateError:  # given up in this moment
            log.debug("an answer came after its caller had gone")

    def fail(self, error: Exception) -> None:
        """Gives what went wrong; nothing happens where the caller has gone."""
        try:
            self.future.set_exception(error)
        except InvalidStateError:  # given up in this moment
            log.debug("a failure came after its caller had gone: %s", error)


@dataclass(slots=True, eq=False)
class RunningBatch:
    """Rows that are being computed."""

    rows: list[Row]
    closed: Closed
    termination: Termination = field(default_factory=Termination)

    @property
    def padded_seconds(self) -> float:
        """Rows × longest row."""
        return len(self.rows) * max(row.request.seconds for row in self.rows)

    @property
    def audio_seconds(self) -> float:
        """Of all rows."""
        return sum(row.request.seconds for row in self.rows)

    def stop_if_dead(self) -> None:
        """Ends a computation that nobody waits for any more."""
        if all(row.future.cancelled() for row in self.rows):
            self.termination.request()
