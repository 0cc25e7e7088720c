"""A query service that takes files in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from query_service.__main__ import start
from query_service.config import QueryConfig
from tests.query_service.uploading.sending import Receiver
from thanosql.clients import QueryClient
from thanosql.rpc.channel import open_channel


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A service whose workspace is empty."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    # The machine of the tests may have less room than a server keeps spare.
    first = QueryConfig(
        port=0, token="secret", workspace=workspace, state=workspace / ".thanosql", upload_spare_bytes=0
    )
    with ExitStack() as stack:

        def make(**settings: Any) -> Receiver:
            config = dataclasses.replace(first, **settings)
            server = start(config)
            stack.callback(server.stop, 0)
            channel = open_channel(server.address, config.token)
            stack.callback(channel.close)
            return Receiver(workspace, QueryClient(channel, server.address), make, channel.close)

        yield make()
