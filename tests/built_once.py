"""What takes long to make is made once a run, by the first worker that wants it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that the first worker to want it builds, for all of them to read.

    Args:
        factory: Of the run's temporary folders.
        name: Of the folder.
        build: Makes the folder and what is in it.
    """
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            build(root / f"{name}.part")
            (root / f"{name}.part").rename(folder)
    return folder
