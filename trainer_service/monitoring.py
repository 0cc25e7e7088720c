"""What Prometheus is told of the trainer: the job under way and how far it is, and how jobs have ended here."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from thanosql.monitoring.families import Metrics, Sample, counter, gauge
from thanosql.monitoring.process import resident_bytes
from thanosql.types import JobKind, JobState, Progress

_RUNNING = gauge("thanosql_trainer_jobs_running", "Jobs under way in this trainer, by kind: one at a time.", "kind")
_ENDED = counter(
    "thanosql_trainer_jobs_total", "Jobs that have ended in this trainer, by kind and ending.", "kind", "ending"
)
_PHASE = gauge("thanosql_training_phase", "1: the phase that the job under way is in.", "phase")
_STEPS = gauge("thanosql_training_steps", "Steps that the training under way has done.")
_ALL_STEPS = gauge("thanosql_training_steps_planned", "Steps that the training under way has in all.")
_RATE = gauge("thanosql_training_steps_per_second", "Speed of the training under way.")
_LEFT = gauge("thanosql_training_left_seconds", "Time that the training under way is expected to take still.")
_LOSS = gauge("thanosql_training_loss", "Loss of the epoch under way, in nats per label.")
_WER = gauge("thanosql_training_word_error_rate", "Word error rate over the held-out rows, at the last evaluation.")
_AUDIO_RATE = gauge("thanosql_training_audio_rate", "Seconds of audio that the training takes in per second.")
_PEAK_MEMORY = gauge(
    "thanosql_training_peak_memory_bytes", "Most memory that the training has taken, of the GPU where it has one."
)
_MEMORY = gauge("thanosql_training_resident_memory_bytes", "Memory of the job's process in RAM.")

_FIGURES = {
    "loss": _LOSS,
    "wer": _WER,
    "audio_seconds_per_second": _AUDIO_RATE,
    "memory_bytes": _PEAK_MEMORY,
}
"""Families of what a training tells beside its steps."""

FAMILIES = (
    *(_RUNNING, _ENDED, _PHASE, _STEPS, _ALL_STEPS, _RATE, _LEFT),
    *(_LOSS, _WER, _AUDIO_RATE, _PEAK_MEMORY, _MEMORY),
)


@dataclass(frozen=True, slots=True)
class JobUnderWay:
    """The job that the trainer works on."""

    kind: JobKind
    progress: Progress | None = None
    """The last that it told."""
    training: Progress | None = None
    """The last that it told of steps."""
    pid: int = 0
    """Of its process; 0: there is none now."""


class JobFigures:
    """How jobs have ended here; any thread may count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[JobKind, JobState]] = Counter()

    def count(self, kind: JobKind, ending: JobState) -> None:
        """A job has ended."""
        with self._lock:
            self._ended[kind, ending] += 1

    def ended(self) -> Counter[tuple[JobKind, JobState]]:
        """How many, by kind and ending."""
        with self._lock:
            return Counter(self._ended)


def trainer_metrics(figures: JobFigures, look: Callable[[], JobUnderWay | None]) -> Metrics:
    """The metrics of the trainer.

    Args:
        figures: How jobs have ended.
        look: Gives the job under way.
    """

    def collect() -> Iterator[Sample]:
        job, ended = look(), figures.ended()
        for kind in JobKind:
            yield _RUNNING.sample(job is not None and job.kind is kind, kind.value)
            for ending in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
                yield _ENDED.sample(ended[kind, ending], kind.value, ending.value)
        if job is not None:
            yield from _describe(job)

    return Metrics(FAMILIES, collect)


def _describe(job: JobUnderWay) -> Iterator[Sample]:
    if job.pid:
        yield _MEMORY.sample(resident_bytes(job.pid))
    if job.progress is not None:
        # Each "evaluate after epoch 3" would be a series of its own.
        yield _PHASE.sample(1, re.sub(r"\d+", "N", job.progress.phase))
    if job.training is not None:
        yield _STEPS.sample(job.training.done)
        yield _ALL_STEPS.sample(job.training.total)
        yield _RATE.sample(job.training.rate)
        if job.training.seconds_left is not None:
            yield _LEFT.sample(job.training.seconds_left)
        for name, family in _FIGURES.items():
            if name in job.training.figures:
                yield family.sample(job.training.figures[name])
