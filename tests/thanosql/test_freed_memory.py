"""Memory that was freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import threading, time
from pathlib import Path
from thanosql.freed_memory import memory_given_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def take():
    # Pieces below the size that the C library maps one by one, and some that stay among them.
    pieces = [b"1" * 60_000 for _ in range(4_000)]
    kept.append(pieces[::100])

kept = []
threads = [threading.Thread(target=take) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
before = resident()
with memory_given_back(every=0.01):
    begin = time.monotonic()
    while resident() > before / 2 and time.monotonic() - begin < 30:
        time.sleep(0.01)
print(before, resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone gives memory back")
def test_what_was_freed_goes_back_to_the_system_while_other_pieces_stay() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    before, after = map(int, said.split())
    assert before > 100_000_000
    assert after < before / 2
