"""Watches the services' processes: memory, files, threads, and the disk that they take."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import psutil

EVERY = 5.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Look:
    """One service at one moment."""

    at: float
    """Seconds since the start."""
    memory: int
    """Bytes that it has written (anonymous PSS). Pages of files, as of a library that is loaded, do not count: how much
    of them falls to a process depends on what else runs on the machine."""
    files: int
    threads: int


@dataclass
class Watch:
    """What was seen of each service, by its name."""

    processes: dict[str, psutil.Process]
    state: Path
    looks: dict[str, list[Look]] = field(default_factory=dict)
    disk: list[tuple[float, int]] = field(default_factory=list)
    died: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Looks from now on, in a thread."""
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stop.set()
        self._thread.join()

    def growth(self, service: str, begin: float, end: float) -> tuple[float, float]:
        """The mean memory in bytes of the first and of the last fifth of a stretch of time."""
        part = (end - begin) / 5
        looks = self.looks[service]
        first = [each.memory for each in looks if begin <= each.at < begin + part]
        last = [each.memory for each in looks if end - part <= each.at <= end]
        return fmean(first), fmean(last)

    def _look(self) -> None:
        start = time.monotonic()
        while not self._stop.wait(EVERY):
            at = time.monotonic() - start
            for service, process in self.processes.items():
                try:
                    look = Look(at, _anonymous(process.pid), process.num_fds(), process.num_threads())
                except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
                    self.died.setdefault(service, at)
                    continue
                self.looks.setdefault(service, []).append(look)
            self.disk.append((at, _size(self.state)))


def _anonymous(pid: int) -> int:
    kibibytes = re.findall(
        r"^(?:Pss_Anon|SwapPss): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"), re.M
    )
    return sum(map(int, kibibytes)) * 1024


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:  # it is gone meanwhile
            continue
    return total
