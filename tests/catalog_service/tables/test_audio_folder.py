"""COPY from a folder of recordings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from catalog_service.tables.duckdb_store import DuckDBStore
from thanosql.errors import DataError, InvalidOption, PathRefused
from thanosql.types import IfExists

Copy = Callable[..., int]
Rows = Callable[[str], list[tuple[object, ...]]]
Record = Callable[..., Path]


@pytest.fixture
def record(workspace: Path) -> Record:
    """Makes a recording of half a second."""

    def write(path: str, rate: int = 16_000, channels: int = 1) -> Path:
        file = workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.full((rate // 2, channels), 0.1), rate)
        return file

    return write


def columns(store: DuckDBStore) -> dict[str, str]:
    (table,) = store.tables()
    return {column.name: column.type for column in table.columns}


def test_a_folder_becomes_a_row_for_each_recording_in_the_order_of_their_paths(
    record: Record, copy: Copy, store: DuckDBStore, rows_of: Rows
) -> None:
    record("calls/b/2.wav", rate=8_000, channels=2)
    record("calls/b/1.flac")
    record("calls/a.WAV")
    assert copy("calls") == 3
    assert columns(store) == {
        "audio_path": "text",
        "seconds": "double precision",
        "sample_rate": "integer",
        "channels": "integer",
        "format": "text",
    }
    assert rows_of("SELECT * FROM calls") == [
        ("calls/a.WAV", 0.5, 16_000, 1, "WAV"),
        ("calls/b/1.flac", 0.5, 16_000, 1, "FLAC"),
        ("calls/b/2.wav", 0.5, 8_000, 2, "WAV"),
    ]


def test_paths_are_relative_to_the_workspace_however_the_folder_is_named(
    record: Record, copy: Copy, rows_of: Rows
) -> None:
    record("calls/a.wav")
    copy("./calls/../calls/", table="one")
    copy(".", table="two")
    assert rows_of("SELECT audio_path FROM one UNION ALL SELECT audio_path FROM two") == [("calls/a.wav",)] * 2


def test_the_column_of_the_paths_has_the_name_that_is_asked_for(record: Record, copy: Copy, rows_of: Rows) -> None:
    record("calls/a.wav")
    copy("calls", audio_col="recording")
    assert rows_of("SELECT recording FROM calls") == [("calls/a.wav",)]


@pytest.mark.parametrize("name", ["seconds", "Format"])
def test_it_cannot_have_the_name_of_another_column(record: Record, copy: Copy, name: str) -> None:
    record("calls/a.wav")
    with pytest.raises(InvalidOption, match="is the name of another column"):
        copy("calls", audio_col=name)


def test_a_text_beside_a_recording_is_its_transcript(
    record: Record, copy: Copy, rows_of: Rows, notices: list[str]
) -> None:
    record("calls/a.wav").with_suffix(".txt").write_text("\ufeff  안녕\n하세요 \n", "utf-8")
    record("calls/b.wav")
    record("calls/c.wav").with_suffix(".txt").write_text("\n")
    copy("calls")
    assert rows_of("SELECT audio_path, text FROM calls") == [
        ("calls/a.wav", "안녕 하세요"),
        ("calls/b.wav", None),
        ("calls/c.wav", None),
    ]
    assert "The column text has the transcripts beside 1 of 3 recordings." in notices


def test_librispeech_is_read_with_its_transcripts_and_speakers(record: Record, copy: Copy, rows_of: Rows) -> None:
    for name in ("84/121123/84-121123-0000", "84/121123/84-121123-0001", "121/127105/121-127105-0000"):
        record(f"dev/{name}.flac")
    (record("dev/84/121123/84-121123-0000.flac").parent / "84-121123.trans.txt").write_text(
        "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN LESS THAN FIVE MINUTES\n84-121123-0009 NO RECORDING\n"
    )
    copy("dev")
    assert rows_of("SELECT text, speaker FROM calls ORDER BY audio_path DESC") == [
        ("BUT IN LESS THAN FIVE MINUTES", "84"),
        ("GO DO YOU HEAR", "84"),
        (None, "121"),
    ]


def test_a_recording_s_own_text_counts_more_than_a_list(record: Record, copy: Copy, rows_of: Rows) -> None:
    file = record("calls/a.wav")
    (file.parent / "z.trans.txt").write_text("a from the list\n")
    file.with_suffix(".txt").write_text("its own")
    copy("calls")
    assert rows_of("SELECT text FROM calls") == [("its own",)]


@pytest.mark.parametrize("content", ["안녕".encode("cp949"), b"a\0b", b"x" * 1_100_000])
def test_a_transcript_that_cannot_be_read_is_null_and_told(
    record: Record, copy: Copy, rows_of: Rows, notices: list[str], content: bytes
) -> None:
    record("calls/a.wav").with_suffix(".txt").write_bytes(content)
    record("calls/b.wav").with_suffix(".txt").write_text("good")
    copy("calls")
    assert rows_of("SELECT text FROM calls") == [(None,), ("good",)]
    assert any("A transcript was not read" in notice and "'a.txt'" in notice for notice in notices)


def test_a_file_that_cannot_be_read_keeps_its_row(
    record: Record, copy: Copy, rows_of: Rows, notices: list[str]
) -> None:
    record("calls/a.wav")
    (record("calls/b.wav")).write_bytes(b"RIFF and no more")
    (record("calls/c.wav")).write_bytes(b"")
    copy("calls")
    assert rows_of("SELECT audio_path, seconds, format FROM calls") == [
        ("calls/a.wav", 0.5, "WAV"),
        ("calls/b.wav", None, None),
        ("calls/c.wav", None, None),
    ]
    assert any(notice.startswith("2 of 3 recordings cannot be read") and "'b.wav'" in notice for notice in notices)


def test_a_recording_is_read_by_its_content_whatever_its_suffix_says(record: Record, copy: Copy, rows_of: Rows) -> None:
    record("calls/a.flac").rename(record("calls/b.wav"))
    copy("calls")
    assert rows_of("SELECT audio_path, format FROM calls") == [("calls/b.wav", "FLAC")]


def test_hidden_files_and_the_state_folder_are_passed_over(record: Record, copy: Copy, rows_of: Rows) -> None:
    for path in ("a.wav", "._a.wav", ".hidden/b.wav", ".thanosql/c.wav"):
        record(path)
    copy(".")
    assert rows_of("SELECT audio_path FROM calls") == [("a.wav",)]


def test_other_files_are_counted_and_left_out(record: Record, copy: Copy, notices: list[str]) -> None:
    folder = record("calls/a.wav").parent
    for name in ("list.csv", "notes.txt", "b.m4a", "c.m4a", "README"):
        (folder / name).write_bytes(b"x")
    assert copy("calls") == 1
    (told,) = [notice for notice in notices if notice.startswith("Left out")]
    assert "2 .m4a" in told
    assert "1 .csv" in told
    assert "1 .txt" in told
    assert "1 without a suffix" in told
    assert "ffmpeg -i a.m4a a.flac" in told


def test_links_that_leave_the_workspace_are_not_followed(
    record: Record, copy: Copy, rows_of: Rows, workspace: Path, tmp_path: Path, notices: list[str]
) -> None:
    inside, outside = record("elsewhere/in.wav"), record("../outside/out.wav")
    folder = record("calls/a.wav").parent
    (folder / "b.wav").symlink_to(inside)
    (folder / "c.wav").symlink_to(outside)
    (folder / "d.wav").symlink_to(workspace / "nowhere.wav")
    (folder / "e").symlink_to(outside.parent)
    (folder / "f").symlink_to(folder)
    copy("calls")
    assert rows_of("SELECT audio_path FROM calls") == [("calls/a.wav",), ("calls/b.wav",)]
    assert "Links to folders, and out of the workspace, are not followed: 4." in notices


def test_a_transcript_that_leads_out_of_the_workspace_is_not_read(
    record: Record, copy: Copy, store: DuckDBStore, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    record("calls/a.wav").with_suffix(".txt").symlink_to(secret)
    copy("calls")
    assert "text" not in columns(store)


def test_a_folder_outside_the_workspace_is_refused(record: Record, copy: Copy, workspace: Path) -> None:
    folder = record("../outside/a.wav").parent
    (workspace / "link").symlink_to(folder)
    for path in ("../outside", "link", str(folder)):
        with pytest.raises(PathRefused):
            copy(path)


def test_a_name_that_is_no_text_is_counted_and_left_out(record: Record, copy: Copy, notices: list[str]) -> None:
    folder = record("calls/a.wav").parent
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.wav")).write_bytes(b"")
    assert copy("calls") == 1
    assert "Folders and files that may not be read, or not be named: 1." in notices


def test_a_folder_without_recordings_is_refused_with_what_it_holds(workspace: Path, copy: Copy) -> None:
    (workspace / "calls").mkdir()
    with pytest.raises(DataError, match="no recording in the folder 'calls'"):
        copy("calls")
    (workspace / "calls" / "calls.csv").write_text("audio_path\n")
    with pytest.raises(DataError) as raised:
        copy("calls")
    assert "1 .csv" in raised.value.hint
    assert "COPY calls FROM 'folder/calls.csv'" in raised.value.hint


def test_a_folder_is_appended_with_the_columns_of_the_table(record: Record, copy: Copy, rows_of: Rows) -> None:
    record("march/a.wav").with_suffix(".txt").write_text("hello")
    record("april/b.wav")
    copy("march")
    assert copy("april", if_exists=IfExists.APPEND) == 1
    assert rows_of("SELECT audio_path, text, seconds FROM calls") == [
        ("march/a.wav", "hello", 0.5),
        ("april/b.wav", None, 0.5),
    ]


def test_what_a_header_tells_is_left_out_where_the_table_has_no_column_for_it(
    record: Record, load: Copy, copy: Copy, rows_of: Rows
) -> None:
    load("audio_path,seconds\nold.wav,1.5\n")
    record("april/b.wav")
    copy("april", if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [("old.wav", 1.5), ("april/b.wav", 0.5)]


def test_transcripts_are_not_left_out_without_a_word(record: Record, load: Copy, copy: Copy, rows_of: Rows) -> None:
    load("audio_path\nold.wav\n")
    record("april/b.wav").with_suffix(".txt").write_text("hello")
    with pytest.raises(DataError, match="the table lacks text"):
        copy("april", if_exists=IfExists.APPEND)
    assert rows_of("SELECT * FROM calls") == [("old.wav",)]


def test_many_recordings_come_with_progress(
    record: Record, store: DuckDBStore, workspace: Path, copy: Copy, rows_of: Rows
) -> None:
    file = record("calls/0000.wav", rate=8_000)
    for number in range(1, 2_000):
        os.link(file, file.with_name(f"{number:04}.wav"))
    assert copy("calls") == 2_000
    assert rows_of("SELECT count(*), sum(seconds), min(audio_path) FROM calls") == [(2_000, 1_000.0, "calls/0000.wav")]
