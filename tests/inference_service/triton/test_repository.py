"""EXPORT MODEL: what is written, what is refused, and that the exported files transcribe as the service does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference_service.triton.repository import MODULES, export_model, write_config
from thanosql.audio import read_audio
from thanosql.ctc import decode_text
from thanosql.errors import DataError, NameTaken, PathRefused, UnknownModel
from thanosql.modelstore import read_description
from thanosql.types import ServingPlan, TranscribeClip, TranscribeStart

PLAN = ServingPlan("cpu", "onnxruntime", "fp32", 2, 1, 30.0, 1, 32.0)
GPU_PLAN = replace(PLAN, device="cuda", workers=1, batch_seconds=60.0, batch_rows=64)
PROCESS = Path(__file__).parent / "triton_process.py"


def export(store, workspace, path="triton", plan=PLAN):
    version = store / "tiny" / "1"
    return export_model(
        version, read_description(version), plan, workspace=workspace, path=path, max_audio_seconds=60.0
    )


@pytest.fixture(scope="module")
def repository(store, tmp_path_factory):
    """A workspace with an export in `triton`."""
    workspace = tmp_path_factory.mktemp("exported")
    export(store, workspace)
    return workspace / "triton"


def run_exported(repository, requests, outputs=("transcript", "confidence", "words"), **parameters):
    """The answers of the exported model, each a list of rows, or a code and a message."""
    given = {"batch_rows": 1, "batch_seconds": 30.0, "threads": 1, "max_audio_seconds": 60.0, **parameters}
    task = {"folder": str(repository / "tiny" / "1"), "parameters": given, "outputs": outputs, "requests": requests}
    done = subprocess.run([sys.executable, PROCESS], input=json.dumps(task), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def recordings(checkout, tmp_path_factory):
    """Paths: eight recordings of the tutorial, one of forty seconds with a pause, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    files = sorted((checkout / "tutorial_data" / "librispeech_data").glob("*.flac"))[:8]
    parts = [read_audio(file) for file in files]
    long = np.tile(np.concatenate([*parts, np.zeros(16_000, np.float32)]), 3)[: 40 * 16_000]
    soundfile.write(folder / "long.wav", long, 16_000)
    (folder / "broken.wav").write_bytes(b"not audio")
    return [*map(str, files), str(folder / "long.wav"), str(folder / "broken.wav")]


def test_an_export_says_where_it_lies_and_how_large_it_is(store, tmp_path):
    exported = export(store, tmp_path, "models/triton")
    assert exported.path == "models/triton/tiny"
    files = [file for file in (tmp_path / exported.path).rglob("*") if file.is_file()]
    assert exported.bytes == sum(file.stat().st_size for file in files)
    assert list((tmp_path / "models" / "triton").iterdir()) == [tmp_path / exported.path], "nothing temporary stays"


def test_the_version_is_named_as_in_the_catalog_and_holds_graph_description_and_code(repository):
    names = {file.relative_to(repository).as_posix() for file in repository.rglob("*") if file.is_file()}
    modules = {f"{package.replace('.', '/')}/{name}" for package, each in MODULES.items() for name in each}
    code = {f"tiny/1/{module}.py" for module in modules}
    assert names == code | {
        *("tiny/1/model.onnx", "tiny/1/model.onnx.data", "tiny/1/model.json", "tiny/1/model.py"),
        *("tiny/config.pbtxt", "tiny/requirements.txt", "tiny/README.md"),
    }
    assert "$" not in (repository / "tiny" / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        (PLAN, ("max_batch_size: 1", "kind: KIND_CPU count: 2", 'key: "threads" value { string_value: "1" }')),
        (
            GPU_PLAN,
            ("max_batch_size: 64", "kind: KIND_GPU count: 1", 'key: "batch_seconds" value { string_value: "60" }'),
        ),
    ],
    ids=["cpu", "gpu"],
)
def test_triton_is_configured_as_the_model_is_served_here(store, plan, lines):
    config = write_config(read_description(store / "tiny" / "1"), plan, max_audio_seconds=60.0)
    for line in lines:
        assert line in config
    assert re.search(r'name: "log_probs" data_type: TYPE_FP32 dims: \[ -1, 32 \]', config)


def test_a_model_that_is_there_already_is_not_overwritten(store, tmp_path):
    export(store, tmp_path)
    (tmp_path / "triton" / "tiny" / "config.pbtxt").write_text("mine")
    with pytest.raises(NameTaken, match="holds a model 'tiny' already"):
        export(store, tmp_path)
    assert (tmp_path / "triton" / "tiny" / "config.pbtxt").read_text() == "mine"


