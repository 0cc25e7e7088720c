"""The threads that compute one model's batches, and notice what is late or given up."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from inference_service.engines.engine import Engine
from inference_service.monitoring.figures import BatchReport, ModelFigures, RowReport, Waiting
from inference_service.scheduling.batching import Closed, Limits, Request, Running, Sharing
from inference_service.scheduling.queue import Queue
from inference_service.scheduling.rate import AudioRate, Forecast, forecast
from inference_service.scheduling.rows import Row, RunningBatch, Samples
from inference_service.speech.decode import FrameScores
from thanosql.errors import TimedOut, stopping
from thanosql.types import Priority


class BatchTracer(Protocol):
    """Ties a batch to the calls whose rows it computed, in whatever system of traces there is."""

    def origin(self) -> object:
        """What this thread or task works for."""

    def record_batch(
        self, origins: Sequence[object], compute_seconds: float, attributes: dict[str, str | int | float]
    ) -> None:
        """A batch has been computed just now, for those origins."""


class Batcher:
    """Computes what is submitted, in batches that the rule of `batching` picks.

    Args:
        engine: What computes.
        sample_rate: Samples per second of what is submitted.
        limits: How large batches may be.
        workers: Batches computed at once.
        clock: Gives seconds; deadlines are given on it.
        name: Of the worker threads.
        figures: What was done is recorded there.
        sharing: How the two classes share.
        audio_rate: Seconds of audio a second, all workers together, as calibrated; 0: not known.
        tracer: Is told of every batch.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        sample_rate: int,
        limits: Limits,
        workers: int,
        clock: Callable[[], float],
        name: str,
        figures: ModelFigures,
        sharing: Sharing | None = None,
        audio_rate: float = 0.0,
        tracer: BatchTracer | None = None,
    ) -> None:
        self._engine, self._sample_rate, self._limits, self._clock = engine, sample_rate, limits, clock
        self._figures, self._name, self._tracer = figures, name, tracer
        self._queue = Queue(limits, sharing or Sharing())
        self._waiting: dict[int, Row] = {}
        self._running: dict[int, RunningBatch] = {}
        """By the thread that computes it."""
        self._rate = AudioRate(audio_rate, workers)
        self._closed = False
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._deadline_set = threading.Condition(lock)
        self._watcher: threading.Thread | None = None
        self._workers = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def submit(
        self,
        stream: Hashable,
        samples: Samples,
        *,
        priority: Priority = Priority.BULK,
        deadline: float = math.inf,
        max_rows: int = 0,
        log_probs: bool = False,
    ) -> Future[FrameScores]:
        """Queues a clip or piece; its future is answered on its own, whatever befalls the others of its batch.

        Args:
            stream: Whose it is: streams of a class take turns.
            samples: float32 `[samples]`.
            priority: The class whose share it is computed on.
            deadline: On the batcher's clock; what has not begun by then fails with `TimedOut`.
            max_rows: The most rows of the batch that it may be in; 0: any.
            log_probs: They are wanted too.

        Returns:
            Cancelled by whoever asked, at any time, it disturbs nobody: what waits leaves the queue at once, and a
            batch of which every row was cancelled is stopped.

        Raises:
            Unavailable: the batcher is closed.
        """
        origin = self._tracer.origin() if self._tracer else None
        with self._changed:
            if self._closed:
                raise stopping("inference")
            request = self._queue.put(
                len(samples) / self._sample_rate,
                now=self._clock(),
                priority=priority,
                stream=stream,
                deadline=deadline,
                max_rows=max_rows,
            )
            row = self._waiting[request.number] = Row(request, samples, log_probs, origin)
            if deadline < math.inf and deadline <= self._queue.next_deadline:
                self._watch()
            self._changed.notify()
        # Of the request and not of the row: a future keeps its callbacks, and a row that its own future led to would
        # hold its samples until the garbage collector comes, some minutes of audio later.
        row.future.add_done_callback(partial(self._give_up, request))
        return row.future

    def withdraw(self, stream: Hashable) -> None:
        """Takes back everything of a stream that has ended, what is queued and what is being computed, at once."""
        with self._changed:
            gone = [self._waiting.pop(request.number) for request in self._queue.withdraw(stream)]
            batches = list(self._running.values())
            gone += [row for batch in batches for row in batch.rows if row.request.stream == stream]
            self._changed.notify_all()
        for row in gone:
            row.future.cancel()

    def forecast(self, priority: Priority, stream: Hashable, seconds: float, *, let_in: float = 0.0) -> Forecast:
        """When one more request of so many seconds would begin and end, as far as can be told.

        Args:
            priority: Its class.
            stream: Whose it is.
            seconds: Its length.
            let_in: Seconds of the same stream that are not done: those that are not submitted yet come before it too.
        """
        with self._changed:
            rows = [row.request for batch in self._running.values() for row in batch.rows]
            not_begun = let_in - sum(row.seconds for row in rows if row.stream == stream)
            before = self._queue.seconds_before(priority, stream, seconds, at_least=not_begun)
            if not self._describe_running().free:
                before += sum(row.seconds for row in rows)
            leaves_a_worker = priority is Priority.BULK and self._queue.interactive_is_about(self._clock())
        return forecast(self._rate, self._limits, seconds=seconds, before=before, leaves_a_worker=leaves_a_worker)

    @property
    def waiting_seconds(self) -> float:
        """Seconds of audio in the queue."""
        with self._changed:
            return self._queue.seconds()

    @property
    def waiting(self) -> dict[Priority, Waiting]:
        """What is in the queue, by class."""
        with self._changed:
            rows = Counter(row.request.priority for row in self._waiting.values())
            return {priority: Waiting(rows[priority], self._queue.seconds(priority)) for priority in Priority}

    def close(self) -> None:
        """Computes no further batch; what waits fails with `Unavailable`. Batches that are running go on."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = list(self._waiting.values()), {}
            for row in waiting:
                self._queue.remove(row.request)
            self._changed.notify_all()
            self._deadline_set.notify_all()
        for row in waiting:
            row.fail(stopping("inference"))

    def join(self) -> None:
        """Returns when the running batches of a closed batcher have ended."""
        for worker in self._workers:
            worker.join()
        if self._watcher is not None:
            self._watcher.join()

    def _work(self) -> None:
        while batch := self._take():
            self._compute(batch)
            # A finished batch's samples and futures must not live on here while the next one is awaited.
            batch = None
            with self._changed:
                del self._running[threading.get_ident()]
                # To wake a worker for nothing costs as much as a short request does altogether.
                if len(self._queue):
                    self._changed.notify_all()

    def _take(self) -> RunningBatch | None:
        """Waits for the next batch; None when the batcher closes."""
        while True:
            with self._changed:
                if self._closed:
                    return None
                now = self._clock()
                late = self._expire(now)
                if not late:
                    chosen = self._queue.take(now, self._describe_running())
                    if not isinstance(chosen, float):
                        rows = [self._waiting.pop(request.number) for request in chosen.rows]
                        batch = self._begin(rows, chosen.closed)
                        # One call may have woken this worker for what another one can do.
                        if len(self._queue):
                            self._changed.notify()
                        return batch
                    self._changed.wait(None if chosen == math.inf else chosen - now)
            for row in late:
                row.fail(_late())

    def _begin(self, rows: list[Row], closed: Closed) -> RunningBatch:
        batch = RunningBatch(rows, closed)
        with self._changed:
            self._running[threading.get_ident()] = batch
            for row in rows:
                if row.future.cancelled():
                    batch.stop_if_dead()
        return batch

    def _describe_running(self) -> Running:
        batches = self._running.values()
        bulk = sum(batch.rows[0].request.priority is Priority.BULK for batch in batches)
        return Running(
            workers=len(self._workers),
            bulk=bulk,
            interactive=len(batches) - bulk,
            padded_seconds=sum(batch.padded_seconds for batch in batches),
        )

    def _compute(self, batch: RunningBatch) -> None:
        begin = self._clock()
        try:
            results = self._engine.run(
                [row.samples for row in batch.rows],
                log_probs=any(row.log_probs for row in batch.rows),
                free_memory=not self._waiting,
                termination=batch.termination,
            )
            answers = list(zip(batch.rows, results, strict=True))
        except Exception as error:
            self._answer_failed(batch, error)
            return
        self._record(batch, begin, self._clock() - begin)
        for row, result in answers:
            row.answer(result)

    def _answer_failed(self, batch: RunningBatch, error: Exception) -> None:
        """One row may be to blame, or all of them together be too large: each gets its own chance, if still wanted."""
        if len(batch.rows) == 1:
            batch.rows[0].fail(error)
            return
        for row in batch.rows:
            if not row.future.done():
                self._compute(self._begin([row], batch.closed))

    def _record(self, batch: RunningBatch, begin: float, seconds: float) -> None:
        with self._changed:
            self._rate.measure(batch.audio_seconds, seconds, is_backlogged=len(self._queue) > 0)
        rows = tuple(
            RowReport(row.request.priority, row.request.seconds, max(0.0, begin - row.request.arrival))
            for row in batch.rows
        )
        self._figures.record_batch(BatchReport(rows, batch.padded_seconds, seconds, batch.closed))
        if self._tracer:
            attributes: dict[str, str | int | float] = {
                "rows": len(rows),
                "audio_seconds": batch.audio_seconds,
                "padded_seconds": batch.padded_seconds,
                "closed": batch.closed.value,
            }
            self._tracer.record_batch([row.origin for row in batch.rows], seconds, attributes)

    def _give_up(self, request: Request, future: Future[FrameScores]) -> None:
        """Called when a future is done: cancelled, its row leaves the queue, or the batch that it is in."""
        if not future.cancelled():
            return
        with self._changed:
            self._waiting.pop(request.number, None)
            # What a batch waited for may have been this one.
            if self._queue.remove(request):
                self._changed.notify()
            running = list(self._running.values())
        for batch in running:
            if any(row.request is request for row in batch.rows):
                batch.stop_if_dead()

    def _watch(self) -> None:
        """Sees to it that a thread notices the deadlines; the workers may all be busy."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._notice_deadlines, name=f"{self._name}-late", daemon=True)
            self._watcher.start()
        self._deadline_set.notify()

    def _notice_deadlines(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._clock()
                late = self._expire(now)
                if not late:
                    following = self._queue.next_deadline
                    self._deadline_set.wait(None if following == math.inf else following - now)
            for row in late:
                row.fail(_late())

    def _expire(self, now: float) -> list[Row]:
        return [self._waiting.pop(request.number) for request in self._queue.expire(now)]


def _late() -> TimedOut:
    return TimedOut("the deadline passed while the audio waited for the model")
