"""Starting: a folder in use, a folder that cannot be made, a process that was killed, the time it takes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from thanosql.clients import CatalogClient
from thanosql.errors import NotSupported, Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists

SERVE = """
import sys
from pathlib import Path
from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from catalog_service.tables import pace
pace.EVERY_SECONDS = 0.01  # a quick machine is done before half a second
workspace = Path(sys.argv[1])
server = start(CatalogConfig(port=0, workspace=workspace, state=workspace / ".thanosql", memory_limit="256MB"))
print(server.address, flush=True)
server.wait()
"""


@contextmanager
def another_process(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service over `workspace` in a process of its own, and its address."""
    with subprocess.Popen([sys.executable, "-c", SERVE, str(workspace)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_folder_that_another_process_serves_is_refused_with_its_process_id(
    config: CatalogConfig, workspace: Path
) -> None:
    with another_process(workspace) as (process, _):
        with pytest.raises(Unavailable, match=f"in use by another process: .*process id {process.pid}") as caught:
            start(config)
        assert "End that process" in caught.value.hint


def test_a_process_killed_in_the_middle_of_a_copy_leaves_the_old_table(config: CatalogConfig, workspace: Path) -> None:
    (workspace / "small.csv").write_text("text\nold\n")
    (workspace / "big.csv").write_text("id,text\n" + "1,a text of some words that is not short\n" * 3_000_000)
    with another_process(workspace) as (process, address), open_channel(address) as channel:
        client = CatalogClient(channel)
        list(client.copy_table("t", "small.csv", IfExists.FAIL))
        events = client.copy_table("t", "big.csv", IfExists.REPLACE)
        phases = (getattr(event, "phase", "done") for event in events)
        assert next(phase for phase in phases if phase in ("read", "done")) == "read"
        process.send_signal(signal.SIGKILL)
        process.wait()
        events.close()  # type: ignore[attr-defined]
    server = start(config)
    with open_channel(server.address) as channel:
        (table,) = CatalogClient(channel).get_snapshot().tables
    server.stop()
    assert (table.name, table.rows, [column.name for column in table.columns]) == ("t", 1, ["text"])


FULL_DISK = """
import resource, signal, sys
from dataclasses import replace
from pathlib import Path
from catalog_service.__main__ import start
from catalog_service.config import CatalogConfig
from thanosql.clients import CatalogClient
from thanosql.errors import DataError, Unavailable
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists, Model
workspace = Path(sys.argv[1])
server = start(CatalogConfig(port=0, workspace=workspace, state=workspace / ".thanosql", memory_limit="256MB"))
with open_channel(server.address) as channel:
    client = CatalogClient(channel)
    list(client.copy_table("t", "small.csv", IfExists.FAIL))
    before = client.get_snapshot()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    for call, kind in (
        (lambda: list(client.copy_table("t", "big.csv", IfExists.REPLACE)), DataError),
        (lambda: client.register_model(Model("m", 1, "c", "b", report="x" * 3_000_000)), Unavailable),
    ):
        try:
            call()
        except kind as error:
            assert "full" in error.hint, error
        else:
            raise AssertionError("the disk was not full")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert client.get_snapshot() == before
    list(client.copy_table("t", "small.csv", IfExists.APPEND))
server.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX systems do")
def test_a_full_disk_is_told_and_leaves_everything_as_it_was(workspace: Path) -> None:
    (workspace / "small.csv").write_text("text\nold\n")
    rows = "".join(f"{hash((n, 1))} {hash((n, 2))}\n" for n in range(200_000))
    (workspace / "big.csv").write_text("text\n" + rows)
    subprocess.run([sys.executable, "-c", FULL_DISK, str(workspace)], check=True, timeout=120)


def test_a_state_folder_that_cannot_be_made_is_named(config: CatalogConfig, workspace: Path) -> None:
    (workspace / "file").write_text("")
    with pytest.raises(Unavailable, match=r"file/state cannot be made"):
        start(replace(config, state=workspace / "file" / "state"))


def test_a_memory_limit_that_is_none_is_named(config: CatalogConfig) -> None:
    with pytest.raises(Unavailable, match="cannot be set up") as caught:
        start(replace(config, memory_limit="plenty"))
    assert "memory-limit" in caught.value.hint


def test_a_port_that_is_taken_is_named_and_the_folder_is_free_again(config: CatalogConfig, tmp_path: Path) -> None:
    other = start(config)
    elsewhere = replace(config, state=tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match=str(other.port)):
        start(replace(elsewhere, port=other.port))
    other.stop()
    start(elsewhere).stop()


def test_tables_in_a_database_server_of_another_kind_are_not_supported(config: CatalogConfig) -> None:
    with pytest.raises(NotSupported, match="'mysql'") as caught:
        start(replace(config, tables="mysql://me:secret@localhost/db"))
    assert "secret" not in str(caught.value)


def test_a_database_server_that_is_not_there_is_told_without_the_password(config: CatalogConfig) -> None:
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        start(replace(config, tables="postgresql://me:secret@127.0.0.1:1/db"))
    assert "secret" not in str(caught.value)
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        start(replace(config, database="postgresql://me:secret@127.0.0.1:1/db"))
    assert "secret" not in str(caught.value)


def test_its_modules_load_nothing_heavy_before_it_starts() -> None:
    program = (
        "import sys, catalog_service.__main__, catalog_service.config\n"
        "heavy = {'duckdb', 'sqlalchemy', 'alembic', 'pandas', 'torch', 'transformers', 'onnxruntime'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_starting_loads_neither_alembic_nor_pandas(workspace: Path) -> None:
    program = SERVE.replace("server.wait()", "server.stop()") + (
        "assert not {'alembic', 'pandas', 'torch', 'numpy.testing'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(workspace)], check=True, timeout=60)
