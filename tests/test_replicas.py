"""PREDICT over two real inference services, one of which is killed, stopped or restarted in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from inference_service.planning.calibration_file import CalibrationFiles
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from query_service.running.arrow import read_rows
from query_service.transcribing import clip_shares
from tests.faults.speech import HEARER, write_hearer
from thanosql.clients import CatalogClient, InferenceClient, QueryClient
from thanosql.rpc.channel import open_channel
from thanosql.types import IfExists, Model, Notice, Progress, Rows

TOKEN = "secret"
RECORDINGS = 100
PREDICT = f"PREDICT USING {HEARER} OPTIONS (cache=False) AS SELECT * FROM recordings"


@dataclass
class Process:
    """An inference service in a process of its own."""

    command: list[str]
    popen: subprocess.Popen[str]
    address: str

    def clips(self) -> int:
        """Recordings that it has answered."""
        with open_channel(self.address, TOKEN) as channel:
            return sum(each.clips for each in InferenceClient(channel).get_statistics())


def start_process(workspace: Path, port: int = 0) -> Process:
    command = [sys.executable, "-m", "inference_service", "--workspace", str(workspace), "--calibration-seconds", "0"]
    command += ["--state", str(workspace / ".thanosql"), "--device", "cpu", "--engine", "onnxruntime", "--threads", "1"]
    popen = subprocess.Popen(
        [*command, "--port", str(port)], env={**os.environ, "THANOSQL_TOKEN": TOKEN}, stderr=subprocess.PIPE, text=True
    )
    assert popen.stderr is not None
    for line in popen.stderr:
        if "listening on " in line:
            return Process(command, popen, line.split("listening on ")[1].split()[0])
    raise AssertionError("it has not started")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """A workspace with some of the tutorial's recordings, a table of them, and a model in its store."""
    folder = tmp_path_factory.mktemp("replicas")
    audio = folder / "audio"
    audio.mkdir()
    for file in sorted((checkout / "tutorial_data" / "librispeech_data").glob("*.flac"))[:RECORDINGS]:
        shutil.copy(file, audio)
    lines = ["audio_path", *(f"audio/{each.name}" for each in sorted(audio.iterdir())), ""]
    (folder / "recordings.csv").write_text("\n".join(lines), "utf-8")
    write_hearer(folder / ".thanosql" / "models")
    return folder


@pytest.fixture
def two(workspace: Path) -> Iterator[list[Process]]:
    """Two inference services over one model store, started at the same time."""
    with ThreadPoolExecutor(2) as pool:
        processes = list(pool.map(lambda _: start_process(workspace), range(2)))
    yield processes
    for each in processes:
        each.popen.kill()
        each.popen.wait()
        assert each.popen.stderr is not None
        each.popen.stderr.close()


Predict = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture(scope="module")
def predict(workspace: Path) -> Iterator[Predict]:
    """Runs PREDICT by the servers of an address; gives the transcripts in order, and the notices."""
    common: dict[str, Any] = {"port": 0, "token": TOKEN, "workspace": workspace, "grace": 1.0}
    common["state"] = workspace / ".thanosql"
    with ExitStack() as stack:
        catalog = start_catalog(CatalogConfig(**common))
        stack.callback(catalog.stop, 0)
        client = CatalogClient(stack.enter_context(open_channel(catalog.address, TOKEN)))
        client.register_model(Model(HEARER, 1, "Test", "test"))
        list(client.copy_table("recordings", "recordings.csv", IfExists.FAIL))

        def run(address: str, at: int = 0, do: Callable[[], object] = lambda: None) -> tuple[list[str], list[str]]:
            """`do` is called once, when `at` recordings are done."""
            query = start_query(QueryConfig(**common, catalog=catalog.address, inference=address))
            texts: list[str] = []
            notices: list[str] = []
            waits = bool(at)
            with open_channel(query.address, TOKEN) as channel:
                for event in QueryClient(channel).execute(PREDICT):
                    if isinstance(event.event, Notice):
                        notices.append(event.event.text)
                    elif isinstance(event.event, Rows):
                        texts += [row["predicted"] for batch in read_rows(event.event) for row in batch.to_pylist()]
                    elif isinstance(event.event, Progress) and waits and event.event.done >= at:
                        waits = False
                        do()
            query.stop(0)
            assert not waits, "everything was over before"
            return texts, notices

        yield run


@pytest.fixture(scope="module")
def expected(predict: Predict, workspace: Path) -> list[str]:
    """What one service alone says."""
    process = start_process(workspace)
    try:
        texts, _ = predict(process.address)
    finally:
        process.popen.kill()
        process.popen.communicate()
    assert len(texts) == RECORDINGS
    return texts


def address_of(processes: list[Process]) -> str:
    return ",".join(each.address for each in processes)


def test_both_compute_and_say_the_same_as_one_alone(two: list[Process], predict: Predict, expected: list[str]) -> None:
    assert predict(address_of(two)) == (expected, [])
    counts = [each.clips() for each in two]
    assert sum(counts) == RECORDINGS
    assert min(counts) > RECORDINGS / 5


def test_a_kill_in_the_middle_costs_nothing_but_time(two: list[Process], predict: Predict, expected: list[str]) -> None:
    texts, notices = predict(address_of(two), 1, two[0].popen.kill)
    assert texts == expected
    assert len(notices) <= 1
    assert two[1].clips() > RECORDINGS / 2


def test_one_that_is_stopped_and_keeps_its_connections_holds_up_nothing(
    two: list[Process], predict: Predict, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_shares, "LATE_SECONDS", 1.0)
    texts, _ = predict(address_of(two), 1, lambda: two[0].popen.send_signal(signal.SIGSTOP))
    assert texts == expected


def test_a_single_one_that_is_killed_and_started_again_costs_nothing_but_time(
    two: list[Process], predict: Predict, expected: list[str], workspace: Path
) -> None:
    port = int(two[0].address.rpartition(":")[2])

    def restart() -> None:
        two[0].popen.kill()
        two[0].popen.communicate()
        two[0] = start_process(workspace, port)

    texts, notices = predict(two[0].address, 1, restart)
    assert texts == expected
    assert len(notices) <= 1


def test_what_two_services_measure_at_once_is_kept_whole(tmp_path: Path) -> None:
    version = tmp_path / "models" / "tiny" / "1"
    version.mkdir(parents=True)
    files = [CalibrationFiles(tmp_path / "elsewhere") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for file in files:
            pool.submit(lambda file=file: [file.keep(version, {"machine": "m"}, {"rate": 1}) for _ in range(50)])
    assert CalibrationFiles(tmp_path / "elsewhere").recall(version, {"machine": "m"}) == {"rate": 1}
    assert [each.name for each in version.iterdir()] == ["calibration.json"]
