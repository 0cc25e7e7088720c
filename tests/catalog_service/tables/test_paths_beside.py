"""Files whose paths of recordings are relative to their own folder."""

from __future__ import annotations

import json
import unicodedata

import pytest

from thanosql.types import IfExists


@pytest.fixture
def calls(workspace):
    """A folder with recordings, which nobody opens here."""
    folder = workspace / "calls"
    (folder / "may").mkdir(parents=True)
    for name in ("a.wav", "b.flac", "may/c.wav"):
        (folder / name).write_bytes(b"")
    return folder


def test_paths_beside_a_csv_file_become_paths_of_the_workspace(copy, calls, rows_of, notices):
    (calls / "calls.csv").write_text("id,recording,text\n1,a.wav,x\n2,may/c.wav,y.wav z\n3,,\n4,lost.wav,w\n")
    copy("calls/calls.csv")
    paths = [path for (path,) in rows_of("SELECT recording FROM calls ORDER BY id")]
    assert paths[:2] == ["calls/a.wav", "calls/may/c.wav"]
    assert paths[2] in ("", None)
    assert paths[3] == "calls/lost.wav"
    assert notices == ["The paths in 'recording' are relative to 'calls', which is put before them."]


def test_so_do_those_of_other_files_of_tables(copy, calls, rows_of):
    (calls / "calls.jsonl").write_text("".join(json.dumps({"audio": name}) + "\n" for name in ("a.wav", "b.flac")))
    copy("calls/calls.jsonl")
    assert sorted(rows_of("SELECT audio FROM calls")) == [("calls/a.wav",), ("calls/b.flac",)]


def test_paths_that_are_of_the_workspace_already_stay(copy, calls, rows_of, notices):
    (calls / "calls.csv").write_text("recording\ncalls/a.wav\nlost.wav\n")
    copy("calls/calls.csv")
    assert sorted(rows_of("SELECT recording FROM calls")) == [("calls/a.wav",), ("lost.wav",)]
    assert notices == []


def test_paths_stay_as_they_are_where_no_recording_is_found_either_way(copy, calls, rows_of, notices):
    (calls / "calls.csv").write_text("recording\nnone.wav\n../../etc/other.wav\n")
    copy("calls/calls.csv")
    assert sorted(rows_of("SELECT recording FROM calls")) == [("../../etc/other.wav",), ("none.wav",)]
    assert notices == []


def test_texts_that_are_no_paths_stay(copy, calls, rows_of):
    (calls / "calls.csv").write_text("said\na.wav\nhello\n")
    copy("calls/calls.csv")
    assert sorted(rows_of("SELECT said FROM calls")) == [("a.wav",), ("hello",)]


def test_rows_are_added_with_whole_paths_too(copy, calls, rows_of):
    (calls / "calls.csv").write_text("recording\na.wav\n")
    copy("calls/calls.csv")
    (calls / "more.csv").write_text("recording\nb.flac\n")
    copy("calls/more.csv", if_exists=IfExists.APPEND)
    assert sorted(rows_of("SELECT recording FROM calls")) == [("calls/a.wav",), ("calls/b.flac",)]


def test_a_folder_of_another_alphabet_in_either_form_is_found(copy, calls, rows_of, workspace):
    (workspace / "통화").mkdir()
    (workspace / "통화" / "녹음.wav").write_bytes(b"")
    name = unicodedata.normalize("NFD", "녹음.wav")
    (workspace / "통화" / "calls.csv").write_text(f"recording\n{name}\n", "utf-8")
    copy("통화/calls.csv")
    assert rows_of("SELECT recording FROM calls") == [(f"통화/{name}",)]
