"""Recordings are read ahead by processes that load nothing heavy, and end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from thanosql.errors import AudioError, JobFailed
from trainer_service.data.dataset import Utterance
from trainer_service.data.reading import ReadAhead


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    """Three recordings of 8 kHz, one second each."""
    made = []
    for row in range(3):
        file = tmp_path / f"{row}.wav"
        soundfile.write(file, np.random.default_rng(row).standard_normal(8_000) * 0.1, 8_000)
        made.append(Utterance(row, file.name, file, 16_000, (5,), "A"))
    return made


def test_recordings_come_resampled_and_as_often_as_they_are_asked_for(utterances: list[Utterance]) -> None:
    with ReadAhead(16_000, processes=1) as recordings:
        recordings.expect(utterances)
        read = [recordings.read(each) for each in utterances]
        assert [len(samples) for samples in read] == [16_000] * 3
        assert all(samples.dtype == np.float32 for samples in read)
        np.testing.assert_array_equal(recordings.read(utterances[1]), read[1])


def test_a_recording_that_cannot_be_read_is_an_error_of_its_own(utterances: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF and nothing more")
    with ReadAhead(16_000, processes=1) as recordings:
        with pytest.raises(AudioError):
            recordings.read(replace(utterances[0], file=tmp_path / "bad.wav"))
        assert len(recordings.read(utterances[1])) == 16_000


def test_a_process_that_is_killed_is_told(utterances: list[Utterance]) -> None:
    with ReadAhead(16_000, processes=1) as recordings:
        recordings.read(utterances[0])
        (reader,) = [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]
        reader.send_signal(signal.SIGKILL)
        with pytest.raises(JobFailed, match="reads recordings was killed"):
            recordings.read(utterances[1])


def test_the_processes_load_no_torch_and_end_with_the_one_that_started_them(
    utterances: list[Utterance], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from trainer_service.data.dataset import Utterance\n"
        "from trainer_service.data.reading import ReadAhead\n"
        "if __name__ == '__main__':\n"
        "    recordings = ReadAhead(16_000, 1)\n"
        "    recordings.read(Utterance(0, 'x', Path(sys.argv[1]), 16_000, (5,), 'A'))\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n",
        "utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(program), str(utterances[0].file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        readers = [each for each in psutil.Process(parent.pid).children() if "spawn_main" in " ".join(each.cmdline())]
        assert len(readers) == 1
        assert not any("libtorch" in mapped.path for mapped in readers[0].memory_maps())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and readers[0].is_running():
        time.sleep(0.05)
    assert not readers[0].is_running()
