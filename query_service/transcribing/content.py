"""What a recording's file holds, told by a hash: a file that was moved, copied or touched is known by it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from thanosql.types import AudioKey

BLOCK = 1 << 20
"""Bytes read at once."""


def hash_file(path: Path, key: AudioKey, is_stopped: Callable[[], bool] = lambda: False) -> AudioKey:
    """The key of a file as it is now, with the hash of its bytes (BLAKE2b of 16 bytes, in hexadecimal).

    The hash is left empty where it cannot be told: the file is being written, or `is_stopped` comes true meanwhile.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        while block := file.read(BLOCK):
            digest.update(block)
            if is_stopped() or file.tell() > before.st_size:
                return replace(key, content="")
        after = os.fstat(file.fileno())
    now = AudioKey(key.path, after.st_size, after.st_mtime_ns)
    is_settled = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return replace(now, content=digest.hexdigest()) if is_settled else now
