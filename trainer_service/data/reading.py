"""Decodes and resamples recordings ahead of whoever needs them, in processes of their own.

The processes are started afresh (spawned): nothing is forked, so no lock or thread of gRPC or of torch is inherited.
They load numpy, soundfile and soxr, and no torch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from thanosql.audio import read_audio
from thanosql.errors import AudioError, JobFailed, ThanoSQLError
from trainer_service.data.dataset import Utterance

Samples = npt.NDArray[np.float32]
"""Of one recording, `[samples]`, mono."""


class Recordings(Protocol):
    """Gives the samples of utterances."""

    def expect(self, utterances: Iterable[Utterance]) -> None:
        """These will be asked for soon, each once."""

    def read(self, utterance: Utterance) -> Samples:
        """The samples of one.

        Raises:
            AudioError: the recording has changed since it was checked, or is gone.
        """


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """An error on its way between processes: exceptions with arguments of their own do not survive pickling."""

    message: str
    hint: str
    reason: str


class ReadAhead:
    """Recordings that are read by other processes, as soon as they are expected.

    Args:
        sample_rate: Of the samples, in Hz.
        processes: How many read at the same time.
    """

    def __init__(self, sample_rate: int, processes: int) -> None:
        self._sample_rate = sample_rate
        self._pool = ProcessPoolExecutor(
            processes, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
        )
        self._expected: dict[Path, Future[Samples | _Unreadable]] = {}

    def expect(self, utterances: Iterable[Utterance]) -> None:
        """Begins to read them."""
        for each in utterances:
            if each.file not in self._expected:
                self._expected[each.file] = self._pool.submit(_read, each.file, self._sample_rate)

    def read(self, utterance: Utterance) -> Samples:
        """Waits for the samples, and forgets them."""
        self.expect([utterance])
        try:
            read = self._expected.pop(utterance.file).result()
        except BrokenExecutor as error:
            raise JobFailed(
                "a process that reads recordings was killed", hint="Did memory run out? The training can be resumed."
            ) from error
        if isinstance(read, _Unreadable):
            raise AudioError(read.message, hint=read.hint, reason=read.reason)
        return read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _read(file: Path, sample_rate: int) -> Samples | _Unreadable:
    try:
        return read_audio(file, sample_rate=sample_rate, name=str(file))
    except AudioError as error:
        return _Unreadable(error.message, error.hint, error.reason)
    except ThanoSQLError as error:
        return _Unreadable(error.message, error.hint, "missing")


def _end_with_parent() -> None:
    """Ends this process with the one that started it, however that one ends; Ctrl-C is for that one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
