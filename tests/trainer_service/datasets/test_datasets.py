"""Data sets come whole into the workspace, by their names or from the hub, and replace nothing that nobody gave up."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from thanosql.errors import DataError, NameTaken, NotFound, Overloaded, PathRefused, Unavailable
from thanosql.types import GetDatasetResult, Progress
from trainer_service.bases.hub import Hub
from trainer_service.datasets.datasets import Datasets

NAME = "librispeech_data"


class Hosted(ThreadingHTTPServer):
    """A hub with one data set, `someone/speech`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"train.csv": b"audio_path,text\n", "audio/a.wav": b"RIFF" * 100, ".gitattributes": b"x"}
        self.broken: set[str] = set()
        self.sent: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hosted

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/someone/speech/tree/"):
            files = self.server.files.items()
            tree = [{"type": "file", "path": name, "size": len(body), "oid": name} for name, body in files]
            self._send(200, json.dumps(tree).encode())
            return
        if path.startswith("/api/datasets/someone/speech"):
            siblings = [{"rfilename": name} for name in self.server.files]
            body = json.dumps({"id": "someone/speech", "sha": "c0ffee" * 6, "siblings": siblings, "tags": []}).encode()
            self._send(200, body)
            return
        _, _, name = path.partition(f"/datasets/someone/speech/resolve/{'c0ffee' * 6}/")
        if name in self.server.files and name not in self.server.broken:
            body = self.server.files[name]
            if self.command == "GET":
                self.server.sent.append(name)
            self._send(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', **{"X-Repo-Commit": "c0ffee" * 6})
        else:
            self._send(403 if name in self.server.broken else 404, b"{}")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hosted() -> Iterator[Hosted]:
    with Hosted() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """What is shipped: a table and two recordings."""
    folder = tmp_path / "shipped" / NAME
    folder.mkdir(parents=True)
    for name in ("librispeech_train.csv", "000.flac", "001.flac"):
        (folder / name).write_bytes(name.encode())
    return folder.parent


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def datasets(workspace: Path, tmp_path: Path, shipped: Path, nowhere: str) -> Datasets:
    return make(workspace, tmp_path, shipped, nowhere)


def make(workspace: Path, tmp_path: Path, shipped: Path, endpoint: str) -> Datasets:
    ticks = count()
    hub = Hub(5.0, endpoint, tmp_path / "cache")
    return Datasets(workspace, tmp_path / "downloads", hub, clock=lambda: next(ticks), shipped=shipped)


def get(datasets: Datasets, name: str = NAME, *, overwrite: bool = False) -> GetDatasetResult:
    *before, result = datasets.get(name, overwrite=overwrite)
    assert all(isinstance(each, Progress) for each in before)
    assert isinstance(result, GetDatasetResult)
    return result


def left(workspace: Path) -> list[str]:
    return sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file())


def test_the_tutorial_s_data_comes_to_the_path_that_its_statements_name(datasets: Datasets, workspace: Path) -> None:
    assert get(datasets) == GetDatasetResult("tutorial_data/librispeech_data", 3, 21 + 8 + 8)
    assert left(workspace) == [
        f"tutorial_data/{NAME}/{name}" for name in ("000.flac", "001.flac", "librispeech_train.csv")
    ]


def test_the_shipped_data_is_the_tutorial_s(workspace: Path, tmp_path: Path, nowhere: str) -> None:
    datasets = Datasets(workspace, tmp_path / "downloads", Hub(1.0, nowhere), clock=lambda: 0.0)
    assert get(datasets, "LibriSpeech_Data").files == 102
    assert (workspace / "tutorial_data/librispeech_data/librispeech_train.csv").is_file()


def test_a_list_says_what_is_there(datasets: Datasets, workspace: Path) -> None:
    assert [(each.name, each.is_there) for each in datasets.list()] == [(NAME, False)]
    get(datasets)
    assert [(each.name, each.is_there) for each in datasets.list()] == [(NAME, True)]
    (workspace / "tutorial_data" / NAME / "000.flac").unlink()
    assert [(each.name, each.is_there) for each in datasets.list()] == [(NAME, False)]


def test_files_that_are_there_are_named_and_stay(datasets: Datasets, workspace: Path) -> None:
    folder = workspace / "tutorial_data" / NAME
    folder.mkdir(parents=True)
    (folder / "000.flac").write_text("mine")
    with pytest.raises(NameTaken, match=r"has 1 of the 3 files already: 000.flac") as caught:
        get(datasets)
    assert "overwrite=True" in caught.value.hint
    assert (folder / "000.flac").read_text() == "mine"
    assert left(workspace) == [f"tutorial_data/{NAME}/000.flac"]


