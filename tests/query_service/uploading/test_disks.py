"""Disks that are full, folders that are on other disks, workspaces that lie in folders of their own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from query_service.config import QueryConfig
from query_service.uploading.placing import Places, put
from query_service.uploading.uploads import Uploads
from tests.query_service.uploading.sending import describe, requests
from thanosql.errors import PathRefused
from thanosql.types import UploadOutcome

SPEECH = bytes(range(256)) * 4


@pytest.fixture
def config(tmp_path):
    return QueryConfig(workspace=tmp_path / "files", state=tmp_path / "state", upload_spare_bytes=0)


def send(config, path, content=SPEECH, workspace="default"):
    (ended,) = Uploads(config).receive(workspace, requests(describe(path, content), content), lambda: True)
    return ended


def failing_writes(monkeypatch, number, after):
    """Has the system refuse writes after so many of them."""
    write, written = os.write, []

    def refuse(file, data):
        written.append(data)
        if len(written) > after:
            raise OSError(number, os.strerror(number))
        return write(file, data)

    monkeypatch.setattr(os, "write", refuse)


def test_a_disk_that_becomes_full_keeps_nothing_of_the_file(config, monkeypatch):
    with monkeypatch.context() as patched:
        failing_writes(patched, errno.ENOSPC, after=30)
        ended = send(config, "a.wav")
    assert ended.outcome is UploadOutcome.REFUSED
    assert ended.problem == "the server's disk became full with 300 bytes of 'a.wav'; they are not kept"
    assert [each for each in config.workspace.rglob("*") if each.is_file()] == []
    assert send(config, "a.wav").outcome is UploadOutcome.PLACED


def test_another_failure_of_the_disk_is_told_and_what_came_is_kept(config, monkeypatch):
    with monkeypatch.context() as patched:
        failing_writes(patched, errno.EIO, after=30)
        ended = send(config, "a.wav")
    assert "the server cannot write 'a.wav': Input/output error" in ended.problem
    (state,) = Uploads(config).find("default", [describe("a.wav", SPEECH)], False)
    assert state.received == 300


def test_a_file_of_another_workspace_goes_into_its_folder_which_is_made(config, tmp_path):
    assert send(config, "a.wav", workspace="sales").outcome is UploadOutcome.PLACED
    assert (tmp_path / "state" / "workspaces" / "sales" / "files" / "a.wav").read_bytes() == SPEECH
    assert not (tmp_path / "files").exists()


def test_what_broke_off_in_one_workspace_is_not_known_in_another(config):
    uploads, file = Uploads(config), describe("a.wav", SPEECH)
    list(uploads.receive("sales", list(requests(file, SPEECH))[:31], lambda: True))
    received = {name: uploads.find(name, [file], False)[0].received for name in ("sales", "default")}
    assert received == {"sales": 300, "default": 0}


def test_a_server_that_stops_takes_no_more(config):
    asked = iter([True] * 30)
    ended = list(
        Uploads(config).receive("default", requests(describe("a.wav", SPEECH), SPEECH), lambda: next(asked, False))
    )
    assert ended == []
    (state,) = Uploads(config).find("default", [describe("a.wav", SPEECH)], False)
    assert state.received == 300


def test_a_folder_that_is_another_disk_gets_its_files_whole_too(tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second disk; /dev/shm is none here")
    part, place = tmp_path / "part", other / f"thanosql-test-{os.getpid()}" / "a.wav"
    part.write_bytes(SPEECH)
    try:
        assert put(part, place) == {place.parent, other}
        assert place.read_bytes() == SPEECH
        assert not part.exists()
        assert [each.name for each in place.parent.iterdir()] == ["a.wav"]
    finally:
        place.unlink(missing_ok=True)
        place.parent.rmdir()


def test_the_services_own_folders_in_a_workspace_are_closed_but_not_those_around_it(tmp_path):
    root = tmp_path / "root"
    places = Places(root, [tmp_path, root / "models"])
    assert places.find("a.wav") == root.resolve() / "a.wav"
    with pytest.raises(PathRefused, match="the services' own"):
        places.find("models/mine/model.onnx")
