"""The four services in a process of their own, with models of the benchmark's, and the memory that they take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving_parts.report import tell
from serving_parts.servers import Server
from serving_parts.speech import make_models

import thanosql
from thanosql import Session

SERVE = """
import sys, thanosql
session = thanosql.connect(workspace=sys.argv[1], state=sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
session.close()
"""


@contextmanager
def run_services(workspace: Path, state: Path) -> Iterator[tuple[Session, Server]]:
    """A session of this process, over gRPC, with services in another one; that process and what it takes."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(workspace), str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise RuntimeError("the services did not start; their messages are above")
        server = Server(process, 0)
        try:
            with thanosql.connect(workspace=workspace, state=state) as session:
                yield session, server
        finally:
            server.end_watch()
            process.stdin.close()
            process.wait(60)


def add_model(state: Path, name: str) -> None:
    """Exports a model with random weights into the model store of `state`, and registers it, before services start."""
    from catalog_service.__main__ import start
    from catalog_service.config import CatalogConfig
    from thanosql.clients import CatalogClient
    from thanosql.rpc.channel import open_channel
    from thanosql.types import Model

    make_models(state, {name})
    catalog = start(CatalogConfig(port=0, state=state, workspace=state))
    try:
        with open_channel(catalog.address) as channel:
            client = CatalogClient(channel)
            version = client.reserve_model_version(name)
            client.register_model(Model(name, version, class_name="Benchmark", base="random"))
    finally:
        catalog.stop(0)
    tell(f"the model {name} is there")


def copy_rows(session: Session, workspace: Path, table: str, lines: Iterator[str]) -> None:
    """A table of these lines of csv, the first of which names the columns."""
    file = workspace / f"{table}.csv"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)
    session.sql(f"COPY {table} OPTIONS (overwrite=True) FROM '{file.name}'", progress=False)
    file.unlink()
