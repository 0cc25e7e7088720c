"""How fast audio is computed, and so when a request that comes now will be done."""

from __future__ import annotations

from dataclasses import dataclass

from inference_service.scheduling.batching import Limits

WEIGHT = 0.1
"""Of the newest batch in the rate: some ten of them replace what was known before."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds from now."""

    begin: float
    end: float


class AudioRate:
    """Seconds of audio a second, all workers together.

    Args:
        calibrated: What a calibration measured; 0: nothing. It is corrected by what is measured in service.
        workers: Batches computed at once.
    """

    def __init__(self, calibrated: float, workers: int) -> None:
        self.value, self.workers = calibrated, workers
        """0: nothing is known."""

    def measure(self, audio_seconds: float, compute_seconds: float, *, is_backlogged: bool) -> None:
        """A batch was computed. Without a backlog batches are small, and tell little of what could be done."""
        if compute_seconds <= 0:
            return
        measured = self.workers * audio_seconds / compute_seconds
        if not self.value:
            self.value = measured
        elif is_backlogged:
            # The mean of the times, not of the speeds: short and quick batches shall not outweigh long ones.
            self.value = 1 / ((1 - WEIGHT) / self.value + WEIGHT / measured)


def forecast(rate: AudioRate, limits: Limits, *, seconds: float, before: float, leaves_a_worker: bool) -> Forecast:
    """When a request will begin and end, at the rate that is known; at once, where none is.

    Args:
        rate: Of the model.
        limits: Its batches: a request ends with the batch that it is in.
        seconds: Its length.
        before: Seconds of audio that are computed before it.
        leaves_a_worker: Its class may have all workers but one.
    """
    if not rate.value:
        return Forecast(0.0, 0.0)
    each = rate.value / rate.workers
    workers = max(1, rate.workers - leaves_a_worker)
    begin = before / (each * workers)
    longest_batch = seconds if limits.rows == 1 else max(seconds, min(limits.seconds, before + seconds))
    return Forecast(begin, begin + max(seconds / (each * workers), min(longest_batch, limits.seconds) / each))
