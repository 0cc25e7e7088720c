"""Local mode: the real services inside this process, shared, joined and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

import thanosql
from thanosql.errors import DataError, NotFound, Unavailable
from thanosql.running import Running, hold, read_note


def python(code: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_the_first_session_answers_without_anything_heavy_and_is_small(tmp_path):
    code = """
        import sys
        import thanosql
        session = thanosql.connect()
        answer = list(session.sql("SELECT 1 AS one"))
        import psutil
        me = psutil.Process()
        memory = sum(each.memory_info().rss for each in [me, *me.children(recursive=True)])
        heavy = [name for name in ("torch", "transformers", "onnxruntime", "pandas") if name in sys.modules]
        print(answer, memory // 2**20, heavy, sep=";")
    """
    output, errors = python(code, tmp_path).communicate(timeout=60)
    assert errors == ""
    answer, megabytes, heavy = output.strip().split(";")
    assert answer == "[Row(one=1)]"
    assert int(megabytes) < 400
    assert heavy == "[]"


def test_statements_work_on_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.csv").write_text("audio_path,text\na.wav,hello\nb.wav,it's\n")
    with thanosql.connect() as session:
        assert session.where == f"local, workspace {tmp_path}"
        copied = session.sql("COPY calls FROM 'calls.csv'")
        assert (copied.message, copied.rows) == ("Success", 2)
        assert session.sql("SELECT * FROM calls ORDER BY audio_path").to_arrow().to_pydict() == {
            "audio_path": ["a.wav", "b.wav"],
            "text": ["hello", "it's"],
        }
    assert (tmp_path / ".thanosql").stat().st_mode & 0o077 == 0, "tables are the user's own"
    with thanosql.connect() as session:
        assert list(session.sql("SELECT count(*) AS n FROM calls")) == [(2,)]


def test_two_sessions_of_one_process_share_the_services(tmp_path):
    first = thanosql.connect(workspace=tmp_path)
    second = thanosql.connect(workspace=tmp_path)
    note = read_note(tmp_path / ".thanosql")
    assert note is not None
    first.close()
    assert list(second.sql("SELECT 1 AS one")) == [(1,)]
    second.close()
    assert read_note(tmp_path / ".thanosql") is None
    with pytest.raises(Unavailable):
        thanosql.connect(note.address, note.token)


def test_workspaces_are_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with thanosql.connect(workspace=tmp_path / "a") as one, thanosql.connect(workspace=tmp_path / "b") as other:
        assert one.where != other.where
        assert list(other.sql("SELECT 2 AS x")) == [(2,)]


def test_a_second_process_joins_and_takes_over_when_the_first_has_ended(tmp_path):
    owner = python(
        """
        import sys, thanosql
        session = thanosql.connect()
        print("ready", flush=True)
        sys.stdin.readline()
        """,
        tmp_path,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        note = tmp_path / ".thanosql" / "local.json"
        assert note.stat().st_mode & 0o777 == 0o600
        assert json.loads(note.read_text())["pid"] == owner.pid
        with thanosql.connect(workspace=tmp_path) as session:
            assert session.where == f"local, workspace {tmp_path}, run by process {owner.pid}"
            assert list(session.sql("SELECT 1 AS one")) == [(1,)]
            owner.communicate("end\n", timeout=30)
            assert list(session.sql("SELECT 2 AS two")) == [(2,)]
            assert session.where == f"local, workspace {tmp_path}"
    finally:
        owner.kill()
        owner.communicate()


def test_the_note_of_a_process_that_was_killed_is_ignored(tmp_path):
    owner = python(
        "import time, thanosql\ns = thanosql.connect()\nprint('ready', flush=True)\ntime.sleep(60)", tmp_path
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    owner.kill()
    owner.communicate()
    assert (tmp_path / ".thanosql" / "local.json").exists()
    with thanosql.connect(workspace=tmp_path) as session:
        assert list(session.sql("SELECT 1 AS one")) == [(1,)]


def test_a_process_ends_at_once_with_a_session_open_and_a_stream_half_read(tmp_path):
    code = """
        import thanosql
        session = thanosql.connect()
        stream = session.stream("SELECT * FROM generate_series(1, 100000000)")
        print(next(stream).num_rows > 0, flush=True)
    """
    output, errors = python(code, tmp_path).communicate(timeout=30)
    assert (output, errors) == ("True\n", "")
    assert not (tmp_path / ".thanosql" / "local.json").exists()


def test_ctrl_c_stops_a_query_and_leaves_the_session_usable(tmp_path):
    with thanosql.connect(workspace=tmp_path) as session:
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(thanosql.Cancelled):
            session.sql("SELECT sum(sin(x)) FROM generate_series(1, 1000000000000) AS g(x)")
        assert list(session.sql("SELECT 1 AS one")) == [(1,)]


def test_a_state_folder_belongs_to_one_workspace(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with thanosql.connect(workspace=tmp_path / "a", state=tmp_path / "state"), pytest.raises(DataError, match="in use"):
        thanosql.connect(workspace=tmp_path / "b", state=tmp_path / "state")


def test_a_workspace_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFound, match="there is no folder"):
        thanosql.connect(workspace=tmp_path / "nothing")


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        thanosql.connect(workspace=tmp_path, state=tmp_path / "file" / "state")


def test_missing_packages_are_named_with_the_command_that_installs_them(tmp_path):
    code = """
        import sys, importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *a: None if name in ("duckdb", "torch") else find(name, *a)
        import thanosql
        try:
            thanosql.connect()
        except thanosql.ThanoSQLError as error:
            print(error)
    """
    output, _ = python(code, tmp_path).communicate(timeout=30)
    assert "not installed here: duckdb, torch" in output
    assert "pip install 'thanosql-speech[all]'" in output


def test_a_lock_is_held_by_one_and_freed_for_the_next(tmp_path):
    first = hold(tmp_path)
    assert first is not None
    assert hold(tmp_path) is None
    running = Running("127.0.0.1:1", "secret", str(tmp_path), os.getpid(), "the log")
    first.announce(running)
    assert read_note(tmp_path) == running
    first.release()
    assert read_note(tmp_path) is None
    second = hold(tmp_path)
    assert second is not None
    second.release()


def test_no_process_is_left_behind(tmp_path):
    before = set(psutil.Process().children(recursive=True))  # of other tests
    with thanosql.connect(workspace=tmp_path) as session:
        session.sql("SELECT 1")
    assert set(psutil.Process().children(recursive=True)) <= before
