"""How much memory there is for models, and how much one takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from thanosql.modelstore import GRAPH

SHARE = 0.5
"""Of the machine's or container's memory, for models: the rest is for recordings, the other services, the system."""
ESTIMATE = 3.0
"""A model's memory as a multiple of its graph's files, until it was measured: weights, and working memory of two
workers (wav2vec2-base: 379 MB of weights, 1.2 GB in all)."""
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was seen of a model's memory, in bytes of the process; a GPU's memory is not in it."""

    weights: int
    """By which the process grew when the model was opened."""
    working: int
    """By which it grew further while `audio_seconds` were computed at once."""
    audio_seconds: float

    def expect_bytes(self, concurrent_seconds: float) -> int:
        """What the model takes when so many padded seconds are computed at once."""
        return self.weights + round(self.working * max(1.0, concurrent_seconds / self.audio_seconds))


def count_memory() -> int:
    """Bytes that this process may use: the machine's, or less where its container says so; 0: not known."""
    known = [_PAGE * os.sysconf("SC_PHYS_PAGES")] if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}) else []
    for file in _LIMITS:
        try:
            known.append(int(Path(file).read_text("ascii")))
        except (OSError, ValueError):  # no such cgroup, or no limit ("max")
            continue
    return min(known, default=0)


def resident_bytes() -> int:
    """What this process occupies now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except OSError:  # not Linux
        return 0


def count_graph_bytes(folder: Path) -> int:
    """Bytes of a version's graph, with weights that stand in files beside it."""
    return sum(file.stat().st_size for file in folder.glob(f"{GRAPH}*") if file.is_file())
