"""One engine, one set of images and one stack for all tests of the containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine import Engine, compose_command, open_engine
from tests.compose.images import make_images
from tests.compose.stack import Stack, make_stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with open_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def stack(engine: Engine, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, built and not started."""
    compose = compose_command(engine.environment)
    if compose is None:
        pytest.skip("needs compose: neither docker compose nor docker-compose is here")
    postgres = make_images(engine, checkout)
    stack = make_stack(engine, compose, checkout, tmp_path_factory.mktemp("installation"), postgres)
    try:
        yield stack
    finally:
        stack.call("down", "--volumes", "--timeout", "10", check=False)
