"""PostgreSQL is killed and started again, or restarted, while statements run: all or nothing there too."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.faults.conftest import make_bench
from tests.faults.rounds import Draw, Report, Running, judge
from tests.faults.trials import Bench, make_trials
from tests.postgres_server import PASSWORD, connect, find_programs, other_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NUMBERS = 200_000
STARTS_WITHIN = 120.0


class Database:
    """A PostgreSQL server of its own, which may be killed, with its data on the disk for good."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._user = other_user(folder)
        self._process: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        make = ["--pgdata", str(folder / "data"), "--username", "tests", "--pwfile", str(secret)]
        made = self._call("initdb", *make, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8")
        assert made.wait() == 0

    @property
    def url(self) -> sa.URL:
        """Of a superuser."""
        return sa.URL.create(
            "postgresql+psycopg",
            username="tests",
            password=PASSWORD,
            database="postgres",
            query={"host": str(self._folder)},
        )

    def start(self) -> None:
        """Starts the server, and returns when it answers."""
        settings = [f"unix_socket_directories={self._folder}", "listen_addresses=", "max_connections=100"]
        words = [word for setting in settings for word in ("-c", setting)]
        self._process = self._call("postgres", "-D", str(self._folder / "data"), *words)
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def stop(self, number: signal.Signals) -> None:
        """Ends the server: SIGINT, as a restart does, or SIGQUIT, which is as good as a crash."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(STARTS_WITHIN)

    def _call(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        # By a program of its own: gRPC, at work in other threads, does not bear the fork that Popen(user=…) makes.
        become = ["setpriv", "--reuid", self._user, "--regid", self._user, "--clear-groups"] if self._user else []
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*become, str(self._programs / program), *arguments], stdout=log, stderr=log, cwd=self._folder
            )


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    programs = find_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: install Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="thanosql-postgres-"))
    server = Database(folder, programs)
    try:
        server.start()
        yield server
        server.stop(signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bench(database: Database, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Four services over that server."""
    with connect(database.url) as superuser:
        superuser.execute("CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'secret'")
        superuser.execute("CREATE DATABASE kept OWNER owner ENCODING 'UTF8' TEMPLATE template0")
    url = database.url.set(drivername="postgresql", username="owner", password="secret", database="kept")
    text = url.render_as_string(hide_password=False)
    with ExitStack() as stack:
        environment = {"THANOSQL_CATALOG_TABLES": text, "THANOSQL_CATALOG_DATABASE": text}
        yield make_bench(stack, tmp_path_factory.mktemp("faults"), checkout, NUMBERS, environment)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "killed"])
def test_statements_are_done_or_not_when_the_database_server_goes(
    bench: Bench, database: Database, how: signal.Signals
) -> None:
    chooser = random.Random(how)
    reports = []
    for number, trial in enumerate(make_trials(NUMBERS)):
        if trial.name == "BUILD":
            continue
        report = Report(trial.name, Draw(number, "postgres", how.name, chooser.uniform(0.1, 0.9), 0.5))
        trial.prepare(bench)
        running = Running(bench, trial.text)
        time.sleep(report.draw.fraction * trial.seconds)
        database.stop(how)
        time.sleep(report.draw.pause)
        database.start()
        assert running.wait(), trial.name
        judge(bench, trial, running, report)
        print(report)
        reports.append(report)
    assert not [str(report) for report in reports if report.problems]
