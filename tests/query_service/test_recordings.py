"""Which recordings rows name: the quick way to a file comes to the same as the rule for paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_service.transcribing.recordings import NO_RECORDING, Failure, Recordings
from thanosql.errors import NotFound, PathRefused
from thanosql.types import CachedTranscript
from thanosql.workspace import existing_file

PARTS = (
    "a",
    "b.wav",
    "..",
    ".",
    "",
    "inner",
    "outer",
    "link.wav",
    "leads out.wav",
    "gone.wav",
    ".thanosql",
    "x\0",
    "가",
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with files, folders, and links that stay inside or lead out."""
    top = tmp_path_factory.mktemp("top")
    root = top / "root"
    for folder in (root / "a" / "a", root / ".thanosql", top / "elsewhere", root / "가"):
        folder.mkdir(parents=True)
    for folder in (root, root / "a", root / "a" / "a", root / ".thanosql", top / "elsewhere", root / "가"):
        (folder / "b.wav").write_bytes(bytes(str(folder), "utf-8"))
    (root / "inner").symlink_to(root / "a")
    (root / "outer").symlink_to(top / "elsewhere")
    (root / "link.wav").symlink_to(root / "a" / "b.wav")
    (root / "a" / "leads out.wav").symlink_to(top / "elsewhere" / "b.wav")
    return root


def by_the_rule(workspace: Path, path: str) -> object:
    try:
        file = existing_file(workspace, path)
    except (NotFound, PathRefused) as error:
        return error.message
    status = file.stat()
    return file.relative_to(workspace.resolve()).as_posix(), status.st_size, status.st_mtime_ns


@settings(deadline=None)
@given(
    paths=st.lists(
        st.tuples(st.sampled_from(("", "/", "s3://", "{root}/")), st.lists(st.sampled_from(PARTS), min_size=1)),
        min_size=1,
    )
)
def test_every_path_is_judged_as_the_rule_judges_it(workspace, paths):
    recordings = Recordings(workspace)
    for start, parts in paths:
        path = start.replace("{root}", str(workspace)) + "/".join(parts)
        recordings.add_rows([path])
        number = recordings.rows[-1]
        if not path.strip():
            assert number == NO_RECORDING
            continue
        result, key = recordings.results.get(number), recordings.keys[number]
        expected = by_the_rule(workspace, path)
        if isinstance(result, Failure):
            assert result.message == expected
        else:
            assert key is not None
            assert (key.path, key.size, key.modified_ns) == expected


def test_a_file_is_one_recording_whatever_the_rows_call_it(workspace):
    recordings = Recordings(workspace)
    recordings.add_rows(["a/b.wav", "./a//b.wav", "inner/b.wav", "link.wav", f"{workspace}/a/b.wav", None, " "])
    assert list(recordings.rows) == [0, 0, 0, 0, 0, NO_RECORDING, NO_RECORDING]
    assert recordings.uses[0] == 5


def test_rows_that_are_left_out_neither_wait_nor_fail(workspace):
    recordings = Recordings(workspace)
    recordings.add_rows(["a/b.wav"])
    recordings.leave_out_row()
    assert recordings.done_rows() == 1
    recordings.results[0] = CachedTranscript(recordings.file_of(0), "b")
    assert recordings.first_failure() is None
    recordings.add_rows([None])
    assert recordings.first_failure() == (3, "the row names no recording")


def test_a_file_that_was_changed_or_removed_is_noticed(workspace):
    file = workspace / "changes.wav"
    file.write_bytes(b"one")
    recordings = Recordings(workspace)
    recordings.add_rows(["changes.wav"])
    assert recordings.is_unchanged(0)
    file.write_bytes(b"another")
    assert not recordings.is_unchanged(0)
    file.unlink()
    assert not recordings.is_unchanged(0)
