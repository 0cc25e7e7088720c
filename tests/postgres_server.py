"""A PostgreSQL server of the tests' own, of the programs that are installed, with its data in a new folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

POSTGRES = "THANOSQL_TEST_POSTGRES"
"""Variable with the URL of another server's login that may make databases and roles."""

STARTS_WITHIN = 60.0
"""Seconds for which it is waited for."""

STARTS = 3
"""How often a server that a signal has ended is started: one has died of SIGSEGV in its first instant."""

PASSWORD = "of the tests only"

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgres_server() -> Iterator[sa.URL]:
    """The address of a superuser's login; skips the test where there is no server to be had."""
    if POSTGRES in os.environ:
        yield sa.make_url(os.environ[POSTGRES]).set(drivername="postgresql+psycopg")
        return
    programs = find_programs()
    if programs is None:
        pytest.skip(f"needs PostgreSQL: install Debian's postgresql, or set {POSTGRES} to a superuser's URL")
    # Not under pytest's folder, which another user, as whom the server may have to run, cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="thanosql-postgres-"))
    user = other_user(folder)
    try:
        with _run(programs, folder, user) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path | None:
    """The folder of initdb and postgres: the newest of Debian's, or that of the PATH."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda each: int(each.parts[-3])) if _DEBIAN.is_dir() else []
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def other_user(folder: Path) -> str | None:
    """Who runs the server, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "postgres", "postgres")
    return "postgres"


@contextmanager
def _run(programs: Path, folder: Path, user: str | None) -> Iterator[sa.URL]:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    make = ["--pgdata", str(folder / "data"), "--username", "tests", "--pwfile", str(secret), "--no-sync"]
    make += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"]
    groups = None if user is None else []
    made = subprocess.run(
        [str(programs / "initdb"), *make], user=user, group=user, extra_groups=groups, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    settings = [f"unix_socket_directories={folder}", "listen_addresses=", "fsync=off", "max_connections=100"]
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    command += [word for setting in settings for word in ("-c", setting)]
    url = sa.URL.create(
        "postgresql+psycopg", username="tests", password=PASSWORD, database="postgres", query={"host": str(folder)}
    )
    with (folder / "log").open("wb") as log:
        for _ in range(STARTS):
            with subprocess.Popen(
                command, user=user, group=user, extra_groups=groups, stdout=log, stderr=log, cwd=folder
            ) as server:
                if _is_ready(url, server):
                    try:
                        yield url
                    finally:
                        server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
                        server.wait(STARTS_WITHIN)
                    return
                server.kill()
            if server.returncode >= 0:
                break
    said = (folder / "log").read_text("utf-8", "replace")[-4000:]
    pytest.fail(f"PostgreSQL did not start, and ended with {server.returncode}:\n{said}")


def _is_ready(url: sa.URL, server: subprocess.Popen[bytes]) -> bool:
    """Waits for its first answer; False if it ends before, or takes too long."""
    until = time.monotonic() + STARTS_WITHIN
    while server.poll() is None and time.monotonic() < until:
        try:
            connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    return False


def connect(url: sa.URL) -> psycopg.Connection:
    """A connection that commits each statement."""
    parts = url.translate_connect_args(username="user", database="dbname") | dict(url.query)
    return psycopg.connect(**parts, autocommit=True)
