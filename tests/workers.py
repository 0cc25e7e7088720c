"""How the tests are spread over processes: as many as there are cores, whole files, the longest first."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from xdist.scheduler import LoadFileScheduling

MEMORY_OF_ONE = 4 << 30
"""Bytes that a worker may come to hold: torch, two engines, and the processes that it starts."""
AT_MOST = 8
"""Workers; more wait for the longest file only."""
TOGETHER = ("tests/telemetry/", "tests/workspaces/")
"""Folders whose files share what takes long to set up, so that one worker gets them all."""
LONGEST = (
    "tests/test_tutorial.py",
    "tests/test_house.py",
    "tests/telemetry/",
    "tests/trainer_service/training/test_distributed.py",
    "tests/trainer_service/",
    "tests/test_language_model.py",
    "tests/test_bad_input.py",
    "tests/test_another_alphabet.py",
    "tests/test_new_user.py",
    "tests/test_open_inference.py",
    "tests/faults/",
    "tests/inference_service/",
    "tests/notebook/",
    "tests/gateway/",
    "tests/thanosql/",
)
"""What is begun with, so that the workers end together; the first first."""


class Scheduling(LoadFileScheduling):
    """Gives a worker a file at a time, or a folder of `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """For `-n auto`, which is the default: none where files are named, which start at once, nor for the slow tests."""
    is_default = config.args_source is not pytest.Config.ArgsSource.ARGS and "not slow" in config.option.markexpr
    if not is_default or config.option.collectonly:
        return 0
    by_memory = psutil.virtual_memory().available // MEMORY_OF_ONE
    workers = max(1, min(_count_cores(), by_memory, AT_MOST))
    if workers == 1:
        return 0
    # The workers have the cores already; read when torch and NumPy are imported there.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return workers


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Ours, whatever `--dist` says; the order is that of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)  # type: ignore[arg-type]


def pytest_configure() -> None:
    """Lets Ctrl-C be tested where a shell has started the tests in the background, and so has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Brings the longest files to the front, where several workers take them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _place(item.nodeid))


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _place(nodeid: str) -> int:
    return next((place for place, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))
