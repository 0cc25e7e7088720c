"""Files and folders on their way into a workspace: several streams at once, with progress and a report at the end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from thanosql.errors import Cancelled, ThanoSQLError, Unavailable
from thanosql.tables import duration
from thanosql.types import Progress, UploadedFile, UploadOutcome
from thanosql.upload_batch import Batch, Stopped, UploadCalls
from thanosql.upload_files import LocalFile, Selection

STREAMS = 4
"""Batches that are sent at once: while one waits for the server's disk, others send."""
BATCH_FILES = 64
BATCH_BYTES = 32 << 20
"""Files, and about how many of their bytes, that go in one stream; a larger file goes alone."""
TELL_EVERY = 0.2
"""Seconds between two looks at how far it is."""
STOP_WITHIN = 2.0
"""Seconds after Ctrl-C for which the streams are awaited."""


@dataclass(frozen=True)
class UploadReport:
    """What has become of files that were to be sent."""

    sent: tuple[UploadedFile, ...]
    """That were put in their places."""
    there: tuple[UploadedFile, ...]
    """That stood there before, with the same bytes."""
    refused: tuple[UploadedFile, ...]
    """That were not sent; each has a `problem`."""
    links: int
    """Links to folders, which were passed over."""
    seconds: float

    @property
    def bytes(self) -> int:
        """Of the files that were put in their places."""
        return sum(each.size for each in self.sent)

    def __str__(self) -> str:
        """The summary for a terminal: a line, and one more for each file that was not sent."""
        rate = f", {self.bytes / 1e6 / self.seconds:.1f} MB/s" if self.sent and self.seconds else ""
        parts = [f"{_files(len(self.sent))} sent ({self.bytes / 1e6:,.1f} MB in {duration(self.seconds)}{rate})"]
        if self.there:
            parts.append(f"{_files(len(self.there))} there already")
        if self.links:
            parts.append(f"{self.links:,} links to folders passed over")
        if self.refused:
            parts.append(f"{_files(len(self.refused))} not sent:")
        lines = [f"  {each.path}: {each.problem}" for each in self.refused]
        return "\n".join(["; ".join(parts), *lines])


def upload(
    client: UploadCalls,
    selection: Selection,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> UploadReport:
    """Sends files; what has become of them.

    What is there already is not sent, and what broke off before is gone on with.

    Args:
        client: Of the server.
        selection: What is sent.
        overwrite: Other files that stand in the places are replaced; otherwise they are refused.
        on_progress: Is called several times a second, in this thread.
        clock: In seconds.

    Raises:
        Cancelled: Ctrl-C was pressed; the next upload goes on from here.
        Unavailable: the server went away and stayed away; likewise.
        ThanoSQLError: it takes nothing from this user.
    """
    began = clock()
    sending = _Sending(client, selection.files, overwrite, clock)
    # Threads of a pool would be waited for when the program ends, however long a dead connection takes to be found out.
    threads = [
        threading.Thread(target=sending.work, name=f"upload-{number}", daemon=True)
        for number in range(min(STREAMS, len(sending.batches)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(TELL_EVERY)
                on_progress(sending.progress())
    except KeyboardInterrupt:
        raise Cancelled(f"interrupted: {sending.state()}; the same upload goes on from here") from None
    finally:
        sending.stop()
        until = clock() + STOP_WITHIN
        for thread in threads:
            thread.join(max(0.0, until - clock()))
    if sending.failure is not None:
        raise _explain(sending.failure, sending.state())
    by_outcome: dict[UploadOutcome, list[UploadedFile]] = {each: [] for each in UploadOutcome}
    for ended in sending.ended:
        by_outcome[ended.outcome].append(ended)
    sent, there = by_outcome.pop(UploadOutcome.PLACED), by_outcome.pop(UploadOutcome.IS_THERE)
    refused = [*selection.refused, *(each for several in by_outcome.values() for each in several)]
    return UploadReport(tuple(sent), tuple(there), tuple(refused), selection.links, clock() - began)


class _Sending:
    """What several threads send together."""

    def __init__(
        self, client: UploadCalls, files: Sequence[LocalFile], overwrite: bool, clock: Callable[[], float]
    ) -> None:
        self._client, self._overwrite, self._files, self._clock = client, overwrite, files, clock
        self.batches = deque(_batches(files))
        self.ended: list[UploadedFile] = []
        self.failure: Exception | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._total = sum(each.size for each in files)
        self._done: dict[str, int] = {}
        self._done_bytes = self._moved_bytes = 0
        self._began = 0.0
        """When the first bytes were sent."""

    def work(self) -> None:
        """Sends one batch after the other."""
        try:
            while not self._stopped.is_set():
                try:
                    batch = self.batches.popleft()
                except IndexError:
                    return
                for ended in Batch(self._client, batch, self._overwrite, self._tell, self._stopped.is_set).send():
                    self.ended.append(ended)
        except Stopped:
            pass
        except Exception as failure:  # told to whoever waits, with what else has happened
            with self._lock:
                self.failure = self.failure or failure
            self._stopped.set()

    def stop(self) -> None:
        """Has the threads leave off."""
        self._stopped.set()

    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            done, moved = self._done_bytes, self._moved_bytes
            seconds = self._clock() - self._began if self._began else 0.0
        rate = moved / seconds if seconds > 0 else 0.0
        left = (self._total - done) / rate if rate else None
        figures = {"files": float(len(self.ended))}
        # A large file is read to its end, for the checksum, before any of it is sent.
        return Progress("upload" if done else "read", done / 1e6, self._total / 1e6, "MB", rate / 1e6, left, figures)

    def state(self) -> str:
        """How far it came, in words."""
        there = sum(each.outcome in (UploadOutcome.PLACED, UploadOutcome.IS_THERE) for each in self.ended)
        return f"{there:,} of {len(self._files):,} files are there"

    def _tell(self, path: str, done: int) -> None:
        with self._lock:
            more = done - self._done.get(path, 0)
            # What is there before anything was sent takes no time.
            if path in self._done and more > 0:
                self._began = self._began or self._clock()
                self._moved_bytes += more
            self._done[path] = done
            self._done_bytes += more


def _batches(files: Sequence[LocalFile]) -> Iterator[list[LocalFile]]:
    batch: list[LocalFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) >= BATCH_FILES or size + file.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _explain(failure: Exception, state: str) -> Exception:
    if isinstance(failure, Unavailable):
        failure.message += f"; {state}"
        failure.hint = f"When it is back, the same upload goes on from here. {failure.hint}".strip()
    elif isinstance(failure, ThanoSQLError) and not failure.hint:
        failure.hint = f"So far, {state}."
    return failure


def _files(number: int) -> str:
    return f"{number:,} file" if number == 1 else f"{number:,} files"
