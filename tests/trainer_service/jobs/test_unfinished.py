"""Folders of jobs whose rows were being written when a trainer was killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from thanosql.types import Rows
from trainer_service.jobs.job_folder import JobFolder, remove_unfinished


def _rows() -> Rows:
    batch = pa.RecordBatch.from_pydict({"audio_path": ["a.wav"], "text": ["ONE"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return Rows(sink.getvalue().to_pybytes())


def test_a_folder_that_a_killed_trainer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / ".new-abc" / "rows.arrow").write_bytes(b"half")
    JobFolder(tmp_path, "whole").create([_rows()])
    remove_unfinished(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["whole"]


def test_a_folder_that_is_being_written_stays(tmp_path: Path) -> None:
    goes_on = threading.Event()
    waits = threading.Event()

    def rows() -> Iterator[Rows]:
        yield _rows()
        waits.set()
        assert goes_on.wait(60)

    writer = threading.Thread(target=lambda: JobFolder(tmp_path, "slow").create(rows()))
    writer.start()
    assert waits.wait(60)
    remove_unfinished(tmp_path)
    goes_on.set()
    writer.join()
    assert (tmp_path / "slow" / "rows.arrow").exists()
