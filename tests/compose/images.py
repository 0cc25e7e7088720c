"""The images that compose.yaml names, built from the checkout; their bases are pulled, or made of this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.compose import host_files
from tests.compose.engine import Engine

VERSION = "test"
PYTHON_IMAGE, POSTGRES_IMAGE = "python:3.11-slim", "postgres:15-bookworm"
"""The official images that Dockerfile and compose.yaml name."""
PYTHON_STAND_IN, POSTGRES_STAND_IN = "thanosql-test/python", "thanosql-test/postgres"


BUILT = "THANOSQL_TEST_IMAGES"
"""Variable that is set where both images of this version are built already, to save the time."""


def make_images(engine: Engine, checkout: Path) -> str:
    """Builds both images; gives the name of PostgreSQL's. Skips the test where there is nothing to build upon."""
    python = _find(engine, PYTHON_IMAGE, PYTHON_STAND_IN)
    postgres = _find(engine, POSTGRES_IMAGE, POSTGRES_STAND_IN)
    if python == PYTHON_STAND_IN:
        host_files.make_python_image(engine, python)
    if postgres == POSTGRES_STAND_IN:
        if python != PYTHON_STAND_IN:
            host_files.make_python_image(engine, PYTHON_STAND_IN)
        host_files.make_postgres_image(engine, postgres, PYTHON_STAND_IN)
    if os.environ.get(BUILT):
        return postgres
    with _packages_of_this_machine() as packages:
        arguments = {"PYTHON_IMAGE": python, **packages}
        for target in ("service", "trainer"):
            engine.build(checkout, f"thanosql-{target}:{VERSION}", arguments, target=target)
    return postgres


def _find(engine: Engine, official: str, stand_in: str) -> str:
    if engine.has(official):
        return official
    if reason := host_files.why_not():
        pytest.skip(f"{official} cannot be pulled, and {reason}")
    return stand_in


@contextmanager
def _packages_of_this_machine() -> Iterator[Mapping[str, str]]:
    """Arguments with which builds take PyTorch's build for CPUs, where pip is told of a folder here that has it.

    Without it, pip takes that for CUDA, which is several GB more to fetch and to store.
    """
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = [wheel for folder in _find_links() for wheel in folder.glob(f"torch-*+cpu-{version}-*.whl")]
    if not wheels:
        yield {}
        return
    wheel = max(wheels)
    page = partial(_Quiet, directory=str(wheel.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            release = re.sub(r"torch-(.+?)\+.*", r"\1", wheel.name)
            yield {
                "PIP_FIND_LINKS": f"http://127.0.0.1:{server.server_port}/",
                "CONSTRAINTS": f"torch=={release}",
                # The index has torchaudio for the CUDA build alone, and beside another one it does not import.
                "WITHOUT": "torchaudio",
            }
        finally:
            server.shutdown()
            thread.join()


def _find_links() -> list[Path]:
    """Folders on this machine in which pip looks for packages."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    )
    settings = re.findall(r"^\S*find-links='(.*)'$", listed.stdout, re.MULTILINE)
    return [Path(name) for setting in settings for name in re.split(r"\\n|\s", setting) if Path(name).is_dir()]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
