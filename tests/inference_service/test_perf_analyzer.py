"""Triton's perf_analyzer measures the running service.

The program is looked for on the PATH, and where the environment variable PERF_ANALYZER says. The wheel of tritonclient
2.50.0 holds one (`unzip`; it needs Debian's libb64-0d and the libcudart.so.12 of nvidia-cuda-runtime-cu12 on the
LD_LIBRARY_PATH, and no GPU).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from thanosql.audio import read_audio
from thanosql.clients import InferenceClient
from thanosql.rpc.server import RunningServer

Start = Callable[..., tuple[RunningServer, InferenceClient]]

PROGRAM = os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")
FOLDER = "tutorial_data/librispeech_data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="perf_analyzer is neither on the PATH nor named by PERF_ANALYZER"),
]


def write_samples(checkout: Path) -> list[object]:
    samples = [read_audio(checkout / FOLDER / f"{number:03d}.flac") for number in range(3)]
    return [{"waveform": {"content": each.tolist(), "shape": [len(each)]}} for each in samples]


def write_files(checkout: Path) -> list[object]:
    files = [(checkout / FOLDER / f"{number:03d}.flac").read_bytes() for number in range(3)]
    # As the protocol writes an element of BYTES: after its length.
    elements = [len(file).to_bytes(4, "little") + file for file in files]
    return [{"audio": {"b64": base64.b64encode(element).decode("ascii")}} for element in elements]


@pytest.mark.parametrize("write", [write_samples, write_files])
def test_perf_analyzer_reads_latencies_and_statistics(
    write: Callable[[Path], list[object]], start_service: Start, checkout: Path, tmp_path: Path
) -> None:
    server, own = start_service()
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"data": write(checkout)}), "utf-8")
    # Stable is whatever it measures: the machine may be busy.
    measuring = ["--concurrency-range", "1:4:3", "--measurement-interval", "1000", "-s", "999"]
    address = ["-m", "tiny", "-i", "grpc", "-u", server.address, "--input-data", str(data)]
    done = subprocess.run([str(PROGRAM), *address, *measuring], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Concurrency: 4, throughput:" in done.stdout
    assert "compute infer" in done.stdout
    (figures,) = own.get_statistics()
    assert figures.clips > 4
    assert (figures.failures, figures.late, figures.rejected) == (0, 0, 0)
