"""A workspace with the tutorial's data and notebooks, JupyterLab over it, and a window of a browser."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.jupyter import Jupyter, running_jupyter
from tests.notebook.lab import Notebook, chromium

OpenNotebook = Callable[..., Notebook]


@pytest.fixture(scope="module")
def window() -> Iterator[Any]:
    """A window of a headless browser."""
    with warnings.catch_warnings():
        # The driver leaves its pipes to the garbage collector; they are not ours to close.
        warnings.simplefilter("ignore", ResourceWarning)
        with chromium() as page:
            yield page


@pytest.fixture(scope="module")
def folder(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with tutorial_data/ and examples/."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in ("tutorial_data", "examples"):
        shutil.copytree(checkout / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def start_jupyter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Jupyter]]:
    """Starts JupyterLab over that folder; each start is another machine's: it trusts no notebook."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            running_jupyter(folder, tmp_path_factory.mktemp("jupyter"), **options)
        )