def test_of_several_exports_at_once_one_is_written_and_the_others_are_told(store, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        exports = [pool.submit(export, store, tmp_path) for _ in range(4)]
    errors = [each.exception() for each in exports]
    assert [type(error) for error in errors if error is not None] == 3 * [NameTaken]
    assert [folder.name for folder in (tmp_path / "triton").iterdir()] == ["tiny"]


@pytest.mark.parametrize("path", ["../elsewhere", "/tmp", "s3://bucket/models", ".thanosql/models"])
def test_a_path_out_of_the_workspace_is_refused(store, tmp_path, path):
    with pytest.raises(PathRefused):
        export(store, tmp_path / "workspace", path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_cannot_be_written_leaves_nothing(store, own_store, tmp_path):
    graph = own_store / "tiny" / "1" / "model.onnx"
    graph.unlink()
    graph.mkdir()
    with pytest.raises(DataError, match="cannot be written to 'triton'"):
        export(own_store, tmp_path)
    assert list((tmp_path / "triton").iterdir()) == []


def test_a_path_that_is_a_file_is_an_error_in_words(store, tmp_path):
    (tmp_path / "triton").write_text("a file")
    with pytest.raises(DataError, match="cannot be written to 'triton'"):
        export(store, tmp_path)


def test_the_service_exports_the_version_that_is_asked_for_or_the_newest(start_service, tmp_path):
    _, client = start_service(workspace=tmp_path)
    assert client.export_model("tiny", 1, "one").path == "one/tiny"
    assert client.export_model("tiny", 0, "newest").path == "newest/tiny"
    with pytest.raises(NameTaken):
        client.export_model("tiny", 1, "one")
    for name, version in (("tiny", 9), ("nothing", 1)):
        with pytest.raises(UnknownModel):
            client.export_model(name, version, "none")


def test_the_exported_model_says_the_same_as_the_service_without_our_packages(repository, recordings, start_service):
    _, client = start_service(engine="onnxruntime", precision="fp32")
    clips = [TranscribeClip(number, audio=Path(path).read_bytes()) for number, path in enumerate(recordings)]
    answers = {answer.id: answer for answer in client.transcribe(TranscribeStart("tiny", 1, words=True), clips)}
    alone = run_exported(repository, [[path] for path in recordings])
    together = run_exported(repository, [[path] for path in recordings], batch_rows=8, batch_seconds=40.0)
    for number, (single, batched) in enumerate(zip(alone, together, strict=True)):
        if recordings[number].endswith("broken.wav"):
            assert single == batched
            assert single[0] == "INVALID_ARG"
            assert single[1].startswith(f"{answers[number].reason}: ")
            continue
        words = [
            {**asdict(word), "confidence": pytest.approx(word.confidence, abs=1e-4)} for word in answers[number].words
        ]
        for (row,) in (single, batched):
            assert row["transcript"] == answers[number].text
            assert row["confidence"] == pytest.approx(answers[number].confidence, abs=1e-4)
            assert json.loads(row["words"]) == words


def test_rows_that_a_caller_batched_are_answered_in_their_order(repository, recordings):
    (rows, *singles) = run_exported(repository, [recordings[:3], *([path] for path in recordings[:3])], batch_rows=4)
    assert [row["transcript"] for row in rows] == [row["transcript"] for (row,) in singles]


def test_samples_are_taken_as_well_as_files(repository, recordings, tmp_path):
    np.save(tmp_path / "samples.npy", read_audio(Path(recordings[0])))
    file, samples = run_exported(repository, [recordings[:1], [str(tmp_path / "samples.npy")]])
    assert samples == file


def test_only_what_is_asked_for_is_given_and_log_probs_for_one_recording(repository, recordings):
    (single,), two = run_exported(repository, [recordings[:1], recordings[:2]], outputs=["log_probs", "transcript"])
    assert sorted(single) == ["log_probs", "transcript"]
    log_probs = np.array(single["log_probs"])
    description = read_description(repository / "tiny" / "1")
    assert log_probs.shape[1] == len(description.vocabulary)
    assert np.exp(log_probs).sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    assert decode_text(log_probs.argmax(axis=1), description) == single["transcript"]
    assert two[0] == "INVALID_ARG"


def test_a_request_without_a_recording_is_refused(repository, recordings):
    nothing, good = run_exported(repository, [[], recordings[:1]])
    assert nothing == ["INVALID_ARG", "a request has one input, 'waveform' or 'audio'; this one has 0"]
    assert good[0]["transcript"]


def test_a_recording_that_cannot_be_used_fails_its_own_request_only(repository, recordings):
    good, broken, silent, batched, also_good = run_exported(
        repository, [recordings[:1], recordings[-1:], 16_000, recordings[-2:], recordings[1:2]], batch_rows=4
    )
    assert broken[0] == silent[0] == batched[0] == "INVALID_ARG"
    assert silent[1].startswith("silent: ")
    assert good[0]["transcript"]
    assert also_good[0]["transcript"]
