"""Files on their way from a session into the workspace of a server, through everything that may happen to both."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from IPython.core.interactiveshell import InteractiveShell

import thanosql
from query_service.__main__ import start
from query_service.config import QueryConfig
from thanosql.commands.upload import parse
from thanosql.errors import Cancelled, InvalidOption, Unavailable
from thanosql.types import UploadOutcome

TOKEN = "of this test"
MB = 1_000_000


@pytest.fixture
def config(tmp_path: Path) -> QueryConfig:
    """Of a query service by itself: no other is needed to take files in."""
    root = tmp_path / "workspace"
    root.mkdir()
    # The machine of the tests may have less room than a server keeps spare.
    return QueryConfig(port=0, token=TOKEN, workspace=root, state=root / ".thanosql", upload_spare_bytes=0)


@pytest.fixture
def root(config: QueryConfig) -> Path:
    """Of the server's workspace."""
    return config.workspace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def server(config: QueryConfig) -> Iterator[Any]:
    running = start(config)
    yield running
    running.stop(0)


@pytest.fixture
def session(server: Any) -> Iterator[thanosql.Session]:
    with thanosql.connect(server.address, TOKEN) as session:
        yield session


def content(name: object, size: int) -> bytes:
    """Bytes that no two names have."""
    block = b"".join(hashlib.sha256(f"{name} {number}".encode()).digest() for number in range(512))
    return (block * (size // len(block) + 1))[:size]


def make(folder: Path, sizes: dict[str, int]) -> dict[str, bytes]:
    """Files on the client's side."""
    files = {name: content(name, size) for name, size in sizes.items()}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def stand_in(root: Path) -> dict[str, bytes]:
    """What stands in the workspace."""
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and ".thanosql" not in file.parts
    }


def unfinished(root: Path) -> list[Path]:
    return list((root / ".thanosql" / "uploads").glob("*"))


def most_unfinished(root: Path) -> int:
    """Bytes that have come of the largest unfinished file."""
    largest = 0
    for each in unfinished(root):
        with suppress(FileNotFoundError):  # it has just been put in its place
            largest = max(largest, each.stat().st_size)
    return largest


def test_a_folder_stands_in_the_workspace_as_it_stands_here_and_is_sent_once(session, root, here):
    files = make(here, {"calls/calls.csv": 100, "calls/a.wav": 2 * MB, "calls/b/c.wav": 1, "calls/empty.txt": 0})
    report = session.upload("calls", progress=False)
    assert stand_in(root) == files
    assert {each.path for each in report.sent} == set(files)
    assert str(report).startswith("4 files sent (2.0 MB in ")
    again = session.upload("calls", progress=False)
    assert (again.sent, len(again.there), again.refused) == ((), 4, ())
    assert "4 files there already" in str(again)
    assert unfinished(root) == []


def test_a_file_that_was_changed_is_left_alone_unless_it_may_be_replaced(session, root, here):
    make(here, {"a.wav": 100, "b.wav": 100})
    session.upload("a.wav", "b.wav", progress=False)
    (here / "a.wav").write_bytes(b"changed")
    report = session.upload("a.wav", "b.wav", progress=False)
    assert [each.path for each in report.there] == ["b.wav"]
    assert re.search(r"1 file not sent:\n  a\.wav: another file stands at 'a\.wav'", str(report))
    assert [each.path for each in session.upload("a.wav", overwrite=True, progress=False).sent] == ["a.wav"]
    assert (root / "a.wav").read_bytes() == b"changed"


def test_progress_is_told_in_megabytes_until_all_are_done(session, here):
    make(here, {"a.wav": 3 * MB, "b.wav": 1 * MB})
    seen = []
    session.upload("a.wav", "b.wav", progress=False, on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit, seen[-1].figures["files"]) == (4.0, 4.0, "MB", 2.0)
    assert [each.done for each in seen] == sorted(each.done for each in seen)


def test_an_interrupted_upload_is_gone_on_with(session, root, here):
    files = make(here, {"a.wav": 60 * MB})

    def interrupt(progress: Any) -> None:
        if most_unfinished(root):
            raise KeyboardInterrupt

    with pytest.raises(Cancelled, match="0 of 1 files are there; the same upload goes on from here"):
        session.upload("a.wav", progress=False, on_progress=interrupt)
    (left,) = unfinished(root)
    assert 0 < left.stat().st_size < 60 * MB
    seen = []
    session.upload("a.wav", progress=False, on_progress=seen.append)
    assert stand_in(root) == files
    assert unfinished(root) == []


def test_a_server_that_is_killed_in_the_midst_of_a_file_is_gone_on_with_when_it_is_back(config, root, here):
    files = make(here, {"a.wav": 40 * MB, **{f"calls/{number}.wav": 1_000 for number in range(50)}})
    with ExitStack() as stack:
        process = Process(config, stack)
        killed: list[int] = []

        def kill() -> None:
            while not killed and not is_over.wait(0.002):
                if most_unfinished(root) > 2 * MB:
                    process.kill()
                    killed.append(most_unfinished(root))
                    process.start()

        is_over = threading.Event()
        killer = threading.Thread(target=kill)
        with thanosql.connect(process.address, TOKEN) as session:
            killer.start()
            try:
                report = session.upload("a.wav", "calls", progress=False)
            finally:
                is_over.set()
                killer.join()
        assert killed, "the server was too fast to be killed"
    assert 0 < killed[0] < 40 * MB
    assert stand_in(root) == files
    assert (len(report.sent), report.there, report.refused) == (51, (), ())


def test_a_server_that_stays_away_ends_the_upload_with_how_far_it_came(server, session, here, monkeypatch):
    monkeypatch.setattr("thanosql.upload_batch.PATIENCE", 0.5)
    make(here, {"a.wav": 1_000})
    server.stop(0)
    with pytest.raises(Unavailable) as raised:
        session.upload("a.wav", progress=False)
    assert "could not be reached for 0.5 s" in str(raised.value)
    assert "0 of 1 files are there" in str(raised.value)
    assert "the same upload goes on from here" in str(raised.value)


def test_two_clients_that_send_the_same_files_at_once_do_not_disturb_each_other(server, root, here):
    files = make(here, {"a.wav": 20 * MB, **{f"calls/{number}.wav": 3_000 for number in range(100)}})
    reports = []

    def send() -> None:
        with thanosql.connect(server.address, TOKEN) as session:
            reports.append(session.upload("a.wav", "calls", progress=False))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stand_in(root) == files
    assert all(len(each.sent) + len(each.there) == len(files) and not each.refused for each in reports)
    assert unfinished(root) == []


def test_more_clients_than_the_server_takes_at_once_wait_for_their_turn(config, root, here):
    import dataclasses

    files = make(here, {f"{number}.wav": 300 * 1_000 for number in range(200)})
    server = start(dataclasses.replace(config, most_uploads=1))
    try:
        with thanosql.connect(server.address, TOKEN) as session:
            assert len(session.upload(".", progress=False).sent) == 200
    finally:
        server.stop(0)
    assert stand_in(root) == files


@pytest.mark.slow
def test_two_thousand_small_files_all_arrive(session, root, here):
    files = make(here, {f"calls/{number % 20}/{number}.wav": 50 + number % 7 for number in range(2_000)})
    assert len(session.upload("calls", progress=False).sent) == 2_000
    assert stand_in(root) == files


def test_a_file_that_grows_while_it_is_sent_arrives_as_it_was_or_is_told(session, root, here):
    make(here, {"growing.log": 30 * MB})
    before = (here / "growing.log").read_bytes()
    stop = threading.Event()

    def grow() -> None:
        with (here / "growing.log").open("ab") as file:
            while not stop.is_set():
                file.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        report = session.upload("growing.log", progress=False)
    finally:
        stop.set()
        writer.join()
    (sent,) = report.sent
    assert sent.size >= 30 * MB
    assert (root / "growing.log").read_bytes()[: 30 * MB] == before


def test_a_file_that_is_changed_while_it_is_sent_is_told(session, root, here, monkeypatch):
    make(here, {"a.wav": 10 * MB})
    path = here / "a.wav"
    from thanosql import upload_batch

    checksum = upload_batch.Batch._checksum

    def changing(batch: Any, local: Any) -> Any:
        described = checksum(batch, local)
        path.write_bytes(bytes(10 * MB))
        return described

    monkeypatch.setattr(upload_batch.Batch, "_checksum", changing)
    (refused,) = session.upload("a.wav", progress=False).refused
    assert refused.outcome is UploadOutcome.DAMAGED
    assert "Was it changed meanwhile? Send it again." in refused.problem
    assert stand_in(root) == {}


def test_a_file_that_may_not_be_read_does_not_keep_the_others(session, root, here):
    make(here, {"a.wav": 100, "b.wav": 100, "c.wav": 100})
    (here / "b.wav").unlink()
    (here / "b.wav").symlink_to("/proc/self/mem")  # a file that opens and cannot be read
    report = session.upload(".", progress=False)
    assert sorted(stand_in(root)) == ["a.wav", "c.wav"]
    assert [each.path for each in report.refused] == ["b.wav"]


def test_a_session_in_local_mode_takes_files_too(here, tmp_path):
    files = make(here, {"calls/a.wav": 1_000})
    other = tmp_path / "elsewhere"
    other.mkdir()
    with thanosql.connect(workspace=other) as session:
        session.upload("calls", progress=False)
    assert stand_in(other) == files
    with thanosql.connect(workspace=here) as session:
        assert [each.path for each in session.upload("calls", progress=False).there] == ["calls/a.wav"]


def command(*arguments: str, address: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "THANOSQL_ADDRESS": address, "THANOSQL_API_TOKEN": TOKEN}
    line = [sys.executable, "-m", "thanosql.cli", "upload", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_the_command_tells_what_it_has_done_and_fails_where_a_file_was_not_sent(server, root, here):
    files = make(here, {"calls/a.wav": 1_000, "calls/b.wav": 2_000})
    run = command("calls", "--to", "june", address=server.address)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("2 files sent (0.0 MB in ")
    assert stand_in(root) == {name.replace("calls", "june"): data for name, data in files.items()}
    (here / "calls/a.wav").write_bytes(b"changed")
    run = command("calls", "--to", "june", address=server.address)
    assert (run.returncode, run.stdout) == (1, "")
    assert "june/a.wav: another file stands" in run.stderr
    assert command("calls", "--to", "june", "--overwrite", address=server.address).returncode == 0
    assert command("nowhere", address=server.address).stderr.startswith("error: there is no file or folder 'nowhere'")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    """A shell of IPython with the magics."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "thanosql")
    yield shell
    shell._thanosql_magics.close()
    InteractiveShell.clear_instance()


def test_a_notebook_sends_files_by_a_line(server, root, here, notebook, capsys):
    files = make(here, {"my calls/a.wav": 1_000})
    notebook.run_cell(f"%thanosql API_TOKEN='{TOKEN}' {server.address}")
    notebook.run_cell("folder = 'my calls'")
    notebook.run_cell("%thanosql upload '{folder}' --to june").raise_error()
    assert "1 file sent" in capsys.readouterr().out
    assert stand_in(root) == {"june/a.wav": files["my calls/a.wav"]}


@pytest.mark.parametrize("arguments", ["--too far", "--overwrite", "'my calls"])
def test_a_line_that_makes_no_sense_says_how_it_is_written(arguments):
    with pytest.raises(InvalidOption, match=r"upload PATH … \[--to FOLDER\]"):
        parse(arguments)


@pytest.mark.slow
def test_a_large_file_takes_little_memory_on_either_side(config, root, here):
    program = (
        "import sys, resource, thanosql; session = thanosql.connect(*sys.argv[1:]); "
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; session.upload('large.wav', progress=False); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    make(here, {"large.wav": 200 * MB})
    with ExitStack() as stack:
        process = Process(config, stack)
        before = process.most_memory()
        run = subprocess.run(
            [sys.executable, "-c", program, process.address, TOKEN], capture_output=True, text=True, check=True
        )
        assert (root / "large.wav").stat().st_size == 200 * MB
        assert process.most_memory() - before < 40_000
        assert int(run.stdout) < 40_000


class Process:
    """A query service in a process of its own, at a port that stays."""

    def __init__(self, config: QueryConfig, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "query_service", "--port", str(port), "--upload-spare-bytes", "0"]
        self._command += ["--workspace", str(config.workspace), "--state", str(config.state)]
        self._process: subprocess.Popen[bytes] | None = None
        stack.callback(self.kill)
        self.start()
        self.wait()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, env={**os.environ, "THANOSQL_TOKEN": TOKEN})

    def wait(self) -> None:
        """Returns when it takes calls."""
        with grpc.insecure_channel(self.address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def most_memory(self) -> int:
        """The most that it ever took, in kB."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            pytest.skip("needs /proc to see how much memory another process takes")
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])  # type: ignore[index]
