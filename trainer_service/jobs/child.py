"""A child process that works on one job: started, listened to, stopped within a second."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from trainer_service.jobs.jobs import Message, Task, read_line

STOP_WITHIN = 0.6
"""Seconds from the request to end to being killed."""
END_WITHIN = 10.0
"""Seconds that a child may take to end by itself, once it has closed its standard output."""
LAST_WORDS = 30
"""Lines of standard error that are remembered."""


class Child:
    """`python -m trainer_service.runner`, with the task on its standard input and messages on its standard output.

    The input stays open as long as this process lives: its end tells the child that nobody is left to work for.

    Args:
        task: What to do.
        log: File that takes a copy of what the child writes to standard error.
        environment: Added to this process's.
    """

    def __init__(self, task: Task, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trainer_service.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": _import_path(), "PYTHONUNBUFFERED": "1", **(environment or {})},
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C in a terminal reaches the whole group; whether the job stops is the parent's to say.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._log = log
        self._listener = threading.Thread(target=self._listen, name=f"log-{task.job_id}", daemon=True)
        self._listener.start()
        self._undertaker = threading.Thread(target=self._end_group, name=f"end-{task.job_id}", daemon=True)
        self._undertaker.start()
        with contextlib.suppress(BrokenPipeError):  # it died at once; `messages` ends then, and `wait` says how
            self._process.stdin.write(task.to_json() + "\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def messages(self) -> Iterator[Message]:
        """What the child tells, as it comes, until it ends; anything else on its standard output is passed over."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                yield read_line(line)

    def wait(self) -> int:
        """The exit code, once it has ended; negative: the signal that killed it."""
        try:
            code = self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self.stop()
            code = self._process.wait()
        self._listener.join(1.0)
        with contextlib.suppress(BrokenPipeError):
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
        return code

    def stop(self) -> None:
        """Ends the child: asks first, then kills."""
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end_group(self) -> None:
        """Ends the processes that the child has started, when it has ended, however it did."""
        self._process.wait()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # there are none
                os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with contextlib.ExitStack() as stack:
            copy = None
            with contextlib.suppress(OSError):
                copy = stack.enter_context(self._log.open("a", encoding="utf-8"))
            for line in self._process.stderr:
                self.last_words.append(line.rstrip())
                if copy is not None:
                    with contextlib.suppress(OSError):  # the disk may be full; the last words are in memory
                        copy.write(line)
                        copy.flush()


def _import_path() -> str:
    """Where this process finds its packages: the child must find the same, whatever folder it starts in."""
    return os.pathsep.join(path for path in sys.path if path)
