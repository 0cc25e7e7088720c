"""Reads a sheet in a process of its own: `python -m catalog_service.tables.sheet_process`.

The library that reads workbooks (calamine) is quick, and aborts its process on some that are damaged, because they
announce more than there is memory for. So it is not the process of the service that it reads them in.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import IO

import pyarrow as pa

from catalog_service.tables.pace import EVERY_SECONDS
from catalog_service.tables.sheet_parts import damaged
from catalog_service.tables.sheet_task import SheetContent, SheetMessage, SheetTask, read_line, write_line
from thanosql.errors import InternalError, ThanoSQLError
from thanosql.types import Notice, Progress

log = logging.getLogger(__name__)

MOST_MEMORY = 8 * 1024**3
"""Address space of the process, in bytes; what it takes of it for the largest sheet is about a quarter."""


def run_sheet_process(task: SheetTask) -> Generator[Progress | Notice, None, SheetContent]:
    """Reads a sheet; closing the generator ends the process.

    Raises:
        ThanoSQLError: what is wrong with the workbook.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "thanosql.child", str(os.getpid()), __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    said: list[str] = []
    listeners = (
        threading.Thread(target=_listen, args=(process.stdout, lines.put, lambda: lines.put(None)), daemon=True),
        threading.Thread(target=_listen, args=(process.stderr, said.append, lambda: None), daemon=True),
    )
    assert process.stdin is not None
    try:
        for listener in listeners:
            listener.start()
        with suppress(BrokenPipeError):  # it died at once, and its exit code says how
            process.stdin.write(task.to_json() + "\n")
            process.stdin.close()
        # It says nothing while the library reads the cells; whoever waits may leave then too.
        last = Progress("read the workbook")
        while True:
            try:
                line = lines.get(timeout=EVERY_SECONDS)
            except queue.Empty:
                yield last
                continue
            if line is None:
                break
            message = read_line(line)
            if isinstance(message, ThanoSQLError):
                raise message
            if isinstance(message, SheetContent):
                return message
            if isinstance(message, Progress):
                last = message
            yield message
        code = process.wait()
        listeners[1].join()
        raise _explain_end(task, code, said)
    finally:
        process.kill()
        process.wait()
        for listener in listeners:
            listener.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


def main() -> None:
    """Works on the task that standard input gives."""
    from catalog_service.tables.workbook_sheet import read_sheet

    with suppress(ImportError, ValueError, OSError):  # another system, or one that allows less already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    task = SheetTask.from_json(sys.stdin.readline())
    reading = read_sheet(task, time.monotonic)
    try:
        while True:
            _say(next(reading))
    except StopIteration as end:
        table = end.value
    except ThanoSQLError as error:
        _say(error)
        return
    with pa.OSFile(str(task.output), "wb") as sink, pa.ipc.new_file(sink, table.rows.schema) as writer:
        writer.write_table(table.rows)
    _say(SheetContent(table.sheet, table.names, table.places, table.rows.num_rows))


def _say(message: SheetMessage) -> None:
    print(write_line(message), flush=True)


def _listen(stream: IO[str], take: Callable[[str], None], end: Callable[[], None]) -> None:
    for line in stream:
        take(line)
    end()


def _explain_end(task: SheetTask, code: int, said: list[str]) -> ThanoSQLError:
    """Why the process ended without a word."""
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    log.warning("reading %s ended with code %d: %s", task.path, code, "".join(said[-20:]).strip())
    if code < 0 or "memory" in last.lower() or "panic" in last.lower():
        return damaged(task.path, "reading it failed, as happens where it announces more than it holds")
    return InternalError(f"the process that reads {task.path!r} ended with exit code {code}")


if __name__ == "__main__":
    main()
