"""What a process takes of its machine, under the names that every Prometheus client gives it; read from /proc."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from thanosql.monitoring.families import Metrics, Sample, counter, gauge

CPU = counter("process_cpu_seconds_total", "CPU time that the process has spent, in user and system mode.")
RESIDENT = gauge("process_resident_memory_bytes", "Memory that the process has in RAM.")
VIRTUAL = gauge("process_virtual_memory_bytes", "Address space of the process.")
OPEN_FILES = gauge("process_open_fds", "Open files and sockets.")
MOST_FILES = gauge("process_max_fds", "Files and sockets that the process may have open.")
THREADS = gauge("process_threads", "Threads of the process.")
STARTED = gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")


FAMILIES = (CPU, RESIDENT, VIRTUAL, OPEN_FILES, MOST_FILES, THREADS, STARTED)


def process_metrics() -> Metrics:
    """The metrics of this process; on a system without /proc only some of them have samples."""
    return Metrics(FAMILIES, _collect)


def _collect() -> Iterator[Sample]:
    times = os.times()
    yield CPU.sample(times.user + times.system)
    yield MOST_FILES.sample(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    try:
        # The name of the program, in brackets, may hold spaces. What follows is described in proc(5).
        values = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        yield THREADS.sample(int(values[17]))
        yield VIRTUAL.sample(int(values[20]))
        yield RESIDENT.sample(int(values[21]) * resource.getpagesize())
        since_start = time.clock_gettime(time.CLOCK_BOOTTIME) - int(values[19]) / os.sysconf("SC_CLK_TCK")
        yield STARTED.sample(time.time() - since_start)
        yield OPEN_FILES.sample(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 (names alone, and none of them opened)
    except (OSError, AttributeError):  # no Linux
        return


def resident_bytes(pid: int) -> int:
    """Memory that another process has in RAM, in bytes; 0: it cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0