def test_a_data_set_that_is_there_whole_is_told_so(datasets: Datasets) -> None:
    get(datasets)
    with pytest.raises(NameTaken) as caught:
        get(datasets)
    assert caught.value.hint.startswith("The data set is there already.")


def test_overwriting_replaces_its_files_and_no_others(datasets: Datasets, workspace: Path) -> None:
    folder = workspace / "tutorial_data" / NAME
    folder.mkdir(parents=True)
    (folder / "000.flac").write_text("mine")
    (folder / "notes.txt").write_text("mine too")
    get(datasets, overwrite=True)
    assert (folder / "000.flac").read_text() == "000.flac"
    assert (folder / "notes.txt").read_text() == "mine too"
    assert len(left(workspace)) == 4


def test_a_data_set_that_is_its_own_target_stays_as_it_is(tmp_path: Path, nowhere: str, shipped: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shipped.rename(checkout / "tutorial_data")
    datasets = make(checkout, tmp_path, checkout / "tutorial_data", nowhere)
    assert get(datasets, overwrite=True).files == 3
    assert len(left(checkout)) == 3


def test_a_data_set_that_is_given_up_on_the_way_leaves_nothing(datasets: Datasets, workspace: Path) -> None:
    (workspace / ".thanosql-data-old").mkdir()
    (workspace / ".thanosql-data-old" / "file").write_text("of a process that was killed")
    reading = datasets.get(NAME, overwrite=False)
    assert next(reading) == Progress("write files", 8, 37, "bytes")
    reading.close()
    assert not list(workspace.iterdir())


def test_a_data_set_that_cannot_be_written_leaves_nothing(datasets: Datasets, workspace: Path) -> None:
    (workspace / "tutorial_data").write_text("a file, where a folder should be")
    with pytest.raises(DataError, match="cannot be written"):
        get(datasets)
    assert [path.name for path in workspace.iterdir()] == ["tutorial_data"]


def test_a_folder_that_leads_out_of_the_workspace_is_refused(
    datasets: Datasets, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / "tutorial_data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathRefused):
        get(datasets)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_unknown_name_brings_the_nearest(datasets: Datasets) -> None:
    with pytest.raises(NotFound, match="there is no data set 'librispech_data'") as caught:
        get(datasets, "librispech_data")
    assert "Did you mean librispeech_data?" in caught.value.hint


def test_one_data_set_comes_at_a_time(datasets: Datasets, shipped: Path) -> None:
    first = datasets.get(NAME, overwrite=False)
    next(first)
    with pytest.raises(Overloaded):
        get(datasets)
    first.close()
    with pytest.raises(NotFound):
        get(datasets, "other")


def test_a_repository_of_the_hub_comes_under_its_own_name(
    workspace: Path, tmp_path: Path, shipped: Path, hosted: Hosted
) -> None:
    datasets = make(workspace, tmp_path, shipped, hosted.address)
    assert get(datasets, "someone/speech") == GetDatasetResult("someone/speech", 2, 416)
    assert left(workspace) == ["someone/speech/audio/a.wav", "someone/speech/train.csv"]
    assert not list((tmp_path / "downloads").iterdir())
    with pytest.raises(NameTaken):
        get(datasets, "someone/speech")


def test_a_download_that_broke_off_goes_on_where_it_was(
    workspace: Path, tmp_path: Path, shipped: Path, hosted: Hosted
) -> None:
    hosted.broken.add("audio/a.wav")
    datasets = make(workspace, tmp_path, shipped, hosted.address)
    with pytest.raises(Unavailable, match="the download of someone/speech broke off") as caught:
        get(datasets, "someone/speech")
    assert "what was loaded so far is kept" in caught.value.hint
    assert left(workspace) == []
    hosted.broken.clear()
    get(datasets, "someone/speech")
    assert hosted.sent.count("train.csv") == 1


def test_a_hub_that_is_out_of_reach_is_told(datasets: Datasets) -> None:
    with pytest.raises(Unavailable, match=r"the data set someone/speech cannot be had: 127.0.0.1 cannot be reached"):
        get(datasets, "someone/speech")


def test_a_repository_that_is_not_there_is_told(workspace: Path, tmp_path: Path, shipped: Path, hosted: Hosted) -> None:
    with pytest.raises((NotFound, Unavailable), match="someone/else"):
        get(make(workspace, tmp_path, shipped, hosted.address), "someone/else")
